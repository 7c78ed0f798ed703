"""Claims 1 to 4: what fine-tuning gains, and how that changes with the number of training records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ecg_tl.statistics.intervals import (
    SIGNIFICANT,
    Interval,
    equivalence_p,
    mean_interval,
    one_sided_p,
)
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import Sample
from ecg_tl.study.findings.claims.drafting import (
    AUROC,
    ON_COMBINED,
    ONLY_THESE,
    SMALL_RECORDS,
    Claim,
    ClaimVerdict,
    Draft,
    balance,
    count_downstreams,
    count_pairs,
    drafted,
    fewest_seeds,
    keys_of,
    p_values_of,
    rests_on,
)
from ecg_tl.study.findings.compared import Compared, largest
from ecg_tl.study.findings.convergence import (
    Timed,
    over_trainings,
    scratch_of,
)
from ecg_tl.study.findings.downstreams import (
    FEWEST_DOWNSTREAMS,
    ByDownstream,
    below_p,
    mean_over_all,
    over_downstreams,
)
from ecg_tl.study.findings.gains import Trend
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.sentences import counted, effect_words, side


def small_sets(primary: Sequence[Compared]) -> Draft:
    """Claim 1, on downstream training sets of `SMALL_RECORDS` or fewer, subsets included."""
    small = [one for one in primary if one.comparison.train_records <= SMALL_RECORDS]
    effect = mean_over_all([one.gain for one in small]) if small else None
    wins, losses = p_values_of(small, "win"), p_values_of(small, "loss")
    unclear = len(small) - len(wins) - len(losses)
    same = len(p_values_of(small, "equivalent"))
    combined = None if effect is None else _gains_by_downstream(small).interval(effect)
    verdict, p = ("not tested", None) if effect is None else balance(combined or effect, wins, losses)
    text = f"No primary comparison has {SMALL_RECORDS:,} training records or fewer."
    if effect is not None:
        text = (
            f"Over {counted(len(small), 'comparison')} with at most {SMALL_RECORDS:,} training records the "
            f"mean gain is {effect_words(effect)} in macro AUROC: {counted(len(wins), 'win')}, "
            f"{counted(len(losses), 'loss', 'losses')}, {f'{same} equivalent, ' if same else ''}"
            f"{unclear - same} open.{rests_on(combined) or ONLY_THESE}"
        )
    claim = Claim(
        1,
        "Fine-tuning beats training from scratch on small downstream sets.",
        verdict,
        f"Over all primary comparisons with at most {SMALL_RECORDS:,} training records. Supported: the 95 % "
        "interval of the mean gain lies above 0 and no comparison is a loss. Contradicted: it lies below 0 "
        "and none is a win. Mixed: wins and losses, or the mean on the other side than a win or a loss. "
        f"Otherwise open. {ON_COMBINED}",
        effect,
        AUROC,
        "mean gain on small downstream sets",
        len(wins),
        len(losses),
        unclear,
        "comparisons",
        text,
        keys_of(small),
        combined=combined,
    )
    return drafted(claim, p, seed=fewest_seeds(small), downstream_set=count_downstreams(small))


def not_always(primary: Sequence[Compared], margin: float) -> Draft:
    """Claim 2, on each pair and network at its largest size."""
    tested = [one for one in largest(primary).values() if one.comparison.difference.estimate is not None]
    corrected = holm([one_sided_p(one.gain, margin) for one in tested])
    wins = p_values_of(tested, "win")
    none = [
        (one, p)
        for one, p in zip(tested, corrected, strict=True)
        if one.comparison.verdict != "win" and p is not None and p < SIGNIFICANT
    ]
    losses = sum(one.comparison.verdict == "loss" for one, _ in none)
    unclear = len(tested) - len(wins) - len(none)
    effect = None
    verdict: ClaimVerdict = "not tested"
    p: float | None = None
    text = "There is no primary comparison."
    if tested:
        lowest = min(tested, key=lambda one: one.gain.mean)
        # The lowest of several is low by chance too: its interval holds for all of them at once.
        effect = mean_interval([lowest.gain], 1 - 0.05 / len(tested))
        fitted = _gains_by_downstream(tested).fitted()
        next_low = None if fitted is None else fitted.predicted_low
        always = not unclear and (next_low is None or next_low > 0)
        verdict = "supported" if none else "contradicted" if always else "open"
        weighed = [p for p in corrected if p is not None]
        p = max(wins) if verdict == "contradicted" else min(weighed, default=None)
        text = (
            f"Of {counted(len(tested), 'comparison')}: {counted(losses, 'loss', 'losses')}, "
            f"{len(none) - losses} shown "
            f"to gain less than {margin:g}, {counted(len(wins), 'win')}, {unclear} open. The lowest is "
            f"{lowest.comparison.label}: {effect_words(effect)}."
        )
        if fitted is not None and next_low is not None and fitted.predicted_high is not None:
            text += (
                f" On another downstream of the kind of these {fitted.number} the gain would lie between "
                f"{next_low:+.3f} and {fitted.predicted_high:+.3f} (95 %, random effects)."
            )
    claim = Claim(
        2,
        "Not always: some pairs of upstream and downstream gain nothing or lose.",
        verdict,
        "Each pair and network at its largest training size. A comparison supports the claim if its gain is "
        f"shown to be less than {margin:g} (one-sided, Holm), or a loss. Supported: one does. "
        "Contradicted: all are wins, and with three downstreams or more the prediction interval of another's "
        "gain lies above 0. Otherwise open.",
        effect,
        AUROC,
        "lowest gain, its interval widened for being the lowest",
        len(none),
        len(wins),
        unclear,
        "comparisons",
        text,
        keys_of(tested),
    )
    return drafted(claim, p, seed=fewest_seeds(tested), pair=count_pairs(tested))


def gain_declines(trends: Sequence[Trend]) -> Draft:
    """Claim 3, on the size sweeps alone: between datasets more differs than their size."""
    tested = [trend for trend in trends if trend.slope is not None]
    slopes = [trend.slope for trend in tested if trend.slope is not None]
    corrected = holm([trend.found.slope.p for trend in tested])
    falling: list[float] = []
    rising: list[float] = []
    for trend, p in zip(tested, corrected, strict=True):
        slope = trend.found.slope.estimate
        if slope is not None and p is not None and p < SIGNIFICANT:
            (falling if slope < 0 else rising).append(p)
    effect = mean_over_all(slopes) if slopes else None
    verdict: ClaimVerdict = "not tested"
    p_mean: float | None = None
    combined: Interval | None = None
    text = "No size sweep of the primary arm has two sizes that both arms were trained at."
    if effect is not None:
        slopes_of: dict[str, list[Sample]] = {}
        for trend, slope_of in zip(tested, slopes, strict=True):
            slopes_of.setdefault(trend.found.downstream, []).append(slope_of)
        combined = over_downstreams(slopes_of).interval(effect)
        verdict, p_mean = balance(_turned(combined or effect), falling, rising)
        text = (
            f"Over {counted(len(tested), 'size sweep')} the gain changes by {effect_words(effect)} in macro "
            f"AUROC for ten times as many training records; it declines in {len(falling)}, rises in "
            f"{len(rising)}, and is open in {len(tested) - len(falling) - len(rising)}."
            f"{rests_on(combined)}"
        )
    members = [one for trend in tested for one in trend.members]
    claim = Claim(
        3,
        "The gain declines as the downstream training set grows.",
        verdict,
        "In each size sweep, the slope of the gain on log10 of the training records. Supported: the 95 % "
        "interval of the mean slope lies below 0 and no sweep rises (Holm). Contradicted: it lies above 0 "
        "and none declines. Mixed: both. Otherwise open. Differences between datasets are not used. "
        f"{ON_COMBINED}",
        effect,
        "macro AUROC per tenfold records",
        "mean change of the gain for ten times as many records",
        len(falling),
        len(rising),
        len(tested) - len(falling) - len(rising),
        "size sweeps",
        text,
        keys_of(members),
        combined=combined,
    )
    return drafted(claim, p_mean, seed=fewest_seeds(members), downstream_set=count_downstreams(members))


def _turned(interval: Interval) -> Interval:
    """Give the interval of the quantity with its sign turned."""

    def less(value: float | None) -> float | None:
        return None if value is None else -value

    return replace(
        interval, estimate=less(interval.estimate), low=less(interval.high), high=less(interval.low)
    )


def scratch_catches_up(grid: Grid, trends: Sequence[Trend]) -> Draft:
    """Claim 4, on the size sweeps."""
    margin = grid.settings.margin
    longer = over_trainings([one for trend in trends for one in _epochs_to_best(grid, trend.members[-1])])
    behind, caught_up, ahead = [], [], []
    for trend in trends:
        first, last = trend.members[0].comparison.difference, trend.members[-1].comparison.difference
        behind.append(first.p if side(first) > 0 else 1.0)
        caught_up.append(_no_longer_behind(trend.members[-1].gain, margin))
        ahead.append(last.p if side(last) > 0 else 1.0)
    takes_longer = longer.p if side(longer) > 0 and longer.p is not None else 1.0
    support = [
        max(p, takes_longer)
        for p in holm([max(b or 0.0, c) for b, c in zip(behind, caught_up, strict=True)])
        if p is not None and max(p, takes_longer) < SIGNIFICANT
    ]
    contradict = [p for p in holm(ahead) if p is not None and p < SIGNIFICANT]
    unclear = len(trends) - len(support) - len(contradict)
    effect = mean_over_all([trend.members[-1].gain for trend in trends]) if trends else None
    verdict: ClaimVerdict = "not tested"
    p: float | None = None
    combined: Interval | None = None
    text = "No size sweep of the primary arm has two sizes that both arms were trained at."
    if effect is not None:
        verdict = (
            "mixed"
            if support and contradict
            else "supported"
            if support
            else "contradicted"
            if contradict
            else "open"
        )
        lowest = [min(ps) for ps in (support, contradict) if ps]
        # Two ways to a verdict are two tests.
        p = 1.0 if not lowest else max(lowest) if len(lowest) > 1 else min(1.0, 2 * lowest[0])
        of_first = _gains_by_downstream([trend.members[0] for trend in trends])
        of_last = _gains_by_downstream([trend.members[-1] for trend in trends])
        combined = of_last.interval(effect)
        if combined is not None:
            p = max(p, _combined_p(verdict, of_first, of_last, margin))
            verdict = verdict if p < SIGNIFICANT else "open"
        most = max(trend.found.points[-1].records for trend in trends)
        text = (
            f"At the largest size ({most:,} training records at most) the mean gain is "
            f"{effect_words(effect)}: scratch has caught up after longer training in {len(support)} of "
            f"{counted(len(trends), 'sweep')}, is still behind in {len(contradict)}, and it is open in "
            f"{unclear}.{rests_on(combined)}"
        )
        if longer.estimate is not None:
            ratio = f"{math.exp(longer.estimate):.2f}"
            if longer.low is not None and longer.high is not None:
                ratio += f" ({math.exp(longer.low):.2f} to {math.exp(longer.high):.2f})"
            text += f" There scratch took {ratio} times the epochs of fine-tuning to its own best."
        if contradict:
            text += " More data than these sweeps have may still let it."
    members = [one for trend in trends for one in trend.members]
    claim = Claim(
        4,
        "With enough data training from scratch catches up, after longer training.",
        verdict,
        "A size sweep supports it if at its smallest size the gain lies above 0, at its largest the two are "
        f"shown to be equivalent (to differ by less than {margin:g}) or scratch to be better (Holm over the "
        "sweeps), and scratch needs more epochs to its best validation score than "
        "the arm to its own, over all sweeps at their largest size. It contradicts it, as far as its sizes "
        "go, if the gain at the largest size still lies above 0 (Holm). Supported: some support, none "
        "contradict; contradicted: the reverse; mixed: both; otherwise open. With three downstreams or more "
        "the same must hold of the mean over downstreams of their kind (random effects).",
        effect,
        AUROC,
        "mean gain at the largest size of each sweep",
        len(support),
        len(contradict),
        unclear,
        "size sweeps",
        text,
        keys_of(members),
        combined=combined,
    )
    return drafted(claim, p, seed=fewest_seeds(members), downstream_set=count_downstreams(members))


def _gains_by_downstream(compared: Sequence[Compared]) -> ByDownstream:
    gains: dict[str, list[Sample]] = {}
    for one in compared:
        gains.setdefault(one.comparison.downstream, []).append(one.gain)
    return over_downstreams(gains)


def _combined_p(verdict: ClaimVerdict, first: ByDownstream, last: ByDownstream, margin: float) -> float:
    """Give the p-value of what claim 4's verdict says, of the means over downstreams of their kind.

    Args:
        verdict: Of the single sweeps.
        first: Gains at the smallest size.
        last: Gains at the largest.
        margin: Below it scratch is no longer behind.
    """
    smallest, largest_size = first.fitted(), last.fitted()
    if smallest is None or largest_size is None or smallest.number < FEWEST_DOWNSTREAMS:
        return 1.0
    if verdict == "supported":
        behind = smallest.p if smallest.mean > 0 else 1.0
        less = below_p(largest_size, margin)
        level = min(1.0, 2 * max(less, 1 - below_p(largest_size, -margin)))
        return max(behind, less, min(level, 2 * below_p(largest_size, 0.0)))
    if verdict == "contradicted":
        return largest_size.p if largest_size.mean > 0 else 1.0
    return 0.0


def _no_longer_behind(gain: Sample, margin: float) -> float:
    """Give the p-value of "scratch is behind": small where they are equivalent, or scratch is better.

    Both say that the gain is less than the margin, which is tested first and keeps the error; that alone
    would be shown of arms that may differ by much, with scratch ahead.
    """
    less, level = one_sided_p(gain, margin), equivalence_p(gain, margin)
    ahead = one_sided_p(gain, 0.0)
    if less is None or level is None or ahead is None:
        return 1.0
    return max(less, min(level, 2 * ahead))


def _epochs_to_best(grid: Grid, one: Compared) -> list[Timed]:
    """Give logarithms of scratch's epochs to its best over those of the arm to its own."""
    found = []
    for seed in one.comparison.seeds:
        scratch, arm = (
            float(grid.cells[cell][seed].result["epochs_to_best"]) for cell in (one.scratch, one.cell)
        )
        if scratch > 0 and arm > 0:
            found.append(Timed(scratch_of(one.comparison), seed, math.log(scratch / arm)))
    return found
