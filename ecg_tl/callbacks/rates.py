"""Learning rates in TensorBoard and in `metrics.csv`."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LearningRateMonitor


class LearningRates(LearningRateMonitor):
    """Lightning's monitor, whose rates in an epoch's scores are those of the epoch's last step.

    Lightning's are those of the last step that was logged, perhaps epochs ago: after a resumption there is
    none, and the columns of `metrics.csv` stay empty until the next one.
    """

    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Log the rates if it is time to, and note them in any case."""
        super().on_train_batch_start(trainer, *args, **kwargs)
        self._extract_stats(trainer, "any")
