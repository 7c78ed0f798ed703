"""How soon an arm is as good, on validation data, as scratch at its best; and what that is worth.

Time to match is measured from the start of the arm's own training to the first epoch whose validation score
is at least the best one of scratch with the same seed, over scratch's time to that best one. An arm that does
not get there within its epochs is censored: its ratio is unknown and counts as greater than all that are
known, so that medians stay right while fewer than half are censored. The measure is hard on the arm: of two
equal trainings each has an even chance to reach the other's best at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Literal

import numpy as np
from scipy import stats

from ecg_tl.study.analysis.grid import Cell, Grid
from ecg_tl.study.findings import BreakEven, Comparison, Convergence, Interval, Match

Unit = Literal["epochs", "seconds"]


def matches_of(grid: Grid, cell: Cell, seeds: Sequence[int]) -> tuple[Match, ...]:
    """Collect what the runs of a configuration say of reaching scratch's best."""
    matches = []
    for seed in seeds:
        result = grid.cells[cell][seed].result
        measured = result.get("to_scratch_best")
        if not measured:
            continue
        reached = bool(measured["reached"])
        matches.append(
            Match(
                seed,
                reached,
                int(measured["scratch_epochs"]),
                float(measured["scratch_seconds"]),
                int(measured["epochs"]) if reached else None,
                float(measured["seconds"]) if reached else None,
                int(result["epochs"]),
                float(result.get("seconds") or 0.0),
            )
        )
    return tuple(matches)


def ratios(matches: Iterable[Match], unit: Unit) -> list[tuple[float, bool]]:
    """Give each training's ratio, and whether it is a lower bound because scratch's best was not reached."""
    found = []
    for match in matches:
        own, base, most = (
            (match.epochs, match.scratch_epochs, match.epochs_trained)
            if unit == "epochs"
            else (match.seconds, match.scratch_seconds, match.seconds_trained)
        )
        if base > 0:
            found.append((most / base, True) if own is None else (own / base, False))
    return found


def ratio_of(matches: Iterable[Match], unit: Unit) -> tuple[float | None, bool]:
    """Give the median ratio, and whether it is a lower bound; see `censored_quantile`."""
    return censored_quantile(ratios(matches, unit), 0.5)


def censored_quantile(values: Sequence[tuple[float, bool]], q: float) -> tuple[float | None, bool]:
    """Quantile of values some of which are lower bounds, by linear interpolation between order statistics.

    Censored values are put after all others, the lowest bound first.

    Returns:
        The quantile and False; or, where a censored value is part of it, the lowest bound among the censored
        and of the greatest known value, and True. None without values.
    """
    if not values:
        return None, False
    known = sorted(v for v, censored in values if not censored)
    position = q * (len(values) - 1)
    upper = math.ceil(position)
    if upper < len(known):
        return float(np.quantile([*known, *([known[-1]] * (len(values) - len(known)))], q)), False
    bounds = [v for v, censored in values if censored]
    return max(min(bounds), known[-1] if known else 0.0), True


def median_interval(values: Sequence[tuple[float, bool]], unit: str) -> Interval:
    """Interval of a median by order statistics: no assumption but independence.

    The bounds are the narrowest pair of order statistics that a median lies between with 95 % at least, which
    takes six values. The p-value is that of the sign test against 1.
    """
    median, censored = censored_quantile(values, 0.5)
    n = len(values)
    if median is None:
        return Interval(None, reason="No run says when it reached scratch's best validation score.")
    below = sum(1 for v, c in values if not c and v < 1)
    above = sum(1 for v, c in values if c or v > 1)
    p = float(stats.binomtest(below, below + above).pvalue) if below + above else 1.0
    method = f"median over {n} {unit}, order statistics"
    bound = "At least: half of them did not get there." if censored else ""
    rank = int(stats.binom.ppf(0.025, n, 0.5))
    if n < 6 or rank < 1:
        return Interval(
            median, p=p, method=method, reason=f"{bound} An interval takes six {unit}, not {n}.".strip()
        )
    ordered = sorted((math.inf if c else v) for v, c in values)
    low, high = ordered[rank - 1], ordered[n - rank]
    if math.isinf(high) or math.isinf(low):
        edge = f"At least {low:.2f} with 95 % confidence." if math.isfinite(low) else ""
        return Interval(
            median,
            p=p,
            method=method,
            reason=f"{bound} No upper end: too many did not get there. {edge}".strip(),
        )
    return Interval(median, low, high, p, method=method, reason=bound)


