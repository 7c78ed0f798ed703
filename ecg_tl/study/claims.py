"""The paper's seven claims, each tested by a rule that is written beside its verdict.

Claims are tested on the primary comparisons: the study's primary arm against scratch, at the default of all
axes. Nothing is chosen by its result. Where a claim counts comparisons, their p-values are corrected by
Holm's method over all primary comparisons. Mean effects are plain means over the comparisons named, with
intervals over patients and seeds that respect what comparisons share (a test set, a scratch training); they
hold for these datasets, networks and upstreams, not for others.

Each claim gives one p-value, of what its verdict would rest on, and these are corrected in turn, by Holm's
method over the claims that can be tested: of studies in which nothing is so, at most one in twenty says
anything but "open" of any claim. Of one seed, one pair, one downstream, one network of a family or one
training of an upstream no claim is judged, since each speaks of several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval, mean_interval, one_sided_p
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.study.analysis.comparisons import Compared
from ecg_tl.study.analysis.convergence import (
    Timed,
    faster_and_slower,
    log_ratios,
    over_trainings,
    paying,
    ratio_interval,
    savings,
    scratch_of,
)
from ecg_tl.study.analysis.curves import Trend, largest
from ecg_tl.study.analysis.families import mean_over_all
from ecg_tl.study.analysis.grid import Grid
from ecg_tl.study.analysis.wording import plural, side, signed
from ecg_tl.study.findings import BreakEven, Claim, ClaimVerdict, FamilyContrast

SMALL_RECORDS = 2000
"""Training records up to which a downstream set is called small: the least of the paper's size sweep."""

MARGIN = 0.01
"""Macro AUROC below which a gain is called none: about what seeds alone change on a large test set."""

AUROC = "macro AUROC"

OF_THESE = "of these comparisons taken together, not of pairs in general"


@dataclass(frozen=True)
class Draft:
    """A claim before the claims are corrected together.

    Attributes:
        claim: With the verdict that `p` would have to bear out.
        p: None where nothing is judged.
    """

    claim: Claim
    p: float | None


def judge_claims(
    grid: Grid,
    compared: Sequence[Compared],
    trends: Sequence[Trend],
    families: Sequence[FamilyContrast],
    pay: Sequence[BreakEven],
) -> tuple[Claim, ...]:
    """Test all seven."""
    primary = [one for one in compared if one.comparison.primary]
    primary_trends = [trend for trend in trends if trend.members[0].comparison.primary]
    default_pay = [row for row in pay if row.arm == grid.primary_arm and row.axes == grid.default_axes]
    drafts = (
        small_sets(primary),
        not_always(primary),
        gain_declines(primary_trends),
        scratch_catches_up(grid, primary_trends),
        converges_faster(primary),
        cnns_gain_more(families, primary),
        cost_matters(grid, default_pay, primary),
    )
    corrected = holm([draft.p for draft in drafts])
    return tuple(_judged(draft, p) for draft, p in zip(drafts, corrected, strict=True))


def _judged(draft: Draft, p_holm: float | None) -> Claim:
    claim = replace(draft.claim, p_holm=p_holm)
    if claim.verdict == "not tested" or (p_holm is not None and p_holm < SIGNIFICANT):
        return claim
    text = claim.explanation
    if claim.verdict != "open" and p_holm is not None:
        text += " That is not shown once the claims are corrected for their number."
    return replace(claim, verdict="open", explanation=text)


def _draft(claim: Claim, p: float | None, **numbers: int) -> Draft:
    """Judge nothing by a single one of anything."""
    single = [name.replace("_", " ") for name, number in numbers.items() if number < 2]
    if claim.verdict == "not tested" or not single:
        return Draft(claim, p)
    words = " and ".join([", ".join(single[:-1]), single[-1]] if single[1:] else single)
    text = f"{claim.explanation} Not judged: of one {words} alone nothing follows for several."
    return Draft(replace(claim, verdict="open", explanation=text), None)


