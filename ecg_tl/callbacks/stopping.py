"""A training that early stopping has ended stays ended."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks.early_stopping import EarlyStopping, EarlyStoppingReason


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
