"""A run's scores epoch by epoch, and what they came to."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from ecg_tl.files import digests_of, write_csv, write_json
from ecg_tl.validation_predictions import VALIDATION_FILE

METRICS_FILE = "metrics.csv"
RESULT_FILE = "result.json"
FILES_OF_A_FIT = ("config.yaml", METRICS_FILE, VALIDATION_FILE, "transfer_report.json")
"""What a fit leaves beside its result, which holds their digests."""


@dataclass(frozen=True)
class Best:
    """The epoch that was chosen on validation data.

    Attributes:
        epoch: Counted from 1.
        seconds: Of training until it was over.
        scores: Of that epoch.
    """

    epoch: int
    seconds: float
    scores: dict[str, float]


class RunHistory(Callback):
    """Write `metrics.csv` after every epoch and `result.json` at the end of `fit`, into the run's folder.

    The rows are kept in the checkpoint, so that a resumed run's files are those of the whole run. The
    hyperparameters are logged to TensorBoard together with the scores of the best epoch.

    Args:
        result_file: Another name for `result.json`.
    """

    def __init__(self, result_file: str = RESULT_FILE) -> None:
        self.result_file = result_file
        self.rows: list[dict[str, float]] = []
        self._seconds_before = 0.0
        self._started = 0.0
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """Keep the rows and the time that they took."""
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of the run that is resumed."""
        self.rows = list(state_dict["rows"])
        self._seconds_before = state_dict["seconds"]

    @property
    def seconds(self) -> float:
        """Seconds of training so far, over all resumptions."""
        return self._seconds_before + (time.perf_counter() - self._started if self._started else 0.0)

    def leave_out(self, seconds: float) -> None:
        """Take off the clock what was no part of the training."""
        self._seconds_before -= seconds

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for this epoch's validation."""
        self._validated = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there was one."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append the epoch, validated or not."""
        row = {
            "epoch": trainer.current_epoch + 1.0,
            "step": float(trainer.global_step),
            "seconds": self.seconds,
        }
        # Lightning keeps the scores of the last validation: in an epoch without one they are not its own.
        row |= {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if self._validated or not name.startswith("val")
        }
        # A run resumed in the middle of an epoch, or from before its last row, does that epoch again.
        self.rows = [kept for kept in self.rows if kept["epoch"] < row["epoch"]] + [row]
        folder = run_folder(trainer)
        if folder is not None:
            write_csv(folder / METRICS_FILE, pd.DataFrame(self.rows))

    def best(self, monitor: str, mode: str) -> Best | None:
        """Find the epoch that a checkpoint callback with this monitor kept."""
        scored = [row for row in self.rows if not math.isnan(row.get(monitor, math.nan))]
        if not scored:
            return None
        chosen = (max if mode == "max" else min)(scored, key=lambda row: row[monitor])
        scores = {name: value for name, value in chosen.items() if name not in ("epoch", "step", "seconds")}
        return Best(int(chosen["epoch"]), chosen["seconds"], scores)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the run came to."""
        folder = run_folder(trainer)
        checkpoint = trainer.checkpoint_callback
        if folder is None or not isinstance(checkpoint, ModelCheckpoint) or checkpoint.monitor is None:
            return
        best = self.best(checkpoint.monitor, checkpoint.mode)
        if best is None:
            return
        datamodule = getattr(trainer, "datamodule", None)
        result: dict[str, Any] = {
            "monitor": checkpoint.monitor,
            "epochs": len(self.rows),
            "epochs_to_best": best.epoch,
            "seconds": self.seconds,
            "seconds_to_best": best.seconds,
            "best_checkpoint": checkpoint.best_model_path,
            "best_scores": best.scores,
            "trainable_parameters": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            "data": None if datamodule is None else datamodule.describe(),
            "digests": digests_of(folder, FILES_OF_A_FIT),
        }
        write_json(folder / self.result_file, result)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                averages = {
                    f"hp/{name}": value for name, value in best.scores.items() if name.startswith("val/")
                }
                settings = _hyperparameters(trainer, pl_module, result["data"])
                logger.log_hyperparams(settings, {**averages, "hp/epochs_to_best": best.epoch})


def _hyperparameters(trainer: Trainer, task: LightningModule, data: dict[str, Any] | None) -> dict[str, Any]:
    """Gather what runs differ by: settings of the task, the data, the training, the upstream."""
    # `_class_path` and its like are the command line's.
    settings = {name: v for name, v in task.hparams.items() if name != "class_names" and name[0] != "_"}
    if data is not None:
        settings |= {f"data/{name}": data[name] for name in ("dataset", "task", "split")}
        settings |= {"data/training_records": data["records"]["train"]}
        settings |= {"batch_size": trainer.datamodule.batch_size}  # type: ignore[attr-defined]  # attached
    transfer = getattr(task, "transfer_report", None)
    upstream = None if transfer is None else transfer.get("upstream")
    return settings | {
        "max_epochs": trainer.max_epochs,
        "precision": trainer.precision,
        "upstream": "scratch" if upstream is None else str(upstream),
    }


def run_folder(trainer: Trainer) -> Path | None:
    """Return where this process writes the run's files: None on all but the first, and without a logger."""
    folder = trainer.log_dir  # a collective call: every process must make it
    return Path(folder) if folder is not None and trainer.is_global_zero and trainer.loggers else None