def _seeds(compared: Sequence[Compared]) -> int:
    return min((len(one.comparison.seeds) for one in compared), default=0)


def _downstreams(compared: Sequence[Compared]) -> int:
    return len({one.comparison.downstream for one in compared})


def _pairs(compared: Sequence[Compared]) -> int:
    return len({(one.comparison.upstream, one.comparison.downstream) for one in compared})


def _balance(
    mean_effect: Interval, support: Sequence[float], contradict: Sequence[float]
) -> tuple[ClaimVerdict, float | None]:
    """Weigh a mean and what single comparisons say.

    Args:
        mean_effect: Above 0 where it supports.
        support: Corrected p-values of the comparisons that are shown to support.
        contradict: Of those that are shown to contradict.

    Returns:
        The verdict, and the p-value of the weakest thing that it rests on.
    """
    where, p = side(mean_effect), mean_effect.p
    if support and contradict:
        return "mixed", max(min(support), min(contradict))
    against = contradict if where > 0 else support
    if where and against:
        return "mixed", max(p or 0.0, min(against))
    return _by_side(where), p


def _by_side(where: int) -> ClaimVerdict:
    return "supported" if where > 0 else "contradicted" if where < 0 else "open"


def _keys(compared: Sequence[Compared]) -> tuple[str, ...]:
    return tuple(one.comparison.key for one in compared)


def _of_verdict(compared: Sequence[Compared], verdict: str) -> list[float]:
    return [one.comparison.p_holm or 0.0 for one in compared if one.comparison.verdict == verdict]


def small_sets(primary: Sequence[Compared]) -> Draft:
    """Claim 1, on downstream training sets of `SMALL_RECORDS` or fewer, subsets included."""
    small = [one for one in primary if one.comparison.train_records <= SMALL_RECORDS]
    effect = mean_over_all([one.gain for one in small]) if small else None
    wins, losses = _of_verdict(small, "win"), _of_verdict(small, "loss")
    unclear = len(small) - len(wins) - len(losses)
    verdict, p = ("not tested", None) if effect is None else _balance(effect, wins, losses)
    text = f"No primary comparison has {SMALL_RECORDS:,} training records or fewer."
    if effect is not None:
        text = (
            f"Over {plural(len(small), 'comparison')} with at most {SMALL_RECORDS:,} training records the "
            f"mean gain is {signed(effect)} in macro AUROC: {plural(len(wins), 'win')}, "
            f"{plural(len(losses), 'loss', 'losses')}, {unclear} open. This is said {OF_THESE}."
        )
    claim = Claim(
        1,
        "Fine-tuning beats training from scratch on small downstream sets.",
        verdict,
        f"Over all primary comparisons with at most {SMALL_RECORDS:,} training records. Supported: the 95 % "
        "interval of the mean gain lies above 0 and no comparison is a loss. Contradicted: it lies below 0 "
        "and none is a win. Mixed: wins and losses, or the mean on the other side than a win or a loss. "
        "Otherwise open.",
        effect,
        AUROC,
        "mean gain on small downstream sets",
        len(wins),
        len(losses),
        unclear,
        "comparisons",
        text,
        _keys(small),
    )
    return _draft(claim, p, seed=_seeds(small), downstream_set=_downstreams(small))


