"""Training passes as CUDA graphs: the same numbers as without, and the usual way wherever there is none."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import HALF_TRAINS, RESNET, data_words, fit_words
from torch import Tensor, nn

from ecg_tl.acceleration import choose_cuda_graph
from ecg_tl.cuda_graph import GraphedPasses, _parameters, _stand_ins, install, remove
from ecg_tl.errors import SettingError
from ecg_tl.models import create_network, network_names
from ecg_tl.models.stochastic_depth import set_stochastic_depth
from ecg_tl.training import train

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
LARGE = ("ecg_fm", "hubert_ecg", "ecg_jepa")
NETWORKS = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in network_names()]
SAMPLES = 250


def test_it_is_chosen_where_one_process_trains_on_a_gpu() -> None:
    usual: dict[str, Any] = {"device": "cuda", "parallel": False, "accumulates": False, "compiled": False}
    assert choose_cuda_graph(True, **usual).value is True
    assert choose_cuda_graph("auto", **usual).value is True
    assert choose_cuda_graph(False, **usual).value is False
    for hindrance in ({"device": "cpu"}, {"parallel": True}, {"accumulates": True}, {"compiled": True}):
        assert choose_cuda_graph("auto", **usual | hindrance).value is False
        with pytest.raises(SettingError, match=r"speed\.cuda_graph"):
            choose_cuda_graph(True, **usual | hindrance)


def test_without_a_gpu_everything_goes_the_usual_way() -> None:
    torch.manual_seed(0)
    network = create_network("resnet1d18", 3, 2, 100)
    other = copy.deepcopy(network)
    passes = install(network)
    signal = torch.randn(4, 2, 100)
    for mode in (True, False):
        torch.testing.assert_close(network.train(mode)(signal), other.train(mode)(signal))
    assert passes._recorded is None
    copied = copy.deepcopy(network)
    assert isinstance(copied.forward, GraphedPasses)
    assert copied.forward.network is copied
    remove(network)
    assert "forward" not in vars(network)
    assert list(network.state_dict()) == list(other.state_dict())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU")
def test_a_training_on_a_processor_refuses_it(ptbxl_root: Path, tmp_path: Path) -> None:
    data = data_words("PtbXlDataModule", ptbxl_root, tmp_path / "stores")
    with pytest.raises(SettingError, match="a cpu has none"):
        train(fit_words(data, tmp_path, "--speed.cuda_graph", "true"))


def batches(sizes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 12, SAMPLES, generator=generator).to("cuda", dtype) for size in sizes]


@dataclass(frozen=True)
class Trained:
    """What became of a network, with the loss of each step."""

    state: dict[str, Tensor]
    losses: list[float]
    passes: GraphedPasses | None

    def require_recorded(self) -> None:
        assert self.passes is not None
        assert self.passes.refusal is None
        assert self.passes._recorded is not None


def trained(
    network: nn.Module,
    signals: list[Tensor],
    *,
    graph: bool,
    half: bool = False,
    before_step: Callable[[nn.Module, int], None] = lambda network, step: None,
) -> Trained:
    """Train a copy on the batches; a loss is kept to the end of the next step, with all that it hangs on."""
    torch.manual_seed(2)
    network = copy.deepcopy(network).to(signals[0]).train()
    passes = install(network) if graph else None
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    losses = []
    for step, signal in enumerate(signals):
        before_step(network, step)
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            logits = network(signal)
        target = (signal.mean(dim=(1, 2), keepdim=True)[..., 0] > 0).to(signal).expand(-1, logits.shape[1])
        loss = nn.functional.binary_cross_entropy_with_logits(logits.to(signal), target)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return Trained(state, losses, passes)


def difference(found: Trained, expected: Trained) -> float:
    """Return the largest difference of any tensor, as a share of its largest value."""
    shares = []
    for name, tensor in expected.state.items():
        scale = max(float(tensor.double().abs().max()), 1e-3) if tensor.is_floating_point() else 1.0
        shares.append(float((found.state[name].double() - tensor.double()).abs().max()) / scale)
    return max(shares)


def shaken(network: nn.Module) -> nn.Module:
    """Return a copy whose parameters differ by what float64 rounds off."""
    other = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + 1e-15 * torch.randn_like(parameter).sign())
    return other


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_that_stand_in_get_the_gradients(name: str) -> None:
    torch.manual_seed(0)
    network = create_network(name, 3, 12, SAMPLES).train()
    own = dict(network.named_parameters())
    signal, names = torch.randn(2, 12, SAMPLES), list(own)
    network(signal).sum().backward()
    used = [key for key in names if own[key].grad is not None]
    network.zero_grad()
    with _stand_ins(_parameters(network)) as others:
        network(signal).sum().backward()
        assert [key for key, other in zip(names, others, strict=True) if other.grad is not None] == used
        assert all(other.data_ptr() == own[key].data_ptr() for key, other in zip(names, others, strict=True))
    assert all(parameter.grad is None for parameter in own.values())
    assert all(parameter is own[key] for key, parameter in network.named_parameters())
    network(signal).sum().backward()
    assert [key for key in names if own[key].grad is not None] == used


@gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_by_graph_is_the_same_training(name: str) -> None:
    # In float64; kernels may round differently, which a deep network makes much of: ResNet1d-101 turns one
    # part in 10^15 of its weights into three quarters of them within seven steps.
    torch.manual_seed(0)
    network = create_network(name, 3, 12, SAMPLES)
    signals = batches((16,) * 4 + (5,) + (16,) * 2, torch.float64)
    plain = trained(network, signals, graph=False)
    rounded = trained(shaken(network), signals, graph=False)
    graph = trained(network, signals, graph=True)
    graph.require_recorded()
    assert graph.losses[:4] == pytest.approx(plain.losses[:4], rel=1e-5)
    assert difference(graph, plain) <= max(1e-5, 10 * difference(rounded, plain))
    counts = [key for key in plain.state if key.endswith("num_batches_tracked")]
    assert all(torch.equal(graph.state[key], plain.state[key]) for key in counts)


@gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_in_bfloat16_are_those_of_a_training_without(name: str) -> None:
    torch.manual_seed(0)
    network = create_network(name, 3, 12, SAMPLES)
    signals = batches((16,) * 8)
    plain = trained(network, signals, graph=False, half=True)
    again = trained(network, signals, graph=False, half=True)
    graph = trained(network, signals, graph=True, half=True)
    graph.require_recorded()
    # Kernels that add up in any order make two trainings differ by themselves.
    noise = max(abs(one - other) for one, other in zip(plain.losses, again.losses, strict=True))
    for step, (one, other) in enumerate(zip(graph.losses, plain.losses, strict=True)):
        assert abs(one - other) <= max(0.03, 5 * noise), f"step {step}: {graph.losses}, {plain.losses}"


@gpu
def test_random_masks_are_those_of_a_training_without() -> None:
    torch.manual_seed(0)
    network = create_network("resnet1d18", 3, 12, SAMPLES)
    set_stochastic_depth(network, 0.5)
    signals = batches((16,) * 8, torch.float64)
    plain = trained(network, signals, graph=False)
    graph = trained(network, signals, graph=True)
    graph.require_recorded()
    assert difference(graph, plain) <= 1e-5


@gpu
def test_layers_that_are_unfrozen_train_from_then_on() -> None:
    torch.manual_seed(0)
    network = create_network("resnet1d18", 3, 12, SAMPLES)

    def unfreeze(network: nn.Module, step: int) -> None:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(step >= 4 or name.startswith("fc"))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.train(step >= 4)

    signals = batches((16,) * 9, torch.float64)
    plain = trained(network, signals, graph=False, before_step=unfreeze)
    graph = trained(network, signals, graph=True, before_step=unfreeze)
    graph.require_recorded()
    assert difference(graph, plain) <= 1e-5
    begun = network.state_dict()["conv1.weight"]
    assert float((graph.state["conv1.weight"].cpu() - begun).abs().max()) > 0


@gpu
@pytest.mark.parametrize("when", ["seen beforehand", "while it is recorded"])
def test_what_cannot_be_recorded_goes_the_usual_way(when: str, caplog: pytest.LogCaptureFixture) -> None:
    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12 * SAMPLES, 2)

        def forward(self, signal: Tensor) -> Tensor:
            output: Tensor = nn.functional.dropout(self.layer(signal.flatten(1)), 0.2, self.training)
            if when == "seen beforehand":
                return output if float(output.detach().mean()) > -1e9 else -output
            torch.cuda.synchronize()
            return output

    torch.manual_seed(0)
    network, signals = Waits(), batches((8,) * 5)
    plain = trained(network, signals, graph=False)
    with caplog.at_level(logging.INFO):
        graph = trained(network, signals, graph=True)
    assert graph.passes is not None
    assert graph.passes.refusal
    assert "cannot be recorded" in caplog.text
    assert difference(graph, plain) <= 1e-6


@gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_by_graph_scores_as_one_without(
    precision: str, ptbxl_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    losses = []
    data = [*data_words("PtbXlDataModule", ptbxl_root, tmp_path / "stores"), *HALF_TRAINS]
    more = ("--trainer.accelerator", "gpu", "--trainer.precision", precision, "--data.batch_size", "8")
    for graph in ("true", "false"):
        words = fit_words(data, tmp_path / graph, *more, "--speed.cuda_graph", graph, model=RESNET, epochs=3)
        with caplog.at_level(logging.INFO):
            train(words)
        (table,) = (tmp_path / graph).rglob("metrics.csv")
        losses.append(torch.tensor(pd.read_csv(table)["train/loss_epoch"].dropna().to_numpy()))
    assert "cuda_graph: True (as set)" in caplog.text
    assert "cannot be recorded" not in caplog.text
    torch.testing.assert_close(*losses, rtol=2e-2 if precision == "bf16-mixed" else 1e-3, atol=0)
