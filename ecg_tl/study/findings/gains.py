"""How the gain changes with the number of training records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecg_tl.statistics.intervals import Interval, mean_interval
from ecg_tl.statistics.scoring import Sample, combine
from ecg_tl.study.findings.columns import row_of, rows_of_parts
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.curves import by_size
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.topic import Analysis, Topic, register_topic
from ecg_tl.study.findings.values import Axes


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


@dataclass(frozen=True, eq=False)
class Trend:
    """A gain's trend with what a mean over trends is made of.

    Attributes:
        slope: Change of the gain for ten times as many records; None if no seed is in all sizes.
        found: What is reported of it.
        members: Fewest records first.
    """

    slope: Sample | None
    found: GainTrend
    members: tuple[Compared, ...]


def gain_trends(grid: Grid, compared: Sequence[Compared]) -> tuple[Trend, ...]:
    """Fit a line to each arm's gain against the logarithm of the training size.

    The slope is that of least squares on log10 of the records, a weighted sum of the gains: its interval is
    computed from the same resamples as theirs, with what the sizes share.
    """
    pretrained = {one.cell: one for one in compared if not one.comparison.control}
    trends = []
    for key, cells in by_size(list(pretrained), grid).items():
        if len(cells) < 2:
            continue
        members = [pretrained[cell] for cell in cells]
        records = [m.comparison.train_records for m in members]
        slope, interval = None, Interval(None, reason="The sizes have no seed and test set in common.")
        if _together([m.gain for m in members]):
            slope = combine(*zip(slope_weights(records), [m.gain for m in members], strict=True))
            interval = mean_interval([slope])
        found = GainTrend(
            key.dataset,
            key.network,
            key.arm,
            key.upstream,
            key.axes,
            tuple(
                GainPoint(n, m.comparison.difference, m.comparison.key)
                for n, m in zip(records, members, strict=True)
            ),
            interval,
        )
        trends.append(Trend(slope, found, tuple(members)))
    return tuple(trends)


def slope_weights(records: Sequence[int]) -> list[float]:
    """Give the weight of each size's value in the least-squares slope on log10 of the records."""
    x = np.log10(records)
    centred = x - x.mean()
    return list((centred / (centred**2).sum()).tolist())


def _together(samples: Sequence[Sample]) -> bool:
    seeds = set.intersection(*(set(s.seeds) for s in samples))
    return bool(seeds) and len({id(s.resamples) for s in samples}) == 1


def trends_in(study: Analysis) -> tuple[Trend, ...]:
    """Find the trends in a study under analysis."""
    return gain_trends(study.grid, compared_in(study))


_WHOSE = ("downstream", "network", "arm", "upstream", "axes")

register_topic(
    Topic(
        "trends",
        lambda study: tuple(trend.found for trend in study.once(trends_in)),
        lambda found: {
            "gains": rows_of_parts(found, _WHOSE, "points"),
            "trends": (row_of(one, without=("points",)) for one in found),
        },
    )
)
