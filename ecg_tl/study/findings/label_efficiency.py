"""How many times fewer labelled records an arm needs for the score of scratch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.intervals import spread
from ecg_tl.statistics.resampling import Floats
from ecg_tl.statistics.scoring import Sample
from ecg_tl.study.findings.columns import CsvRow, row_of
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.curves import by_size
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.tables import Line, Table, TableCell, axis_words, make_table
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import (
    NOTHING,
    count,
    number,
    significant,
    typeset,
)


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


def saved_words(one: LabelEfficiency) -> str:
    """Say in a sentence how many times fewer labelled records an arm needs, and what is not known of it."""
    whose = f"{one.arm} from {one.upstream}" if one.upstream else one.arm
    aim = f"the score of scratch with {one.scratch_records:,} ({one.scratch_score:.3f})"
    head = f"{one.downstream}, {one.network}: {whose}"
    if one.factor is None:
        return f"{head}: {one.reason}"
    if one.bound == "at most":
        text = (
            f"{head} does not reach {aim} with the {one.scratch_records / one.factor:,.0f} that were tried: "
            "how many it would take is not known, and no label is shown to be saved"
        )
    elif one.bound == "at least":
        text = (
            f"{head} reaches {aim} with {one.scratch_records / one.factor:,.0f} records already, the fewest "
            f"that were tried: at least {one.factor:.2g} times fewer, and how many times is not known"
        )
    else:
        more = one.factor < 1
        text = (
            f"{head} needs {1 / one.factor if more else one.factor:.2g} times {'more' if more else 'fewer'} "
            f"labelled records for {aim}, about {one.records_needed:,.0f}"
        )
    ends = [
        f"{words} {end:.2g}"
        for words, end in (("at least", one.low), ("at most", one.high))
        if end is not None
    ]
    within = f" (times fewer, 95 %: {' and '.join(ends)})" if ends else ""
    return f"{text}{within}.{f' {one.reason}' if one.reason else ''}"


DRAWS = 4000


Bound = Literal["exact", "at least", "at most"]


AT_MOST, AT_LEAST = -1, 1


BOUNDS: Mapping[int, Bound] = {0: "exact", AT_LEAST: "at least", AT_MOST: "at most"}


UNKNOWN = 0.025
"""Share of draws that are only bounded from which an end of the interval is not known."""


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


def efficiency_table(found: Sequence[LabelEfficiency], default: Axes) -> Table | None:
    """Label efficiency."""
    bounds = {"exact": "", "at least": "at least ", "at most": "less than "}
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Upstream": one.upstream or "",
            "Network": one.network,
            "Arm": one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Scratch's score": TableCell(
                number(one.scratch_score), f"with {count(one.scratch_records)} records"
            ),
            "#Records the arm needs for it": count(one.records_needed)
            if one.records_needed is not None
            else "not reached",
            "#Times fewer (95 % interval)": TableCell(
                f"{bounds[one.bound]}{significant(one.factor)}×" if one.factor is not None else NOTHING,
                _range(one.low, one.high),
            ),
            "Note": typeset(one.reason),
        }
        for one in found
    ]
    return make_table(
        "How many times fewer labelled records",
        rows,
    )


def _files(found: Sequence[LabelEfficiency]) -> dict[str, Iterable[CsvRow]]:
    return {"label_efficiency": (row_of(one) | {"words": saved_words(one)} for one in found)}


def _range(low: float | None, high: float | None) -> str:
    """Write an interval of a factor that may be open at one end."""
    if low is None or high is None:
        ends = (("at least", low), ("at most", high))
        return "".join(f"{words} {significant(end)}" for words, end in ends if end is not None)
    return f"{significant(low)} to {significant(high)}"


register_topic(
    Topic(
        "label_efficiency",
        lambda study: label_efficiencies(study.grid, compared_in(study)),
        _files,
        lambda found, default: {"label_efficiency": efficiency_table(found, default)},
    )
)