def not_always(primary: Sequence[Compared]) -> Draft:
    """Claim 2, on each pair and network at its largest size."""
    tested = [one for one in largest(primary).values() if one.comparison.difference.estimate is not None]
    corrected = holm([one_sided_p(one.gain, MARGIN) for one in tested])
    wins = _of_verdict(tested, "win")
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
        verdict = "supported" if none else "contradicted" if not unclear else "open"
        weighed = [p for p in corrected if p is not None]
        p = max(wins) if verdict == "contradicted" else min(weighed, default=None)
        text = (
            f"Of {plural(len(tested), 'comparison')}: {plural(losses, 'loss', 'losses')}, "
            f"{len(none) - losses} shown "
            f"to gain less than {MARGIN}, {plural(len(wins), 'win')}, {unclear} open. The lowest is "
            f"{lowest.comparison.label}: {signed(effect)}."
        )
    claim = Claim(
        2,
        "Not always: some pairs of upstream and downstream gain nothing or lose.",
        verdict,
        "Each pair and network at its largest training size. A comparison supports the claim if its gain is "
        f"shown to be less than {MARGIN} (one-sided, Holm), or a loss. Supported: one does. "
        "Contradicted: all are wins. Otherwise open.",
        effect,
        AUROC,
        "lowest gain, its interval widened for being the lowest",
        len(none),
        len(wins),
        unclear,
        "comparisons",
        text,
        _keys(tested),
    )
    return _draft(claim, p, seed=_seeds(tested), pair=_pairs(tested))


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
    text = "No size sweep of the primary arm has two sizes that both arms were trained at."
    if effect is not None:
        verdict, p_mean = _balance(_turned(effect), falling, rising)
        text = (
            f"Over {plural(len(tested), 'size sweep')} the gain changes by {signed(effect)} in macro AUROC "
            f"for ten times as many training records; it declines in {len(falling)}, rises in {len(rising)}, "
            f"and is open in {len(tested) - len(falling) - len(rising)}."
        )
    members = [one for trend in tested for one in trend.members]
    claim = Claim(
        3,
        "The gain declines as the downstream training set grows.",
        verdict,
        "In each size sweep, the slope of the gain on log10 of the training records. Supported: the 95 % "
        "interval of the mean slope lies below 0 and no sweep rises (Holm). Contradicted: it lies above 0 "
        "and none declines. Mixed: both. Otherwise open. Differences between datasets are not used.",
        effect,
        "macro AUROC per tenfold records",
        "mean change of the gain for ten times as many records",
        len(falling),
        len(rising),
        len(tested) - len(falling) - len(rising),
        "size sweeps",
        text,
        _keys(members),
    )
    return _draft(claim, p_mean, seed=_seeds(members), downstream_set=_downstreams(members))


def _turned(interval: Interval) -> Interval:
    """Give the interval of the quantity with its sign turned."""

    def less(value: float | None) -> float | None:
        return None if value is None else -value

    return replace(
        interval, estimate=less(interval.estimate), low=less(interval.high), high=less(interval.low)
    )


def scratch_catches_up(grid: Grid, trends: Sequence[Trend]) -> Draft:
    """Claim 4, on the size sweeps."""
    longer = over_trainings([one for trend in trends for one in _epochs_to_best(grid, trend.members[-1])])
    behind, caught_up, ahead = [], [], []
    for trend in trends:
        first, last = trend.members[0].comparison.difference, trend.members[-1].comparison.difference
        behind.append(first.p if side(first) > 0 else 1.0)
        less = one_sided_p(trend.members[-1].gain, MARGIN)
        caught_up.append(1.0 if less is None else less)
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
        most = max(trend.found.points[-1].records for trend in trends)
        text = (
            f"At the largest size ({most:,} training records at most) the mean gain is {signed(effect)}: "
            f"scratch has caught up after longer training in {len(support)} of "
            f"{plural(len(trends), 'sweep')}, is still behind in {len(contradict)}, and it is open in "
            f"{unclear}."
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
        "A size sweep supports it if at its smallest size the gain lies above 0, at its largest wholly below "
        f"{MARGIN} (Holm over the sweeps), and scratch needs more epochs to its best validation score than "
        "the arm to its own, over all sweeps at their largest size. It contradicts it, as far as its sizes "
        "go, if the gain at the largest size still lies above 0 (Holm). Supported: some support, none "
        "contradict; contradicted: the reverse; mixed: both; otherwise open.",
        effect,
        AUROC,
        "mean gain at the largest size of each sweep",
        len(support),
        len(contradict),
        unclear,
        "size sweeps",
        text,
        _keys(members),
    )
    return _draft(claim, p, seed=_seeds(members), downstream_set=_downstreams(members))


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


