"""When a training ends before its last epoch, and that it then stays ended."""

from __future__ import annotations

import math
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks.early_stopping import EarlyStopping, EarlyStoppingReason

from ecg_tl.callbacks.monitors import choose_mode
from ecg_tl.limits import COUNT, require_settings


class ScoreStopping(EarlyStopping):
    """Lightning's `EarlyStopping`, with what this project's scores are.

    Which way is better follows from the score, where Lightning takes `min` for all. A validation in which the
    score has no value (no class has positives and negatives) says nothing about the training and does not
    end it; Lightning would stop there.

    Args:
        monitor: The score, as it is logged.
        mode: Whether more of it is better (`max`) or less (`min`); null takes what the score is.
        patience: How many validations in a row may pass without a better one.
        **kwargs: Those of `EarlyStopping`.

    Raises:
        SettingError: If the mode is not the score's.
    """

    def __init__(
        self,
        monitor: str = "val/auroc_macro",
        mode: Literal["max", "min"] | None = None,
        patience: int = 10,
        **kwargs: Any,
    ) -> None:
        require_settings(type(self).__name__, patience=(COUNT, patience))
        mode = choose_mode(monitor, mode, type(self).__name__)
        super().__init__(monitor=monitor, mode=mode, patience=patience, **kwargs)

    @property
    def state_key(self) -> str:
        """Be known in checkpoints as what this was in earlier ones."""
        return super().state_key.replace(type(self).__qualname__, EarlyStopping.__qualname__, 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the score, if there is one."""
        if not self._has_no_value(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the score, if there is one."""
        if not self._has_no_value(trainer):
            super().on_validation_end(trainer, pl_module)

    def _has_no_value(self, trainer: Trainer) -> bool:
        return math.isnan(float(trainer.callback_metrics.get(self.monitor, 0.0)))


class StayStopped(Callback):
    """End a resumed training at once if `EarlyStopping` had ended it.

    A process can be killed after the last epoch's checkpoint is written and before the run's result is. That
    checkpoint holds the state of `EarlyStopping`, but Lightning 2.6 does not look at its verdict when it
    resumes: it trains for one epoch more, which an uninterrupted run does not have, and which may even become
    its best.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask the trainer to stop; it looks before its first epoch."""
        stopping = [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]  # set by a connector
        if any(callback.stopping_reason is not EarlyStoppingReason.NOT_STOPPED for callback in stopping):
            trainer.should_stop = True
