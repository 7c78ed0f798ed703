"""A training and its scratch partner, timed to the same validation score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.directions import direction
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class Match:
    """How long two trainings of one seed needed to the same validation score.

    Attributes:
        seed: Of both trainings; on further splits their number (`ecg_tl.statistics.replication`).
        target: The score: 80 % of the way from the worse of their first epochs to the worse of their bests.
        scratch_epochs: Epochs of scratch to it.
        scratch_seconds: Seconds of scratch to it.
        epochs: Of the arm to it.
        seconds: Of the arm to it.
    """

    seed: int
    target: float
    scratch_epochs: int
    scratch_seconds: float
    epochs: int
    seconds: float


SHARE = 0.8
"""Of the way from the first scores to the best ones: above it, the noise of single epochs decides which is
first; far below it, most of a training is not timed."""


def lower_is_better(monitor: str) -> bool:
    """Whether a validation score is good where it is small."""
    return direction(monitor) == "min"


def common_target(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give the score that two trainings are timed to; greater is better, and no score is NaN.

    Args:
        one: Validation scores of a training's epochs, one at least.
        other: As `one`.
    """
    first, best = min(one[0], other[0]), min(one.max(), other.max())
    return float(first + SHARE * (best - first))


def matches_of(grid: Grid, cell: Cell, scratch: Cell, seeds: Sequence[int]) -> tuple[Match, ...]:
    """Time the trainings of a configuration and their scratch partners to the same validation scores."""
    found = (_match(grid.cells[cell][seed], grid.cells[scratch][seed]) for seed in seeds)
    return tuple(match for match in found if match is not None)


def _match(arm: RunResult, scratch: RunResult) -> Match | None:
    monitor = str(arm.result["monitor"])
    way = -1.0 if lower_is_better(monitor) else 1.0
    curves = []
    for run in (arm, scratch):
        if not {monitor, "epoch", "seconds"} <= set(run.history.columns):
            return None
        columns = (run.history[name].to_numpy(dtype=np.float64) for name in ("epoch", "seconds", monitor))
        curve = np.stack(list(columns))
        curve = curve[:, np.isfinite(curve).all(axis=0)]
        if not curve.shape[1]:
            return None
        curve[2] *= way
        curves.append(curve)
    target = common_target(curves[0][2], curves[1][2])
    # A target that a score equals but for rounding is reached by it.
    (epoch, seconds), (scratch_epoch, scratch_seconds) = (
        curve[:2, (curve[2] >= target - 1e-12).argmax()].tolist() for curve in curves
    )
    return Match(arm.training, way * target, int(scratch_epoch), scratch_seconds, int(epoch), seconds)
