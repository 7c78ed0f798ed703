"""How soon two arms are equally good on validation data; and what that is worth.

Both trainings of a pair are timed to the **same** validation score, which treats them alike: 80 % of the way
from the worse of their two first epochs to the worse of their two best ones. Both reach it, so that none is
censored, and swapping the two swaps their times and changes nothing else: of equal trainings each is first as
often as the other. (Time to scratch's best score is no such measure: of two equal trainings every other one
never reaches it, and the one whose best it is always does.)

What is compared are logarithms of ratios. Those that share a scratch training are not independent of each
other and are averaged first; scratch trainings are, and intervals are Student's over these.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ecg_tl.statistics.intervals import LEVEL, SIGNIFICANT, Interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.study.analysis.grid import Cell, Grid
from ecg_tl.study.analysis.wording import side
from ecg_tl.study.findings import BreakEven, Comparison, Convergence, Match, PayVerdict
from ecg_tl.study.run.results import RunResult

SHARE = 0.8
"""Of the way from the first scores to the best ones: above it, the noise of single epochs decides which is
first; far below it, most of a training is not timed."""

LOWER_IS_BETTER = ("loss", "brier", "ece")


@dataclass(frozen=True)
class Timed:
    """A quantity of one training.

    Attributes:
        scratch: What tells the scratch training that it was compared with from others.
        seed: Of both.
        value: Of the quantity.
    """

    scratch: Hashable
    seed: int
    value: float


def lower_is_better(monitor: str) -> bool:
    """Whether a validation score is good where it is small."""
    return any(word in monitor.lower() for word in LOWER_IS_BETTER)


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
    return Match(arm.seed, way * target, int(scratch_epoch), scratch_seconds, int(epoch), seconds)


def over_trainings(values: Sequence[Timed], against: float = 0.0, level: float = LEVEL) -> Interval:
    """Interval of a mean over scratch trainings, each with the mean of what was compared with it.

    Args:
        values: Of single trainings.
        against: What the p-value is of.
        level: Of the interval.

    Returns:
        Student's interval. The p-value is that of the t test, and no less than a test of signs could give
        with so many, since epochs are whole numbers. No interval and no p-value with one seed.
    """
    groups: dict[tuple[Hashable, int], list[float]] = {}
    for one in values:
        groups.setdefault((one.scratch, one.seed), []).append(one.value)
    means = np.array([mean(group) for group in groups.values()])
    seeds, number = len({one.seed for one in values}), len(means)
    method = f"mean over {number} scratch trainings, Student's t"
    if not number:
        return Interval(None, reason="No validation curves of both trainings of a pair were kept.")
    bare = Interval(float(means.mean()), seeds=seeds, method=method)
    if seeds < 2:
        return Interval(bare.estimate, seeds=seeds, reason="One seed: no interval, and no verdict.")
    error = float(means.std(ddof=1)) / math.sqrt(number)
    least = 2.0 ** (1 - number)
    if error <= 1e-9 * max(abs(float(means.mean()) - against), 1e-3):
        p = least if not math.isclose(float(means.mean()), against, abs_tol=1e-12) else 1.0
        return Interval(bare.estimate, bare.estimate, bare.estimate, p, seeds=seeds, method=method)
    reach = float(stats.t.ppf((1 + level) / 2, number - 1)) * error
    p = float(2 * stats.t.sf(abs(means.mean() - against) / error, number - 1))
    return Interval(
        bare.estimate,
        float(means.mean()) - reach,
        float(means.mean()) + reach,
        max(p, least),
        seeds=seeds,
        method=method,
    )


def ratio_interval(values: Sequence[Timed]) -> Interval:
    """Interval of a geometric mean, from logarithms; its p-value is that of a ratio of 1."""
    logs = over_trainings(values)

    def power(value: float | None) -> float | None:
        return None if value is None else math.exp(value)

    return Interval(
        power(logs.estimate),
        power(logs.low),
        power(logs.high),
        logs.p,
        logs.seeds,
        0,
        logs.method,
        logs.reason,
    )


def log_ratios(comparisons: Iterable[Comparison], unit: str = "epochs") -> list[Timed]:
    """Give the logarithm of each training's epochs (or seconds) over those of its scratch partner."""
    found = []
    for one in comparisons:
        for match in one.matches:
            own, base = (
                (match.epochs, match.scratch_epochs)
                if unit == "epochs"
                else (match.seconds, match.scratch_seconds)
            )
            if own > 0 and base > 0:
                found.append(Timed(scratch_of(one), match.seed, math.log(own / base)))
    return found


def scratch_of(one: Comparison) -> Hashable:
    """Tell the scratch configuration of a comparison from others."""
    return one.downstream, one.network, one.size, one.axes


def converge(comparisons: Sequence[Comparison]) -> tuple[Convergence, ...]:
    """Sum up by arm and family how soon the common score was reached, at all values of all axes."""
    found: dict[tuple[str, str], list[Comparison]] = {}
    for arm in dict.fromkeys(c.arm for c in comparisons):
        of_arm = [c for c in comparisons if c.arm == arm and c.matches]
        families = sorted({c.family for c in of_arm})
        for family in [*families, "all"] if len(families) > 1 else ["all"]:
            found[arm, family] = [c for c in of_arm if family in ("all", c.family)]
    found = {key: chosen for key, chosen in found.items() if chosen}
    ratios = [ratio_interval(log_ratios(chosen)) for chosen in found.values()]
    corrected = holm([ratio.p for ratio in ratios])
    return tuple(
        _convergence(*key, chosen, ratio, p)
        for (key, chosen), ratio, p in zip(found.items(), ratios, corrected, strict=True)
    )


