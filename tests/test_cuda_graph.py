"""Training passes as CUDA graphs: the same numbers as without, and the usual way wherever there is none."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny import HALF_TRAINS, RESNET, data_words, fit_words
from torch import Tensor, nn

from ecg_tl.acceleration import choose_cuda_graph
from ecg_tl.cuda_graph import GraphedPasses, install, remove
from ecg_tl.errors import SettingError
from ecg_tl.models import create_network
from ecg_tl.models.stochastic_depth import set_stochastic_depth
from ecg_tl.training import train

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
NETWORKS = ("resnet1d18", "xresnet1d50", "inception1d", "net1d", "lstm", "bilstm", "gru", "s4", "weimann_vit")
SAMPLES = 250


def test_it_is_an_option_where_one_process_trains_on_a_gpu() -> None:
    usual: dict[str, Any] = {"device": "cuda", "parallel": False, "accumulates": False, "compiled": False}
    assert choose_cuda_graph(True, **usual).value is True
    assert choose_cuda_graph("auto", **usual).value is False
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


def batches(sizes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 12, SAMPLES, generator=generator).cuda() for size in sizes]


def trained(
    network: nn.Module,
    signals: list[Tensor],
    *,
    graph: bool,
    half: bool = False,
    before_step: Callable[[nn.Module, int], None] = lambda network, step: None,
) -> tuple[dict[str, Tensor], GraphedPasses | None]:
    """Train a copy on the batches; return what it became."""
    torch.manual_seed(2)
    network = copy.deepcopy(network).cuda().train()
    passes = install(network) if graph else None
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    for step, signal in enumerate(signals):
        before_step(network, step)
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            logits = network(signal)
        target = (signal.mean(dim=(1, 2), keepdim=True)[..., 0] > 0).float().expand(-1, logits.shape[1])
        nn.functional.binary_cross_entropy_with_logits(logits.float(), target).backward()
        optimizer.step()
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}, passes


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    for name, tensor in expected.items():
        scale = float(tensor.abs().max()) if tensor.is_floating_point() else 0.0
        torch.testing.assert_close(
            found[name], tensor, rtol=0, atol=tolerance * max(scale, 1e-3), msg=f"{name} differs"
        )


@gpu
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_by_graph_is_the_same_training(name: str, half: bool) -> None:
    torch.manual_seed(0)
    network = create_network(name, 3, 12, SAMPLES)
    signals = batches((16,) * 6 + (5,) + (16,) * 3)
    plain, _ = trained(network, signals, graph=False, half=half)
    again, _ = trained(network, signals, graph=False, half=half)
    graph, passes = trained(network, signals, graph=True, half=half)
    assert passes is not None
    assert passes.refusal is None
    assert passes._recorded is not None
    # Kernels that add up in any order make two trainings differ by themselves.
    noise = max(float((plain[key].float() - again[key].float()).abs().max()) for key in plain)
    assert_same(graph, plain, 1e-5 if noise == 0 else 2e-2)
    counts = [key for key in plain if key.endswith("num_batches_tracked")]
    assert all(torch.equal(graph[key], plain[key]) for key in counts)


@gpu
def test_random_masks_are_those_of_a_training_without() -> None:
    torch.manual_seed(0)
    network = create_network("resnet1d18", 3, 12, SAMPLES)
    set_stochastic_depth(network, 0.5)
    signals = batches((16,) * 8)
    plain, _ = trained(network, signals, graph=False)
    graph, passes = trained(network, signals, graph=True)
    assert passes is not None
    assert passes._recorded is not None
    assert_same(graph, plain, 1e-4)


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

    signals = batches((16,) * 9)
    plain, _ = trained(network, signals, graph=False, before_step=unfreeze)
    graph, passes = trained(network, signals, graph=True, before_step=unfreeze)
    assert passes is not None
    assert passes._recorded is not None
    assert_same(graph, plain, 1e-4)
    assert float((graph["conv1.weight"] - network.state_dict()["conv1.weight"].cuda()).abs().max()) > 0


@gpu
def test_what_cannot_be_recorded_goes_the_usual_way(caplog: pytest.LogCaptureFixture) -> None:
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12 * SAMPLES, 2)

        def forward(self, signal: Tensor) -> Tensor:
            output: Tensor = self.layer(signal.flatten(1))
            return output if float(output.detach().mean()) > -1e9 else -output

    torch.manual_seed(0)
    network, signals = Looks(), batches((8,) * 5)
    plain, _ = trained(network, signals, graph=False)
    with caplog.at_level(logging.INFO):
        graph, passes = trained(network, signals, graph=True)
    assert passes is not None
    assert passes.refusal
    assert_same(graph, plain, 1e-6)


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
