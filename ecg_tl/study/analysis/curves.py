"""Training size: learning curves, how the gain changes along them, and the labels that an arm saves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sklearn.isotonic import IsotonicRegression

from ecg_tl.study.analysis.comparisons import Compared
from ecg_tl.study.analysis.grid import Cell, Grid
from ecg_tl.study.analysis.resampling import Floats
from ecg_tl.study.analysis.scoring import Sample, combine
from ecg_tl.study.findings import Curve, CurvePoint, GainPoint, GainTrend, Interval, LabelEfficiency
from ecg_tl.study.intervals import mean_interval, score_interval, spread

DRAWS = 4000


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


def label_efficiencies(grid: Grid, compared: Sequence[Compared]) -> tuple[LabelEfficiency, ...]:
    """Say for each sweep how many times fewer records the arm needs for scratch's score on all of them.

    The arm's curve is made monotone (isotonic regression: more labels do no harm, and a bump of chance is not
    read as a crossing) and read off between sizes on the logarithm of the records. Intervals: the means at
    all sizes are drawn again, together, from the resamples of the test patients and, where there are several
    seeds, from a normal distribution with the variance that these add; percentiles of the factor follow. A
    percentile that falls where the factor is only bounded is left out.
    """
    pretrained = {one.cell: one for one in compared if not one.comparison.control}
    rows = []
    for key, cells in by_size(list(pretrained), grid).items():
        scratch_cells = by_size([c for c in grid.downstream() if c == _scratch_like(grid, key, c)], grid)
        scratch = next(iter(scratch_cells.values()), [])
        if len(cells) < 2 or not scratch:
            continue
        reference = scratch[-1]
        samples = [grid.sample(reference), *(grid.sample(cell) for cell in cells)]
        if len({id(s.resamples) for s in samples}) > 1 or not math.isfinite(samples[0].mean):
            continue
        records = [grid.train_records(cell) for cell in cells]
        rows.append(_efficiency(key, grid.train_records(reference), records, samples))
    return tuple(rows)


def _scratch_like(grid: Grid, key: Cell, cell: Cell) -> Cell:
    return replace(grid.scratch_of(key), size=cell.size)


def _efficiency(
    key: Cell, scratch_records: int, records: Sequence[int], samples: Sequence[Sample]
) -> LabelEfficiency:
    target, means = samples[0].mean, [s.mean for s in samples[1:]]
    needed, bound = records_to_reach(records, means, target)
    draws = _draw_means(samples)
    found = [records_to_reach(records, row[1:], row[0]) for row in draws]
    factors = np.array([scratch_records / n for n, _ in found])
    low, high = np.quantile(factors, (0.025, 0.975), method="nearest")
    bounds = {b: np.mean([which == b for _, which in found]) for b in ("at least", "at most")}
    reason = []
    if len(samples[0].seeds) == 1:
        reason.append("One training each: seeds are not in the interval.")
    if bounds["at most"] >= 0.025:
        reason.append("No lower end: the arm may not reach scratch's score within the sizes that were run.")
    if bounds["at least"] >= 0.025:
        reason.append("No upper end: the smallest size may already reach it.")
    return LabelEfficiency(
        key.dataset,
        key.network,
        key.arm,
        key.upstream,
        key.axes,
        scratch_records,
        target,
        None if bound == "at most" else needed,
        scratch_records / needed,
        bound,
        None if bounds["at most"] >= 0.025 else float(low),
        None if bounds["at least"] >= 0.025 else float(high),
        " ".join(reason),
    )


def records_to_reach(
    records: Sequence[int], scores: Sequence[float], target: float
) -> tuple[float, Literal["exact", "at least", "at most"]]:
    """Find the records at which a learning curve reaches a score.

    Args:
        records: Of each point, rising.
        scores: Of each point; made monotone first.
        target: The score.

    Returns:
        The records, and what the label efficiency that follows is: `exact`; `at least` with the fewest
        records if these are enough; `at most` with the most records if these are not.
    """
    x = np.log(records)
    y = IsotonicRegression().fit_transform(x, scores)
    if y[0] >= target:
        return float(records[0]), "at least"
    if y[-1] < target:
        return float(records[-1]), "at most"
    k = int(np.argmax(y >= target))
    share = (target - y[k - 1]) / (y[k] - y[k - 1])
    return float(np.exp(x[k - 1] + share * (x[k] - x[k - 1]))), "exact"


def _draw_means(samples: Sequence[Sample]) -> Floats:
    """Draw the means over seeds again, `(draws, samples)`."""
    of_patients = np.stack([s.resampled.mean(axis=0) for s in samples])
    of_patients = of_patients[:, np.isfinite(of_patients).all(axis=0)]
    rng = np.random.default_rng(0)
    drawn = of_patients[:, rng.integers(of_patients.shape[1], size=DRAWS)].T
    seeds = np.sqrt([max(spread(s).seeds, 0.0) for s in samples])
    noise = rng.normal(size=drawn.shape) * seeds
    return np.asarray(drawn + noise, dtype=np.float64)


def largest(compared: Sequence[Compared]) -> Mapping[Cell, Compared]:
    """Give each configuration at its largest size."""
    found: dict[Cell, Compared] = {}
    for one in compared:
        key = replace(one.cell, size=None)
        if key not in found or one.comparison.train_records > found[key].comparison.train_records:
            found[key] = one
    return found
