"""Learning rates in TensorBoard and in `metrics.csv`."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor


class LearningRates(LearningRateMonitor):
    """Lightning's monitor, whose rates in an epoch's scores are those of the epoch's last step.

    Lightning's are those of the last step that was logged, perhaps epochs ago: after a resumption there is
    none, and the columns of `metrics.csv` stay empty until the next one. Callbacks that read an epoch's
    scores at its end have to come after this one.
    """

    _of_step: tuple[float, ...] = ()

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Log the rates if it is time to, and note them in any case: at the step's end they are the next."""
        super().on_train_batch_start(trainer, *args, **kwargs)
        # As numbers: a tensor for each would make the processor wait for the device in each step.
        self._of_step = tuple(
            float(group["lr"]) for optimizer in trainer.optimizers for group in optimizer.param_groups
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what they were in the last step."""
        rates = zip(self.lrs, self._of_step, strict=False)
        trainer.callback_metrics.update({name: torch.tensor(rate) for name, rate in rates})