def converges_faster(primary: Sequence[Compared]) -> Draft:
    """Claim 5, by epochs to a validation score that is the same for both trainings of a pair."""
    timed = [one for one in primary if one.comparison.matches]
    comparisons = [one.comparison for one in timed]
    matches = [match for one in comparisons for match in one.matches]
    faster, slower = faster_and_slower(matches)
    verdict: ClaimVerdict = "not tested"
    effect = None
    text = "No validation curves of both trainings of a pair were kept."
    if matches:
        effect = ratio_interval(log_ratios(comparisons))
        shown = effect.p is not None and effect.p < SIGNIFICANT and effect.estimate is not None
        verdict = "open" if not shown else "supported" if (effect.estimate or 1.0) < 1 else "contradicted"
        in_seconds = ratio_interval(log_ratios(comparisons, "seconds"))
        text = (
            f"To the same validation score, {plural(len(matches), 'fine-tuned training')} "
            f"{'needs' if len(matches) == 1 else 'need'} {_ratio(effect)} of their scratch partners' epochs "
            f"and {_ratio(in_seconds)} of their seconds (geometric mean): {faster} are faster, {slower} "
            f"slower, {len(matches) - faster - slower} as fast. This is said {OF_THESE}."
        )
    claim = Claim(
        5,
        "Fine-tuning converges faster.",
        verdict,
        "Both trainings of a pair are timed to the same validation score: 80 % of the way from the worse of "
        "their two first epochs to the worse of their two bests, which both reach and which treats them "
        "alike. Supported: the 95 % interval of the mean ratio of epochs lies below 1; contradicted: above; "
        "otherwise open. The interval is over scratch trainings, since what shares one is not independent.",
        effect,
        "ratio of epochs",
        "epochs to the same validation score, relative to scratch's",
        faster,
        slower,
        len(matches) - faster - slower,
        "trainings",
        text,
        tuple(c.key for c in comparisons),
    )
    p = effect.p if effect is not None else None
    return _draft(claim, p, seed=_seeds(timed), downstream_set=_downstreams(timed))


def _ratio(interval: Interval) -> str:
    if interval.estimate is None:
        return "an unknown share"
    text = f"{interval.estimate:.2f}"
    if interval.low is not None and interval.high is not None:
        text += f" ({interval.low:.2f} to {interval.high:.2f})"
    return text


def cnns_gain_more(families: Sequence[FamilyContrast], primary: Sequence[Compared]) -> Draft:
    """Claim 6, on RNNs without the paper's head if there are any."""
    chosen = next((f for head in ("pooled", "flatten") for f in families if f.head == head), None)
    verdict: ClaimVerdict = "not tested"
    text = "No pair of upstream and downstream has both a CNN and an RNN."
    effect = None
    support = contradict = unclear = 0
    if chosen is not None:
        effect = chosen.contrast
        support, contradict = chosen.pair_verdicts.count("win"), chosen.pair_verdicts.count("loss")
        unclear = chosen.pairs - support - contradict
        confounded = chosen.head == "flatten"
        verdict = "open" if confounded else _by_side(side(effect))
        text = (
            f"On {plural(chosen.pairs, 'pair')}, CNNs gain {signed(chosen.cnn_gain)} and RNNs "
            f"{signed(chosen.rnn_gain)}: CNNs gain {signed(effect)} more."
        )
        if confounded:
            share = f" {chosen.head_share:.0%} of" if chosen.head_share is not None else " most of"
            text += (
                f" But the new head holds{share} these RNNs' parameters, so that little was transferred: "
                "RNNs that pool over time would have to tell the network from its head."
            )
        else:
            other = next((f for f in families if f.head == "flatten"), None)
            if other is not None:
                text += (
                    f" With the paper's RNN heads, which confound the two, it is {signed(other.contrast)}."
                )
    claim = Claim(
        6,
        "CNNs gain more from transfer than RNNs.",
        verdict,
        "Mean gain of CNNs less that of RNNs on the same pairs, at the largest size. Only RNNs with a head "
        "as small as a CNN's (pooled over time) decide: supported if the 95 % interval lies above 0, "
        "contradicted below 0, otherwise open. With the paper's flattened heads alone the verdict stays "
        "open, whatever the difference. Pairs are counted by their own intervals (Holm).",
        effect,
        AUROC,
        "gain of CNNs less gain of RNNs",
        support,
        contradict,
        unclear,
        "pairs",
        text,
        _keys(list(largest(primary).values())) if chosen is not None else (),
    )
    numbers = {} if chosen is None else {"CNN": len(chosen.cnn_networks), "RNN": len(chosen.rnn_networks)}
    p = effect.p if effect is not None else None
    return _draft(claim, p, seed=_seeds(primary), pair=0 if chosen is None else chosen.pairs, **numbers)


