"""What a training decided and what a test found, for somebody who reads the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl import terminal
from ecg_tl.calibration import DEFAULT_THRESHOLD, Calibration
from ecg_tl.checkpoints.description import read_description
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.terminal import SIMPLE_HEAD, Console, Table

_MOST_COLUMNS = 140  # of a table in a file or a pipe, which has no width of its own


class DecisionLog(Callback):
    """Say at the end of `fit` which thresholds and which temperature the best checkpoint carries.

    They are read from the checkpoint itself: those of the last epoch belong to other weights.
    """

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say it, in the log."""
        checkpoint = trainer.checkpoint_callback
        if not trainer.is_global_zero or not isinstance(checkpoint, ModelCheckpoint):
            return
        if not isinstance(pl_module, EcgClassifier):  # it decides nothing
            return
        path = Path(checkpoint.best_model_path)
        if not checkpoint.best_model_path or not path.is_file():
            return
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        description = read_description(content, path)
        if description.calibration is None:
            rank_zero_info(f"{path.name}: without thresholds and temperature, as its epoch was not validated")
            return
        for line in Calibration.from_dict(description.calibration).summary(description.class_names):
            rank_zero_info(f"{path.name}: {line}")


def print_scores(task: EcgClassifier, stage: str, console: Console | None = None) -> None:
    """Print a pass's scores: a row a class, decisions at 0.5 beside those at the tuned thresholds.

    Args:
        task: After `trainer.validate` or `trainer.test`.
        stage: `val` or `test`. After `val` there is nothing tuned to show: the thresholds would be fitted on
            the very records that are scored.
        console: Where to; standard output if None.
    """
    console = console or terminal.console()
    scores = task.scores[stage]
    calibration = task.calibration if stage == "test" else None
    chooses = task.single_choice
    table = _class_table(task.class_names, scores, calibration, chooses)
    if not console.is_terminal:
        unbounded = console.options.update(width=_MOST_COLUMNS)
        console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)
    console.print(_summary_table(scores, calibration, chooses))
    for line in _notes(task.class_names, scores, calibration):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _class_table(
    names: tuple[str, ...], scores: Mapping[str, float], calibration: Calibration | None, chooses: bool
) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("class", no_wrap=True)
    headings = ["positives", "AUROC", "AUPRC", "F1" if chooses else f"F1 at {DEFAULT_THRESHOLD}"]
    fields = ["support", "auroc", "auprc", "f1"]
    if chooses and any(f"sensitivity/{name}" in scores for name in names):
        headings += ["sens.", "spec."]
        fields += ["sensitivity", "specificity"]
    elif calibration is not None and not chooses:
        headings += ["sens.", "spec.", "threshold", "F1 at it", "sens. at it", "spec. at it"]
        fields += ["sensitivity", "specificity", "", "f1_tuned", "sensitivity_tuned", "specificity_tuned"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for position, name in enumerate(names):
        cells = [_cell(scores.get(f"{field}/{name}"), 0 if field == "support" else 3) for field in fields]
        if "" in fields and calibration is not None:
            mark = "" if calibration.tuned[position] else "*"
            cells[fields.index("")] = f"{mark}{calibration.thresholds[position]:.3f}"
        table.add_row(name, *cells)
    return table


def _summary_table(scores: Mapping[str, float], calibration: Calibration | None, chooses: bool) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("over all classes", no_wrap=True)
    columns = {"": ""}  # by what the names of scores end with
    if calibration is not None:
        columns = {"": "uncalibrated" if chooses else f"at {DEFAULT_THRESHOLD}, uncalibrated"}
        columns |= {} if chooses else {"_tuned": "tuned thresholds"}
        columns |= {} if calibration.temperature is None else {"_calibrated": "calibrated"}
    for column in columns.values():
        table.add_column(column, justify="right")
    rows = [
        ("macro AUROC", "auroc_macro"),
        ("macro AUPRC", "auprc_macro"),
        ("accuracy", "accuracy") if chooses else ("Fmax", "fmax"),
        ("macro F1", "f1_macro"),
        ("weighted F1", "f1_weighted"),
        ("Brier score", "brier"),
        ("calibration error (ECE)", "ece"),
        ("loss", "loss"),
    ]
    for title, name in rows:
        cells = [scores.get(f"{name}{suffix}") for suffix in columns]
        table.add_row(title, *(_cell(cell, 3, missing="") for cell in cells))
    return table


def _notes(names: tuple[str, ...], scores: Mapping[str, float], calibration: Calibration | None) -> list[str]:
    lines = []
    unscored = [name for name in names if f"auroc/{name}" not in scores]
    if unscored:
        lines.append(
            f"without AUROC, as they lack positives or negatives here, and in no mean: {', '.join(unscored)}"
        )
    gaps = [f"{name} ({int(scores[key])})" for name in names if (key := f"unanswered/{name}") in scores]
    if gaps:
        lines.append(f"records without an answer, which are left out for that class: {', '.join(gaps)}")
    if calibration is None:
        return lines
    if calibration.single_choice:
        lines.append("The most probable class of each record is chosen; there are no thresholds.")
        if calibration.temperature is None:
            lines.append(f"Probabilities are uncalibrated: {calibration.uncalibrated}.")
        else:
            lines.append(
                f"The temperature {calibration.temperature:.3f} was fitted on validation records; the choice "
                "is the same with it and without."
            )
        return lines
    lines += calibration.summary(names)[1:-1]
    purpose = "the greatest F1" if calibration.rule == "f1" else f"{calibration.rule} {calibration.target:g}"
    if calibration.temperature is None:
        lines.append(
            f"Thresholds (for {purpose}; * not tuned) were fitted on validation records. Probabilities are "
            f"uncalibrated: {calibration.uncalibrated}."
        )
        return lines
    lines.append(
        f"Thresholds (for {purpose}; * not tuned) and the temperature {calibration.temperature:.3f} were "
        "fitted on validation records. Calibration keeps the order of the records and the decisions: it "
        "changes probabilities alone."
    )
    return lines


def _cell(value: float | None, digits: int, missing: str = "-") -> str:
    return missing if value is None or math.isnan(value) else f"{value:.{digits}f}"
