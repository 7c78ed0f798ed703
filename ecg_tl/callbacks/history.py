"""A run's scores epoch by epoch, and what they came to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor

from ecg_tl.csv_text import write_csv
from ecg_tl.errors import SettingError
from ecg_tl.files import digests_of, write_json
from ecg_tl.store.digests import with_own_digest
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.validation_predictions import VALIDATION_FILE

METRICS_FILE = "metrics.csv"
RESULT_FILE = "result.json"
FILES_OF_A_FIT = ("config.yaml", METRICS_FILE, VALIDATION_FILE, "transfer_report.json", "test_by_epoch.csv")
"""What a fit leaves beside its result, which holds their digests; the last of them in a study."""


@dataclass(frozen=True)
class Best:
    """The epoch that was chosen on validation data, or the last one, if there was nothing to choose by.

    Attributes:
        epoch: Counted from 1.
        seconds: Of training until it was over.
        scores: Of that epoch.
        chosen: Whether the monitored score had a value in any epoch.
    """

    epoch: int
    seconds: float
    scores: dict[str, float]
    chosen: bool = True


class RunHistory(Callback):
    """Write `metrics.csv` after every epoch and `result.json` at the end of `fit`, into the run's folder.

    A row is an epoch's, or that of a validation in its middle (`val_check_interval`): it has the validation's
    scores and no others. Scores of a validation stand in the row of its own step, so that every score by
    which a checkpoint can be chosen is that of the weights after as many steps. One that some validations
    alone have (a probe every ten epochs) is in their rows alone.

    The rows are kept in the checkpoint, so that a resumed run's files are those of the whole run. The
    hyperparameters are logged to TensorBoard together with the scores of the best epoch.

    A monitored score that has no value is said at the first validation and at the end. `result.json` is then
    about the last epoch, whose checkpoint is kept, and names the reason as `unscored`, else null.

    Args:
        result_file: Another name for `result.json`.
    """

    def __init__(self, result_file: str = RESULT_FILE) -> None:
        self.result_file = result_file
        self.rows: list[dict[str, float]] = []
        self._seconds_before = 0.0
        self._started = 0.0
        self._validated_at: int | None = None  # step of this process's last validation
        self._before_validation: dict[str, Tensor] = {}
        self._warned = False

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
        """Start the clock; write the rows of the run that is resumed, which may be over already."""
        self._started = time.perf_counter()
        folder = run_folder(trainer)
        if self.rows and folder is not None:
            write_csv(folder / METRICS_FILE, pd.DataFrame(self.rows))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember the scores of earlier validations, which Lightning keeps until they are logged again."""
        self._before_validation = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append a validation in the middle of an epoch; that at its end is part of the epoch's row.

        Raises:
            SettingError: If no optimizer step lies between two validations: their scores would be those of
                one and the same step, and differ.
        """
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self._validated_at == trainer.global_step:
            raise SettingError(
                "trainer.val_check_interval",
                f"{trainer.val_check_interval}, which is two validations at optimizer step "
                f"{trainer.global_step} (accumulate_grad_batches {trainer.accumulate_grad_batches})",
                "an optimizer step between two validations",
                "Validate more rarely.",
            )
        self._validated_at = trainer.global_step
        if not trainer.is_last_batch:
            self._append(trainer, _of_validation)
        self._warn_if_unscored(trainer, pl_module)

    def _warn_if_unscored(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say once, at the first validation, that there will be nothing to choose an epoch by."""
        checkpoint = trainer.checkpoint_callback
        if self._warned:
            return
        monitor = checkpoint.monitor if isinstance(checkpoint, ModelCheckpoint) else None
        if monitor is None or not math.isnan(trainer.callback_metrics.get(monitor, 0.0)):
            return
        self._warned = True
        rank_zero_warn(
            f"{monitor} has no value in this validation: {_reason(pl_module)}. While it has none, no epoch "
            "can be chosen by it, and the checkpoint that is kept is the last epoch's. Give validation more "
            "records (`data.split`), or monitor another score (`checkpoint.monitor`, such as val/loss)."
            + (" EarlyStopping ends the training here; ScoreStopping would go on." if _stops(trainer) else "")
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append the epoch, validated or not."""
        # Lightning keeps the scores of the last validation: those of another step are not this row's.
        validated = self._validated_at == trainer.global_step
        self._append(trainer, lambda name: validated or not _of_validation(name))

    def _append(self, trainer: Trainer, belongs: Callable[[str], bool]) -> None:
        row = {
            "epoch": trainer.current_epoch + 1.0,
            "step": float(trainer.global_step),
            "seconds": self.seconds,
        }
        row |= {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if belongs(name) and not (_of_validation(name) and value is self._before_validation.get(name))
        }
        # A run that goes on from before its last row does what comes after again.
        self.rows = [kept for kept in self.rows if _when(kept) < _when(row)] + [row]
        folder = run_folder(trainer)
        if folder is not None:
            write_csv(folder / METRICS_FILE, pd.DataFrame(self.rows))

    def best(self, monitor: str, mode: str, step: int | None = None) -> Best | None:
        """Find the row that a checkpoint callback with this monitor kept; None without any.

        Args:
            monitor: Name of the score.
            mode: Which way it is better.
            step: Of the checkpoint, where it is known: the callback may have passed over better epochs
                (`every_n_epochs`).
        """
        if not self.rows:
            return None
        scored = [row for row in self.rows if not math.isnan(row.get(monitor, math.nan))]
        found = [row for row in scored if row["step"] == step] or scored
        best = (
            (max if mode == "max" else min)(found, key=lambda row: row[monitor]) if found else self.rows[-1]
        )
        scores = {name: value for name, value in best.items() if name not in ("epoch", "step", "seconds")}
        return Best(int(best["epoch"]), best["seconds"], scores, chosen=bool(scored))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the run came to."""
        folder = run_folder(trainer)
        checkpoint = trainer.checkpoint_callback
        if folder is None or not isinstance(checkpoint, ModelCheckpoint) or checkpoint.monitor is None:
            return
        best = self.best(checkpoint.monitor, checkpoint.mode, _step_of(Path(checkpoint.best_model_path)))
        if best is None:
            return
        datamodule = getattr(trainer, "datamodule", None)
        result: dict[str, Any] = {
            "monitor": checkpoint.monitor,
            "unscored": None if best.chosen else _reason(pl_module),
            "epochs": len({row["epoch"] for row in self.rows}),
            "epochs_to_best": best.epoch,
            "seconds": self.seconds,
            "seconds_to_best": best.seconds,
            "best_checkpoint": checkpoint.best_model_path,
            "best_scores": dict(best.scores),
            "threads": torch.get_num_threads(),
            "trainable_parameters": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            "data": None if datamodule is None else datamodule.describe(),
            "digests": digests_of(folder, FILES_OF_A_FIT),
        }
        if not best.chosen:
            result["best_scores"][checkpoint.monitor] = None
            rank_zero_warn(
                f"{checkpoint.monitor} had no value in any epoch: {result['unscored']}. "
                f"{Path(checkpoint.best_model_path).name} is of the last epoch ({best.epoch}), which is not "
                "known to be the best."
            )
        write_json(folder / self.result_file, with_own_digest(result))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                averages = {
                    f"hp/{name}": value
                    for name, value in best.scores.items()
                    if name.startswith("val/") and math.isfinite(value)
                }
                settings = _hyperparameters(trainer, pl_module, result["data"])
                logger.log_hyperparams(settings, {**averages, "hp/epochs_to_best": best.epoch})


def _of_validation(name: str) -> bool:
    return name.startswith("val")


def _when(row: Mapping[str, float]) -> tuple[float, float]:
    return row["epoch"], row["step"]


def _step_of(checkpoint: Path) -> int | None:
    """Return after how many steps a checkpoint was saved; None for one that is no file (DeepSpeed's)."""
    if not checkpoint.is_file():
        return None
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _stops(trainer: Trainer) -> bool:
    """Say whether Lightning's own early stopping has taken a score without a value for a training's end."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning attaches it
    return any(
        type(callback) is EarlyStopping
        and callback.check_finite
        and math.isnan(trainer.callback_metrics.get(callback.monitor, 0.0))
        for callback in callbacks
    )


def _reason(task: LightningModule) -> str:
    """Say why a score has no value."""
    records = len(task.predictions["val"].index) if isinstance(task, EcgClassifier) else None
    of = "the validation records" if records is None else f"{records} validation records"
    return f"no class has both positives and negatives among {of}"


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
