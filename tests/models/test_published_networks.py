"""Networks with published weights give what the published code gives: names, shapes and numbers.

The references hold no weights. Every tensor is computed from its name, in double precision.
"""

import gc
import json
import math
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference_signals import batch
from torch import Tensor

from ecg_tl.models.base import EcgNetwork, TokenNetwork
from ecg_tl.models.ecg_fm import ecg_fm
from ecg_tl.models.ecg_jepa import ecg_jepa
from ecg_tl.models.hubert_ecg import hubert_ecg
from ecg_tl.models.inception1d import inception1d
from ecg_tl.models.merl_resnet import merl_resnet18
from ecg_tl.models.net1d import net1d
from ecg_tl.models.resnet1d_wang import resnet1d_wang
from ecg_tl.models.ribeiro_resnet import ribeiro_resnet
from ecg_tl.models.s4 import cpc_s4, s4
from ecg_tl.models.weimann_vit import weimann_vit
from ecg_tl.models.xresnet1d import xresnet1d50, xresnet1d101

Reference = dict[str, Any]

FOLDER = Path(__file__).parent / "parity"
NETWORKS: dict[str, Callable[[], EcgNetwork]] = {
    "ecgfounder": lambda: net1d(150, 12, 5000),
    "ecgfounder-1": lambda: net1d(150, 1, 5000),
    "clef-small": lambda: net1d(1, 1, 5000, size="small"),
    "s4": lambda: s4(71, 12, 250),
    "ecg-cpc": lambda: cpc_s4(1, 12, 600, longest=2400),
    "ecg-fm": lambda: ecg_fm(1, 12, 2500),
    "hubert-ecg": lambda: hubert_ecg(1, 12, 500),
    "ecg-jepa": lambda: ecg_jepa(1, 8, 2500),
    "weimann-vit-s": lambda: weimann_vit(1, 12, 5000),
    "merl-resnet18": lambda: merl_resnet18(71, 12, 5000),
    "ked-xresnet1d101": lambda: xresnet1d101(1, 12, 1000, variant="ked"),
    "helme-xresnet1d101": lambda: xresnet1d101(71, 12, 1000),
    "helme-xresnet1d50": lambda: xresnet1d50(71, 12, 1000),
    "helme-inception1d": lambda: inception1d(71, 12, 1000),
    "helme-resnet1d_wang": lambda: resnet1d_wang(71, 12, 1000),
    "ribeiro-age": lambda: ribeiro_resnet(6, 12, 4096),
}
LARGE = ("ecg-fm", "hubert-ecg", "ecg-jepa")
POOLED = {"ribeiro-age": "flat", "weimann-vit-s": "pooled_register"}
WEAKER = (".out_proj.weight", ".fc2.weight", ".output_dense.weight", ".attn.proj.weight")

every_network = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in NETWORKS],
    scope="module",
)


@cache
def reference(name: str) -> Reference:
    data: Reference = json.loads((FOLDER / f"{name}.json").read_text())
    return data