def converge(comparisons: Sequence[Comparison]) -> tuple[Convergence, ...]:
    """Sum up by arm and family how soon scratch's best was reached, at the default of all axes and beyond."""
    rows = []
    for arm in dict.fromkeys(c.arm for c in comparisons):
        of_arm = [c for c in comparisons if c.arm == arm]
        families = sorted({c.family for c in of_arm})
        for family in [*families, "all"] if len(families) > 1 else ["all"]:
            matches = [m for c in of_arm if family in ("all", c.family) for m in c.matches]
            if matches:
                rows.append(_convergence(arm, family, matches))
    return tuple(rows)


def _convergence(arm: str, family: str, matches: Sequence[Match]) -> Convergence:
    epochs = ratios(matches, "epochs")
    (ratio, censored), (low, low_censored), (high, high_censored) = (
        censored_quantile(epochs, q) for q in (0.5, 0.25, 0.75)
    )
    seconds_ratio, seconds_censored = ratio_of(matches, "seconds")
    faster = sum(1 for value, bound in epochs if not bound and value < 1)
    slower = sum(1 for value, bound in epochs if bound or value > 1)
    return Convergence(
        arm=arm,
        family=family,
        trainings=len(matches),
        reached=sum(m.reached for m in matches),
        epochs_ratio=ratio,
        epochs_ratio_censored=censored,
        epochs_low=None if low_censored else low,
        epochs_high=None if high_censored else high,
        seconds_ratio=seconds_ratio,
        seconds_ratio_censored=seconds_censored,
        faster=faster,
        slower=slower,
        same=len(epochs) - faster - slower,
    )


def break_even(grid: Grid, comparisons: Sequence[Comparison]) -> tuple[BreakEven, ...]:
    """Set what each upstream cost against what each arm saves a downstream task.

    Saved are the seconds of scratch to its best validation score less those of the arm to the same score, as
    a mean over downstreams of the mean over trainings, at each downstream's largest size. What the arm may
    gain in score beyond is not counted.
    """
    rows = []
    for cell, runs in grid.cells.items():
        if cell.kind != "upstream":
            continue
        cost = mean(float(run.result.get("seconds") or 0.0) for run in runs.values())
        for arm in grid.arms:
            of_arm = [
                c
                for c in comparisons
                if (c.upstream, c.network, c.arm, c.axes) == (cell.dataset, cell.network, arm, cell.axes)
                and c.matches
            ]
            largest = {c.downstream: c for c in sorted(of_arm, key=lambda c: c.train_records)}
            if largest:
                rows.append(_break_even(grid, cell, arm, cost, list(largest.values())))
    return tuple(rows)


def _break_even(
    grid: Grid, cell: Cell, arm: str, cost: float, comparisons: Sequence[Comparison]
) -> BreakEven:
    def own(match: Match) -> float:
        return match.seconds_trained if match.seconds is None else match.seconds

    scratch = mean(mean(m.scratch_seconds for m in c.matches) for c in comparisons)
    with_arm = mean(mean(own(m) for m in c.matches) for c in comparisons)
    saved = scratch - with_arm
    matches = [m for c in comparisons for m in c.matches]
    missed = sum(not m.reached for m in matches)
    tasks = cost / saved if saved > 0 else None
    if tasks is None:
        text = f"Never pays in time: {arm} needs {-saved:,.0f} s more than scratch for the same score."
    else:
        text = (
            f"Pays in time after {math.ceil(tasks)} downstream tasks like these, each {saved:,.0f} s shorter."
        )
    if missed:
        text += (
            f" {missed} of {len(matches)} trainings never reached scratch's best: in truth later, or never."
        )
    return BreakEven(
        upstream=cell.dataset,
        network=cell.network,
        arm=arm,
        axes=cell.axes,
        upstream_seconds=cost,
        scratch_seconds=scratch,
        arm_seconds=with_arm,
        saved_seconds=saved,
        tasks=tasks,
        trainings=len(matches),
        censored=missed > 0,
        explanation=text,
    )
