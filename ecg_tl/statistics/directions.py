"""Which way each score is better, by the name that a training logs it under."""

from __future__ import annotations

import re
from typing import Literal

Direction = Literal["max", "min"]

DIRECTIONS: dict[str, Direction] = {
    "auroc": "max",
    "auprc": "max",
    "f1": "max",
    "auroc_macro": "max",
    "auprc_macro": "max",
    "f1_macro": "max",
    "f1_weighted": "max",
    "fmax": "max",
    "accuracy": "max",
    "brier": "min",
    "ece": "min",
    "loss": "min",
}
"""Which way each score is better. Counts (`support`, `auroc_classes_scored`) are no scores."""

BY_CLASS = ("auroc", "auprc", "f1")
"""Scores that each class has for itself."""


def averages_of(*, single_choice: bool) -> list[str]:
    """Name the scores over all classes that a training logs."""
    without = "fmax" if single_choice else "accuracy"
    return [name for name in DIRECTIONS if name not in (*BY_CLASS, without)]


_LOGGED = re.compile(r"(?:train|val)(?:/(?P<average>\w+)|_(?P<by_class>\w+?)/.+)", re.DOTALL)


def direction(logged: str) -> Direction | None:
    """Say which way a score is better, by the name that a training logs it under.

    Args:
        logged: `val/auroc_macro`, `val_auroc/NORM`, `train/loss_epoch`, ...

    Returns:
        None for what is no score.
    """
    named = _LOGGED.fullmatch(logged)
    if named is None:
        return None
    if named["by_class"] is not None:
        return DIRECTIONS[named["by_class"]] if named["by_class"] in BY_CLASS else None
    score = named["average"].removesuffix("_epoch").removesuffix("_step")
    return None if score in BY_CLASS else DIRECTIONS.get(score)
