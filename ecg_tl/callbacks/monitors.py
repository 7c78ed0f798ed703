"""Which score a training is watched by: that there is one of this name, and which way it is better."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.statistics.directions import BY_CLASS, Direction, averages_of, direction
from ecg_tl.tasks.base import EcgClassifier

COUNTS = ("epoch", "step")
"""By which a checkpoint callback alone can choose."""

TRAIN_LOSSES = ("train/loss", "train/loss_step", "train/loss_epoch")
_WORDS = {"max": "greater", "min": "smaller"}


def choose_mode(monitor: str | None, mode: Literal["max", "min"] | None, where: str) -> Direction:
    """Return which way a monitored score is better.

    Args:
        monitor: Name of the score, as it is logged; None watches none.
        mode: As somebody set it; None lets the score decide.
        where: Whose setting it is, for the error.

    Raises:
        SettingError: If the mode is not the one that the score has.
    """
    found = None if monitor is None else direction(monitor)
    if mode not in (None, "max", "min"):
        raise SettingError(
            f"{where}.mode", repr(mode), "max or min", "Remove it: the score has the one that fits."
        )
    if mode is not None and found is not None and mode != found:
        raise SettingError(
            f"{where}.mode",
            f"{mode} for {monitor}, of which the {_WORDS[found]} is the better",
            found,
            "Correct the mode, or remove it: it follows from the score.",
        )
    # Another name is one that somebody's own task logs, or is refused when the task is known.
    return found or mode or "max"


def check_monitors(trainer: Trainer, task: LightningModule) -> None:
    """Refuse callbacks that watch a score which the training will not have, before it begins.

    Args:
        trainer: Whose callbacks are looked at: all that have a `monitor`.
        task: An `EcgClassifier` with its datamodule attached to the trainer; others are left alone.

    Raises:
        SettingError: If there is no score of the name, no validation, or no records that the class could be
            scored on; or if the direction is not the score's.
    """
    if not isinstance(task, EcgClassifier):
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning attaches it
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if not isinstance(monitor, str):
            continue
        where = type(callback).__name__
        if monitor in COUNTS and isinstance(callback, ModelCheckpoint):
            continue
        own = score_names(task.class_names, single_choice=task.single_choice)
        names = [*own, *task.further_scores]
        if monitor not in names:
            raise _unknown(f"{where}.monitor", monitor, names, task)
        if monitor not in task.further_scores:
            choose_mode(monitor, getattr(callback, "mode", None), where)
        if monitor.startswith("val"):
            _require_validation(trainer, f"{where}.monitor", monitor)
            _require_class(trainer, task, f"{where}.monitor", monitor)


def score_names(class_names: Sequence[str], *, single_choice: bool = False) -> list[str]:
    """List the names under which a training logs its scores."""
    averages = [f"val/{score}" for score in averages_of(single_choice=single_choice)]
    by_class = [f"val_{score}/{name}" for score in BY_CLASS for name in class_names]
    return [*averages, *by_class, *TRAIN_LOSSES]


def _unknown(where: str, monitor: str, names: Sequence[str], task: EcgClassifier) -> SettingError:
    class_names = task.class_names
    averages = [name for name in names if name.startswith("val/")]
    classes = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    per_class = ", ".join(f"val_{score}/CLASS" for score in BY_CLASS)
    further = [name for name in names if name in task.further_scores]
    # `val/auroc/MI` means `val_auroc/MI`.
    close = get_close_matches(monitor, names, n=1)
    return SettingError(
        where,
        f"{monitor!r}, which is no score",
        f"one of {', '.join([*averages, *TRAIN_LOSSES, *further])}, or {per_class} (classes: {classes})",
        f"Did you mean {close[0]}?" if close else "Name one of these.",
    )


def _require_validation(trainer: Trainer, where: str, monitor: str) -> None:
    every, epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
    if trainer.limit_val_batches == 0:
        raise SettingError(
            where,
            f"{monitor}, without any validation (limit_val_batches 0)",
            "validation, by which the epoch is chosen",
            "Remove the limit, or monitor train/loss.",
        )
    if every is not None and epochs is not None and 0 < epochs < every:
        raise SettingError(
            where,
            f"{monitor}, with a validation every {every} epochs of {epochs} (check_val_every_n_epoch)",
            "at least one validation, by which the epoch is chosen",
            "Validate more often, or train longer.",
        )


def _require_class(trainer: Trainer, task: EcgClassifier, where: str, monitor: str) -> None:
    """Refuse a class that no validation record can score."""
    datamodule = getattr(trainer, "datamodule", None)
    score, _, name = monitor.removeprefix("val_").partition("/")
    if score not in ("auroc", "auprc") or not isinstance(datamodule, EcgDataModule):
        return
    parts = datamodule.parts
    labels = parts.targets[parts.split.validation, list(task.class_names).index(name)]
    positives = int(np.sum(labels == 1))
    answers = int(np.sum(~np.isnan(labels)))
    if positives and (score == "auprc" or positives < answers):
        return
    raise SettingError(
        where,
        f"{monitor}, with {positives} positives among {answers} validation records"
        + " that have an answer" * (answers < len(labels)),
        "a class that can be scored" + (", with positives and negatives" if score == "auroc" else ""),
        "Monitor another score, or give validation more records.",
    )
