"""CUDA graphs for the length of a training."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import ParallelStrategy
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.acceleration import Auto, choose_cuda_graph
from ecg_tl.cuda_graph import install, remove
from ecg_tl.errors import SettingError
from ecg_tl.tasks.base import EcgClassifier


class CudaGraphs(Callback):
    """Lets a classifier's training passes be recorded, where that is possible.

    Args:
        wanted: As `Speed.cuda_graph`.
    """

    def __init__(self, wanted: bool | Auto = "auto") -> None:
        self.wanted: bool | Auto = wanted

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was chosen, and take the place of the network's `forward`.

        Raises:
            SettingError: If graphs are asked for where they cannot be.
        """
        if not isinstance(pl_module, EcgClassifier):
            if self.wanted is True:
                raise SettingError(
                    "speed.cuda_graph",
                    f"true for a {type(pl_module).__name__}",
                    "a classifier, whose passes are those of one network",
                    "Remove the setting.",
                )
            return
        network = pl_module.network
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
        if isinstance(pl_module, EcgClassifier):
            remove(pl_module.network)