def cost_matters(grid: Grid, pay: Sequence[BreakEven], primary: Sequence[Compared]) -> Draft:
    """Claim 7, by the share of an upstream's seconds that one downstream task saves."""
    shares = [
        Timed(one.scratch, one.seed, one.value)
        for row in pay
        for cell in grid.cells
        if (cell.kind, cell.dataset, cell.network, cell.axes)
        == ("upstream", row.upstream, row.network, row.axes)
        for one in savings(paying([c.comparison for c in primary], cell, row.arm), 1 / row.upstream_seconds)
    ]
    never, pays = (sum(row.verdict == verdict for row in pay) for verdict in ("never", "pays"))
    more = sum(_less_than_all(row) for row in pay)
    soon = sum(row.saved.p is not None and (row.saved.low or 0.0) > row.upstream_seconds for row in pay)
    verdict: ClaimVerdict = "not tested"
    effect = None
    text = "No upstream has fine-tuned runs whose validation curves say what they save."
    if shares:
        effect = over_trainings(shares, against=1.0)
        if effect.low is not None and effect.high is not None:
            verdict = "supported" if effect.high < 1 else "contradicted" if effect.low > 1 else "open"
        else:
            verdict = "open"
        ends = ""
        if effect.low is not None and effect.high is not None:
            ends = f" ({effect.low:.3f} to {effect.high:.3f})"
        text = (
            f"One downstream task saves {effect.estimate:.3f}{ends} of what training its upstream took, on "
            f"the way to the same validation score, over {plural(len(pay), 'upstream training')}: "
            f"{pays} are shown to pay in time after some number of tasks, {never} never to pay, "
            f"{len(pay) - pays - never} neither. Pre-training took "
            f"{median(row.upstream_seconds for row in pay):,.0f} s in the median. Seconds are of the "
            "machines at hand, and of one training of each upstream."
        )
    claim = Claim(
        7,
        "The cost of pre-training is not negligible.",
        verdict,
        "The seconds that fine-tuning saves one downstream task, on the way to a validation score that both "
        "trainings reach, over the seconds of the upstream's training. Supported: the 95 % interval of the "
        "mean share lies below 1, so that one task does not pay for it. Contradicted: it lies above 1. "
        "Otherwise open. The interval is over scratch trainings; upstreams were trained once.",
        effect,
        "share of the upstream's seconds",
        "saved by one downstream task",
        more,
        soon,
        len(pay) - more - soon,
        "upstream trainings",
        text,
    )
    p = effect.p if effect is not None else None
    return _draft(claim, p, seed=effect.seeds if effect is not None else 0, upstream_training=len(pay))


def _less_than_all(row: BreakEven) -> bool:
    """Whether one task is shown not to save all that the upstream took."""
    return row.saved.p is not None and row.saved.high is not None and row.saved.high < row.upstream_seconds
