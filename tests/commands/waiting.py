"""Callbacks that wait in the middle of a training, and say so by a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class WaitInBatch(Callback):
    """Write a file in the first batch, and wait there for a signal."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.file.write_text("here")
        time.sleep(100)


class SwallowSignals(WaitInBatch):
    """As a library would that catches everything."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        for _ in range(2):
            try:
                super().on_train_batch_end(trainer, pl_module)
            except BaseException as error:
                print("swallowed", type(error).__name__)
