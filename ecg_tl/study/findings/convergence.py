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
from scipy import stats

from ecg_tl.statistics.combining import random_effects
from ecg_tl.statistics.intervals import LEVEL, SIGNIFICANT, Interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.resampling import Floats
from ecg_tl.study.findings.compared import Comparison
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.downstreams import FEWEST_DOWNSTREAMS, random_interval
from ecg_tl.study.findings.matches import (
    Match,
)
from ecg_tl.study.findings.tables import ROLES, Line, Table, TableCell, make_table, times
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Verdict
from ecg_tl.study.findings.wording import (
    p_value,
    span,
)


@dataclass(frozen=True)
class Convergence:
    """How fast an arm and scratch get to the same validation score, over all comparisons of the arm.

    Attributes:
        arm: As the study names it.
        family: `cnn`, `rnn` or `all`.
        trainings: How many were timed.
        epochs_ratio: The arm's epochs over scratch's, geometric mean; below 1 is faster.
        p_holm: Of `epochs_ratio`, corrected for the number of such rows.
        verdict: By `p_holm` at 0.05: `win` is faster.
        seconds_ratio: As `epochs_ratio`, in seconds.
        faster: Trainings that needed fewer epochs than their partner.
        slower: Trainings that needed more.
        same: The rest.
    """

    arm: str
    family: str
    trainings: int
    epochs_ratio: Interval
    p_holm: float | None
    verdict: Verdict
    seconds_ratio: Interval
    faster: int
    slower: int
    same: int


@dataclass(frozen=True)
class Timed:
    """A quantity of one training.

    Attributes:
        scratch: What tells the scratch training that it was compared with from others.
        seed: Of both.
        value: Of the quantity.
        downstream: Name of it.
    """

    scratch: Hashable
    seed: int
    value: float
    downstream: str = ""


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
    means = _means(values)
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


def _means(values: Sequence[Timed]) -> Floats:
    """Average what was compared with each scratch training."""
    groups: dict[tuple[Hashable, int], list[float]] = {}
    for one in values:
        groups.setdefault((one.scratch, one.seed), []).append(one.value)
    return np.array([mean(group) for group in groups.values()], dtype=np.float64)


def combined_trainings(values: Sequence[Timed], against: float = 0.0) -> Interval | None:
    """Interval of the mean over downstreams of the kind of these; None of fewer than three.

    Scratch trainings are taken to spread alike on all downstreams: of one alone there are few, and epochs are
    whole numbers, so that a few may agree by chance.

    Args:
        values: As `over_trainings`.
        against: What the p-value is of.
    """
    by_downstream: dict[str, list[Timed]] = {}
    for one in values:
        by_downstream.setdefault(one.downstream, []).append(one)
    means = {name: _means(own) for name, own in by_downstream.items()}
    degrees = sum(len(own) - 1 for own in means.values())
    if len(means) < FEWEST_DOWNSTREAMS or degrees < 1:
        return None
    spread = sum(float(((own - own.mean()) ** 2).sum()) for own in means.values()) / degrees
    spread = max(spread, 1e-12)  # of trainings that all agree: what is left is between downstreams
    fitted = random_effects(
        [float(own.mean()) - against for own in means.values()], [spread / len(own) for own in means.values()]
    )
    if fitted is None:
        return None
    return random_interval(fitted, over_trainings(values, against), against)


def ratio_interval(values: Sequence[Timed]) -> Interval:
    """Interval of a geometric mean, from logarithms; its p-value is that of a ratio of 1."""
    return as_ratio(over_trainings(values))


def as_ratio(logs: Interval) -> Interval:
    """Turn the interval of a logarithm into that of a ratio."""

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
                found.append(Timed(scratch_of(one), match.seed, math.log(own / base), one.downstream))
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


def convergence_table(found: Sequence[Convergence]) -> Table | None:
    """Epochs and seconds to match scratch."""
    rows: list[Line] = [
        {
            "Arm": one.arm,
            "Networks": {"cnn": "CNNs", "rnn": "RNNs", "all": "all"}.get(one.family, one.family),
            "#Trainings": f"{one.trainings}",
            "#Epochs, times scratch's (95 % interval)": TableCell(
                times(one.epochs_ratio),
                span(one.epochs_ratio.low, one.epochs_ratio.high, 2, sign=False)
                if one.epochs_ratio.low is not None
                else "",
                ROLES[one.verdict] if one.verdict != "open" else "",
            ),
            "#p (Holm)": p_value(one.p_holm),
            "#Seconds, times scratch's": TableCell(
                times(one.seconds_ratio),
                span(one.seconds_ratio.low, one.seconds_ratio.high, 2, sign=False)
                if one.seconds_ratio.low is not None
                else "",
            ),
            "#Faster": f"{one.faster}",
            "#Slower": f"{one.slower}",
            "#Same": f"{one.same}",
        }
        for one in found
    ]
    return make_table(
        "Epochs and seconds to the same validation score",
        rows,
        "Geometric means over the trainings, each against the scratch training of the same data, network and "
        "seed. The score is 80 % of the way from the worse of the two first epochs to the worse of the two "
        "best ones: both reach it. Intervals are over scratch trainings.",
    )


register_topic(
    Topic(
        "convergence",
        lambda study: converge([one.comparison for one in compared_in(study)]),
        one_file("convergence"),
        lambda found, default: {"convergence": convergence_table(found)},
    )
)
