"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecg_tl.statistics.intervals import score_interval
from ecg_tl.study.findings.columns import rows_of_parts
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.topic import Topic, register_topic
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


def by_size(cells: Sequence[Cell], grid: Grid) -> dict[Cell, list[Cell]]:
    """Group configurations that differ in size alone, fewest records first, each number of records once.

    The key is the configuration without size. A size that was asked for and that holds all records is the
    same training as all of them: the smaller name is left out.
    """
    groups: dict[Cell, dict[int, Cell]] = {}
    for cell in cells:
        of_group = groups.setdefault(replace(cell, size=None), {})
        records = grid.train_records(cell)
        if records not in of_group or cell.size is None:
            of_group[records] = cell
    return {key: [group[n] for n in sorted(group)] for key, group in groups.items()}


def learning_curves(grid: Grid) -> tuple[Curve, ...]:
    """Give the learning curve of every configuration that was run at two sizes or more."""
    curves = []
    for key, cells in by_size(list(grid.downstream()), grid).items():
        if len(cells) < 2:
            continue
        points = []
        for cell in cells:
            sample = grid.sample(cell)
            interval = score_interval(sample)
            if interval.estimate is not None:
                points.append(
                    CurvePoint(
                        cell.size,
                        grid.train_records(cell),
                        interval.estimate,
                        interval.low,
                        interval.high,
                        len(sample.seeds),
                        tuple(sample.values.tolist()),
                    )
                )
        if len(points) > 1:
            curves.append(Curve(key.dataset, key.network, key.arm, key.upstream, key.axes, tuple(points)))
    return tuple(curves)


_WHOSE = ("downstream", "network", "arm", "upstream", "axes")

register_topic(
    Topic(
        "curves",
        lambda study: learning_curves(study.grid),
        lambda found: {"curves": rows_of_parts(found, _WHOSE, "points")},
    )
)
