"""CUDA graphs for the length of a training."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import ParallelStrategy
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import nn

from ecg_tl.acceleration import Auto, choose_cuda_graph
from ecg_tl.cuda_graph import install, remove


class CudaGraphs(Callback):
    """Lets the network's training passes be recorded, where that is worth it and possible.

    Args:
        wanted: As `Speed.cuda_graph`.
    """

    def __init__(self, wanted: bool | Auto = "auto") -> None:
        self.wanted: bool | Auto = wanted

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was chosen, and take the place of the network's `forward`."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        choice = choose_cuda_graph(
            self.wanted,
            device=pl_module.device.type,
            parallel=isinstance(trainer.strategy, ParallelStrategy),
            accumulates=trainer.accumulate_grad_batches > 1,
            compiled=network._compiled_call_impl is not None,
        )
        if pl_module.device.type == "cuda":
            rank_zero_info(f"cuda_graph: {choice}")
        if choice.value:
            install(network)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the network its own `forward` back."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        remove(network)