def fill(name: str, shape: list[int], data: Reference) -> Tensor:
    """Compute one tensor from its name, by the reference's rules."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.long)
    special = state_space(name, shape, data) if "hippo_legs_N8" in data["special"] else None
    if special is not None:
        return special
    if name == "pos_embed":
        return two_halves(*shape)
    source = data["aliases"].get(name, name)
    drawn = torch.randn(
        shape, generator=torch.Generator().manual_seed(zlib.crc32(source.encode())), dtype=torch.float64
    )
    if name.endswith((".convs.2.1.weight", ".convpath.0.2.1.weight")) and data["aliases"]:
        return 0.25 + 0.025 * drawn
    if name.endswith(WEAKER) and data["special"]:
        return drawn * math.sqrt(0.15 / drawn[0].numel())
    if name.endswith("running_var"):
        return 1 + 0.1 * drawn.abs()
    if name.endswith("running_mean"):
        return 0.1 * drawn
    if name.endswith("parametrizations.weight.original0"):
        return 1.5 + 0.1 * drawn
    if len(shape) == 1 and name.endswith("weight"):
        return 1 + 0.1 * drawn
    if len(shape) <= 1 or name.endswith("bias"):
        return 0.02 * drawn
    return drawn * math.sqrt(1.5 / drawn[0].numel())


def state_space(name: str, shape: list[int], data: Reference) -> Tensor | None:
    """Compute a tensor of an S4 layer."""
    kind = name.rsplit(".", 1)[-1]
    if kind == "D" or kind == "C":
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        return drawn if kind == "D" else drawn * math.sqrt(0.5)
    if ".kernel.kernel." not in name:
        return None
    start = {key: np.array(value) @ [1, 1j] for key, value in data["special"]["hippo_legs_N8"].items()}
    channel = np.arange(512)
    if kind == "log_dt":
        return torch.from_numpy(math.log(0.001) + (channel + 0.5) / 512 * math.log(100))
    if kind in ("omega", "z"):
        length = 2 * (shape[0] - 1)
        omega = np.exp(-2j * np.pi * np.arange(shape[0]) / length)
        values = omega if kind == "omega" else 2 * (1 - omega) / (1 + omega)
    else:
        values, change = {
            "w": (start["w"], np.sin(channel)),
            "P": (start["P"], np.cos(channel)),
            "B": (start["B"], np.sin(2 * channel)),
            "Q": (start["P"].conj(), np.cos(3 * channel)),
        }[kind]
        values = values * (1 + 0.1 * change)[:, None]
    return torch.view_as_real(torch.from_numpy(np.ascontiguousarray(values))).reshape(shape)


def two_halves(tokens: int, dim: int) -> Tensor:
    """Compute ECG-JEPA's table of positions: the place in time, then the lead."""
    frequencies = 10000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))

    def encode(position: Tensor) -> Tensor:
        angles = position[:, None] * frequencies
        return torch.cat((angles.sin(), angles.cos()), dim=1)

    row = torch.arange(tokens)
    return torch.cat((encode(row % 50), encode(row // 50)), dim=1)


def published_state(name: str) -> dict[str, Tensor]:
    """Compute the state dict that a published file of this network would hold."""
    data = reference(name)
    state: dict[str, Tensor] = {}
    for tensor, shape, *_ in data["tensors"]:
        source = data["aliases"].get(tensor)
        state[tensor] = state[source] if source in state else fill(tensor, shape, data)
    for tensor, values in data["fill_check"].items():
        if isinstance(values, list):
            np.testing.assert_allclose(state[tensor].flatten()[: len(values)], values, rtol=1e-9, atol=0)
    return state


def load(network: EcgNetwork, state: dict[str, Tensor]) -> None:
    """Load strictly; a network that was published without a head keeps its own."""
    head = {key: value for key, value in network.state_dict().items() if key not in state}
    assert set(head) <= set(network.layer_groups()["head"])
    network.load_state_dict(state | head, strict=True)


def network_input(name: str, key: str = "input") -> Tensor:
    data = reference(name)[key]
    signal = batch(2, data["leads"], data["samples"], data["rate"], data["phase"])
    assert np.linalg.norm(signal) == pytest.approx(data["l2"], rel=1e-11)
    return torch.from_numpy(signal)


@pytest.fixture(scope="module")
def loaded(name: str) -> Iterator[EcgNetwork]:
    network = NETWORKS[name]().double().eval()
    load(network, published_state(name))
    yield network
    gc.collect()


def assert_gives(found: Tensor, expected: Reference, tolerance: float, what: str) -> None:
    found = found.detach().cpu().double().contiguous()
    assert found.numel() == math.prod(expected["shape"]), what
    values = torch.tensor(expected["values"], dtype=torch.float64)
    scale = float(values.abs().max())
    torch.testing.assert_close(
        found.flatten()[expected["indices"]], values, rtol=0, atol=tolerance * scale, msg=what
    )
    for statistic, value in (
        ("mean", found.mean()),
        ("std", found.std(correction=0)),
        ("l2", torch.linalg.vector_norm(found)),
    ):
        near = pytest.approx(expected[statistic], rel=tolerance, abs=tolerance * scale)
        assert float(value) == near, f"{statistic} of {what}"


def check_outputs(
    name: str, network: EcgNetwork, signal: Tensor, tolerance: float, suffix: str = "", device: str = "cpu"
) -> None:
    signal = signal.to(device)
    outputs = reference(name)[f"outputs{suffix}"]
    with torch.no_grad():
        features = network.forward_features(signal)
        assert_gives(features, outputs[POOLED.get(name, "pooled")], tolerance, "features")
        if "logits" in outputs:
            assert_gives(network.forward_head(features), outputs["logits"], tolerance, "logits")


@every_network
def test_names_and_shapes_are_the_published_ones(name: str, loaded: EcgNetwork) -> None:
    data = reference(name)
    ours = {key: list(value.shape) for key, value in loaded.state_dict().items()}
    theirs = {key: shape for key, shape, *_ in data["tensors"] if key not in data["aliases"]}
    head = set(loaded.layer_groups()["head"])
    assert {key: shape for key, shape in ours.items() if key in theirs or key not in head} == theirs


@every_network
def test_outputs_in_double_precision_are_the_published_ones(name: str, loaded: EcgNetwork) -> None:
    check_outputs(name, loaded, network_input(name), 1e-9)
    if "input_250" in reference(name):
        check_outputs(name, loaded, network_input(name, "input_250"), 1e-9, "_250")


@every_network
def test_tokens_and_modules_inside_give_the_published_numbers(name: str, loaded: EcgNetwork) -> None:
    data = reference(name)
    seen: dict[str, Tensor] = {}
    handles = []
    for module in data["intermediates"]:

        def keep(_: object, __: object, output: Tensor | tuple[Tensor, ...], module: str = module) -> None:
            seen[module] = (output[0] if isinstance(output, tuple) else output).detach().clone()

        handles.append(loaded.get_submodule(module).register_forward_hook(keep))
    assert isinstance(loaded, TokenNetwork)
    with torch.no_grad():
        tokens = loaded.forward_tokens(network_input(name))
        if set(seen) != set(data["intermediates"]):  # some are in the head
            loaded.forward_head(loaded._pool(tokens))
    for handle in handles:
        handle.remove()
    assert tokens.shape[2] == loaded.num_token_features
    if "tokens" in data["outputs"]:
        assert_gives(tokens, data["outputs"]["tokens"], 1e-9, "tokens")
    if "map" in data["outputs"]:
        assert_gives(tokens.transpose(1, 2), data["outputs"]["map"], 1e-9, "map")
    for module, (shape, mean, std, l2, indices, values) in data["intermediates"].items():
        found = seen[module]
        if list(found.shape) != shape and name == "ecg-fm":
            found = found.transpose(0, 1)  # the published layers have time first
        expected = {"shape": shape, "mean": mean, "std": std, "l2": l2, "indices": indices, "values": values}
        assert_gives(found, expected, 1e-8, module)


@every_network
def test_outputs_in_single_precision_are_the_published_ones(name: str, loaded: EcgNetwork) -> None:
    loaded.float()
    try:
        check_outputs(name, loaded, network_input(name).float(), 1e-5)
    finally:
        loaded.double()
        load(loaded, published_state(name))


def on_gpu(name: str) -> float:
    """How near outputs in float64 are: PyTorch's kernel for weight norm computes in float32 on a GPU."""
    return 1e-7 if name in ("ecg-fm", "hubert-ecg") else 1e-9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@every_network
def test_outputs_on_a_gpu_are_the_published_ones(
    name: str, loaded: EcgNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With 10 bits of mantissa, which PyTorch allows convolutions by default, they agree to 1e-3.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    loaded.cuda()
    try:
        check_outputs(name, loaded, network_input(name), on_gpu(name), device="cuda")
        loaded.float()
        check_outputs(name, loaded, network_input(name).float(), 1e-5, device="cuda")
    finally:
        loaded.cpu().double()
        load(loaded, published_state(name))


def test_the_second_name_of_a_tensor_must_be_the_same_tensor() -> None:
    network = xresnet1d50(2, 3, 100)
    alias = {f"{name.replace('.convs.', '.convpath.0.')}": x for name, x in network.state_dict().items()}
    both = alias | network.state_dict()
    assert len(both) > len(network.state_dict())
    network.load_state_dict(both, strict=True)
    both["4.0.convpath.0.0.0.weight"] = both["4.0.convpath.0.0.0.weight"] + 1
    with pytest.raises(RuntimeError, match="are one tensor, and differ here"):
        network.load_state_dict(both, strict=True)


@pytest.mark.slow
def test_a_last_batch_of_one_record_trains() -> None:
    network = resnet1d_wang(2, 3, 100).train()
    network(torch.randn(1, 3, 100)).sum().backward()


@pytest.mark.slow
def test_positions_are_exact_in_whichever_precision_a_network_has() -> None:
    network = weimann_vit(2, 3, 100, size="tiny")
    single = network.positions.table.clone()
    network.double().float()
    assert torch.equal(network.positions.table, single)
    exact = network.double().positions.table
    assert not torch.equal(exact, single.double())
    torch.testing.assert_close(exact, single.double(), rtol=0, atol=1e-7)
