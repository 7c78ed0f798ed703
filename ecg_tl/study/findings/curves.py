"""What the number of training records changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import Axes


@dataclass(frozen=True)
class CurvePoint:
    """One training size.

    Attributes:
        size: Training records asked for; None for all.
        records: Training records.
        mean: Macro AUROC over the seeds.
        low: Of its 95 % interval; None if there is none.
        high: As `low`.
        seeds: Trainings.
        scores: Of each training.
    """

    size: int | None
    records: int
    mean: float
    low: float | None
    high: float | None
    seeds: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """A learning curve: macro AUROC on the same test set against training records.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: None for scratch and controls.
        axes: Value of each axis.
        points: Fewest records first; two at least.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class GainPoint:
    """Gain at one training size.

    Attributes:
        records: Training records.
        difference: Arm less scratch, macro AUROC.
        comparison: Key of it.
    """

    records: int
    difference: Interval
    comparison: str


@dataclass(frozen=True)
class GainTrend:
    """How an arm's gain changes with the training size.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it.
        axes: Value of each axis.
        points: Fewest records first; two at least.
        slope: Change of the gain for ten times as many records; negative is declining.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    points: tuple[GainPoint, ...]
    slope: Interval


@dataclass(frozen=True)
class LabelEfficiency:
    """How many times fewer labelled records an arm needs for the score of scratch on all of them.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it.
        axes: Value of each axis.
        scratch_records: Records of scratch at its largest size.
        scratch_score: Its mean macro AUROC there.
        records_needed: Records at which the arm's curve reaches that score, interpolated in log records; None
            if it never does.
        factor: `scratch_records / records_needed`; above 1 saves labels. None if it never reaches the score.
        bound: `exact`; `at least` where the smallest size already reaches it; `at most` where the arm does
            not reach it within the sizes that were run (then `factor` is what the largest would give: its
            true value is smaller).
        low: Of the factor's 95 % interval, None if there is none.
        high: As `low`.
        reason: What weakens it, or why there is no interval.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    scratch_records: int
    scratch_score: float
    records_needed: float | None
    factor: float | None
    bound: Literal["exact", "at least", "at most"]
    low: float | None
    high: float | None
    reason: str = ""
