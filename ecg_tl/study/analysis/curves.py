"""Training size: learning curves, how the gain changes along them, and the labels that an arm saves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.intervals import Interval, mean_interval, score_interval, spread
from ecg_tl.statistics.resampling import Floats
from ecg_tl.statistics.scoring import Sample, combine
from ecg_tl.study.analysis.comparisons import Compared
from ecg_tl.study.analysis.grid import Cell, Grid
from ecg_tl.study.findings import Curve, CurvePoint, GainPoint, GainTrend, LabelEfficiency

DRAWS = 4000

Bound = Literal["exact", "at least", "at most"]
AT_MOST, AT_LEAST = -1, 1
BOUNDS: Mapping[int, Bound] = {0: "exact", AT_LEAST: "at least", AT_MOST: "at most"}

UNKNOWN = 0.025
"""Share of draws that are only bounded from which an end of the interval is not known."""


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
    needed, bound = records_to_reach(records, np.array([means]), np.array([target]))
    draws = _draw_means(samples)
    drawn, drawn_bounds = records_to_reach(records, draws[:, 1:], draws[:, 0])
    low, high = np.quantile(scratch_records / drawn, (0.025, 0.975), method="nearest")
    below, above = (float((drawn_bounds == sign).mean()) for sign in (AT_MOST, AT_LEAST))
    reason = []
    if len(samples[0].seeds) == 1:
        reason.append("One training each: seeds are not in the interval.")
    if below >= UNKNOWN:
        reason.append("No lower end: the arm may not reach scratch's score within the sizes that were run.")
    if above >= UNKNOWN:
        reason.append("No upper end: the smallest size may already reach it.")
    return LabelEfficiency(
        key.dataset,
        key.network,
        key.arm,
        key.upstream,
        key.axes,
        scratch_records,
        target,
        None if bound[0] == AT_MOST else float(needed[0]),
        scratch_records / float(needed[0]),
        BOUNDS[int(bound[0])],
        None if below >= UNKNOWN else float(low),
        None if above >= UNKNOWN else float(high),
        " ".join(reason),
    )


def records_to_reach(
    records: Sequence[int], scores: Floats, targets: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """Find the records at which learning curves reach a score, for many curves at once.

    Args:
        records: Of each point, rising.
        scores: `(curves, points)`; made monotone first.
        targets: `(curves,)`.

    Returns:
        The records, `(curves,)`, and what the label efficiency that follows is: 0 for exact; `AT_LEAST` with
        the fewest records, where these are enough; `AT_MOST` with the most, where these are not.
    """
    x, y = np.log(records), monotone(scores)
    enough = y >= targets[:, None]
    first = np.where(enough.any(axis=1), enough.argmax(axis=1), len(records) - 1)
    bounds = np.where(enough[:, 0], AT_LEAST, np.where(enough.any(axis=1), 0, AT_MOST))
    before = np.maximum(first - 1, 0)
    each = np.arange(len(y))
    rise = y[each, first] - y[each, before]
    inside = (bounds == 0) & (rise > 0)
    share = np.divide(targets - y[each, before], rise, out=np.ones_like(rise), where=inside)
    between = np.exp(x[before] + share * (x[first] - x[before]))
    found = np.where(inside, between, np.asarray(records, dtype=np.float64)[first])
    return found, np.asarray(bounds, dtype=np.int64)


def monotone(scores: Floats) -> Floats:
    """Fit rising curves by least squares (isotonic regression), `(curves, points)`.

    By its max-min formula, quick for the few points of a size sweep: the value at i is the greatest, over
    starts up to i, of the least mean over ends from i on.
    """
    points = scores.shape[1]
    sums = np.concatenate([np.zeros((len(scores), 1)), scores.cumsum(axis=1)], axis=1)
    fitted = np.full_like(scores, -np.inf)
    for start in range(points):
        ends = np.arange(start, points)
        means = (sums[:, ends + 1] - sums[:, [start]]) / (ends + 1 - start)
        # The least mean over ends from i on.
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        fitted[:, start:] = np.maximum(fitted[:, start:], least)
    return fitted


def _draw_means(samples: Sequence[Sample]) -> Floats:
    """Draw the means over seeds again, `(draws, samples)`."""
    of_patients = np.stack([s.resampled.mean(axis=0) for s in samples])
    of_patients = of_patients[:, np.isfinite(of_patients).all(axis=0)]
    rng = np.random.default_rng(0)
    drawn = of_patients[:, rng.integers(of_patients.shape[1], size=DRAWS)].T
    # What seeds change together with patients is in the resamples.
    seeds = np.sqrt([max(one.variance - one.alone, 0.0) for one in map(spread, samples)])
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