def _convergence(
    arm: str, family: str, comparisons: Sequence[Comparison], ratio: Interval, p_holm: float | None
) -> Convergence:
    matches = [m for c in comparisons for m in c.matches]
    faster, slower = faster_and_slower(matches)
    shown = p_holm is not None and p_holm < SIGNIFICANT
    return Convergence(
        arm=arm,
        family=family,
        trainings=len(matches),
        epochs_ratio=ratio,
        p_holm=p_holm,
        verdict="open" if not shown else "win" if (ratio.estimate or 1.0) < 1 else "loss",
        seconds_ratio=ratio_interval(log_ratios(comparisons, "seconds")),
        faster=faster,
        slower=slower,
        same=len(matches) - faster - slower,
    )


def faster_and_slower(matches: Sequence[Match]) -> tuple[int, int]:
    """Count the trainings that needed fewer epochs than their partner, and those that needed more."""
    return (
        sum(match.epochs < match.scratch_epochs for match in matches),
        sum(match.epochs > match.scratch_epochs for match in matches),
    )


# What it is worth ---------------------------------------------------------------------------------------


def savings(comparisons: Iterable[Comparison], scale: float = 1.0) -> list[Timed]:
    """Give the seconds that each training saves on the way to the common score, times `scale`."""
    return [
        Timed(scratch_of(one), m.seed, (m.scratch_seconds - m.seconds) * scale)
        for one in comparisons
        for m in one.matches
    ]


def break_even(grid: Grid, comparisons: Sequence[Comparison]) -> tuple[BreakEven, ...]:
    """Set what each upstream cost against what each arm saves a downstream task.

    Saved are the seconds of scratch to the validation score that both reach less those of the arm, at each
    downstream's largest size. What the arm may gain in score beyond is not counted. Verdicts are corrected
    for the number of rows (Holm).
    """
    rows = []
    for cell, runs in grid.cells.items():
        if cell.kind != "upstream":
            continue
        cost = mean(float(run.result.get("seconds") or 0.0) for run in runs.values())
        for arm in grid.arms:
            of_arm = paying(comparisons, cell, arm)
            if of_arm and cost > 0:
                rows.append((cell, arm, cost, of_arm, over_trainings(savings(of_arm))))
    corrected = holm([saved.p for *_, saved in rows])
    return tuple(_break_even(*row, p) for row, p in zip(rows, corrected, strict=True))


def paying(comparisons: Iterable[Comparison], upstream: Cell, arm: str) -> list[Comparison]:
    """Give the comparisons whose trainings an upstream's training must pay by: one a downstream."""
    of_arm = [
        c
        for c in comparisons
        if (c.upstream, c.network, c.arm, c.axes) == (upstream.dataset, upstream.network, arm, upstream.axes)
        and c.matches
    ]
    return list({c.downstream: c for c in sorted(of_arm, key=lambda c: c.train_records)}.values())


def _break_even(
    cell: Cell,
    arm: str,
    cost: float,
    comparisons: Sequence[Comparison],
    saved: Interval,
    p_holm: float | None,
) -> BreakEven:
    matches = [m for c in comparisons for m in c.matches]
    scratch = mean(mean(m.scratch_seconds for m in c.matches) for c in comparisons)
    with_arm = mean(mean(m.seconds for m in c.matches) for c in comparisons)
    shown = p_holm is not None and p_holm < SIGNIFICANT and side(saved)
    verdict: PayVerdict = "open" if not shown else "pays" if shown > 0 else "never"
    estimate = saved.estimate or 0.0
    tasks = cost / estimate if estimate > 0 else None
    fewest = cost / saved.high if saved.high is not None and saved.high > 0 else None
    most = cost / saved.low if saved.low is not None and saved.low > 0 else None
    if verdict == "pays" and tasks is not None:
        text = f"Pays in time after {math.ceil(tasks):,} downstream tasks like these"
        if fewest is not None and most is not None:
            text += f" ({math.ceil(fewest):,} to {math.ceil(most):,})"
        text += f": each is shorter by {_seconds(saved)}."
    elif verdict == "never":
        text = f"Never pays in time: {arm} takes {_seconds(saved, -1)} longer than scratch to the same score."
    else:
        text = f"Open: {arm} saves {_seconds(saved)} a task, and whether it saves any is not shown."
        if saved.low is None:
            text += f" {saved.reason}"
    return BreakEven(
        upstream=cell.dataset,
        network=cell.network,
        arm=arm,
        axes=cell.axes,
        upstream_seconds=cost,
        scratch_seconds=scratch,
        arm_seconds=with_arm,
        saved=saved,
        p_holm=p_holm,
        verdict=verdict,
        tasks=tasks,
        fewest_tasks=fewest,
        most_tasks=most,
        trainings=len(matches),
        explanation=text,
    )


def _seconds(saved: Interval, way: int = 1) -> str:
    def write(value: float) -> str:
        return f"{value:,.1f}" if abs(value) < 10 else f"{value:,.0f}"

    text = f"{write(way * (saved.estimate or 0.0))} s"
    if saved.low is not None and saved.high is not None:
        low, high = sorted((way * saved.low, way * saved.high))
        text += f" ({write(low)} to {write(high)})"
    return text
