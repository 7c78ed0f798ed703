"""The paper's seven claims, each tested by a rule that is written beside its verdict.

Claims are tested on the primary comparisons: the study's primary arm against scratch, at the default of all
axes. Nothing is chosen by its result. Where a claim counts comparisons, their p-values are corrected by
Holm's method over all primary comparisons. Mean effects are plain means over the comparisons named, with
intervals over patients and seeds that respect what comparisons share (a test set, a scratch training); they
hold for these datasets, networks and upstreams, not for others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median

from ecg_tl.study.analysis.comparisons import SIGNIFICANT, Compared
from ecg_tl.study.analysis.convergence import median_interval, ratios
from ecg_tl.study.analysis.curves import Trend, largest
from ecg_tl.study.analysis.families import mean_over_all
from ecg_tl.study.analysis.grid import Grid
from ecg_tl.study.analysis.wording import plural, side, signed
from ecg_tl.study.findings import BreakEven, Claim, ClaimVerdict, FamilyContrast, Interval
from ecg_tl.study.intervals import holm, mean_interval, one_sided_p

SMALL_RECORDS = 2000
"""Training records up to which a downstream set is called small: the least of the paper's size sweep."""

MARGIN = 0.01
"""Macro AUROC below which a gain is called none: about what seeds alone change on a large test set."""

AUROC = "macro AUROC"


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
    return (
        small_sets(primary),
        not_always(primary),
        gain_declines(primary_trends),
        scratch_catches_up(grid, primary_trends),
        converges_faster(primary),
        cnns_gain_more(families, primary),
        cost_matters(default_pay),
    )


def _balance(interval: Interval, support: int, contradict: int) -> ClaimVerdict:
    """Supported if the interval lies above 0 and nothing contradicts; contradicted the other way round."""
    where = side(interval)
    if support and contradict:
        return "mixed"
    if where > 0:
        return "mixed" if contradict else "supported"
    if where < 0:
        return "mixed" if support else "contradicted"
    return "open"


def _by_side(where: int) -> ClaimVerdict:
    return "supported" if where > 0 else "contradicted" if where < 0 else "open"


def _keys(compared: Sequence[Compared]) -> tuple[str, ...]:
    return tuple(one.comparison.key for one in compared)


def _counts(compared: Sequence[Compared]) -> tuple[int, int, int]:
    verdicts = [one.comparison.verdict for one in compared]
    return verdicts.count("win"), verdicts.count("loss"), verdicts.count("open")


def small_sets(primary: Sequence[Compared]) -> Claim:
    """Claim 1, on downstream training sets of `SMALL_RECORDS` or fewer, subsets included."""
    small = [one for one in primary if one.comparison.train_records <= SMALL_RECORDS]
    effect = mean_over_all([one.gain for one in small]) if small else None
    wins, losses, unclear = _counts(small)
    verdict: ClaimVerdict = "not tested" if effect is None else _balance(effect, wins, losses)
    text = f"No primary comparison has {SMALL_RECORDS:,} training records or fewer."
    if effect is not None:
        text = (
            f"Over {plural(len(small), 'comparison')} with at most {SMALL_RECORDS:,} training records the "
            f"mean gain is {signed(effect)} in macro AUROC: {plural(wins, 'win')}, "
            f"{plural(losses, 'loss', 'losses')}, {unclear} open."
        )
    return Claim(
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
        wins,
        losses,
        unclear,
        "comparisons",
        text,
        _keys(small),
    )


def not_always(primary: Sequence[Compared]) -> Claim:
    """Claim 2, on each pair and network at its largest size."""
    tested = [one for one in largest(primary).values() if one.comparison.difference.estimate is not None]
    corrected = holm([one_sided_p(one.gain, MARGIN) for one in tested])
    wins = [one for one in tested if one.comparison.verdict == "win"]
    none = [
        one
        for one, p in zip(tested, corrected, strict=True)
        if one not in wins and (one.comparison.verdict == "loss" or (p is not None and p < SIGNIFICANT))
    ]
    losses = sum(one.comparison.verdict == "loss" for one in none)
    unclear = len(tested) - len(wins) - len(none)
    effect = None
    verdict: ClaimVerdict = "not tested"
    text = "There is no primary comparison."
    if tested:
        lowest = min(tested, key=lambda one: one.gain.mean)
        # The lowest of several is low by chance too: its interval holds for all of them at once.
        effect = mean_interval([lowest.gain], 1 - 0.05 / len(tested))
        verdict = "supported" if none else "contradicted" if not unclear else "open"
        text = (
            f"Of {plural(len(tested), 'comparison')}: {plural(losses, 'loss', 'losses')}, "
            f"{len(none) - losses} shown "
            f"to gain less than {MARGIN}, {plural(len(wins), 'win')}, {unclear} open. The lowest is "
            f"{lowest.comparison.label}: {signed(effect)}."
        )
    return Claim(
        2,
        "Not always: some pairs of upstream and downstream gain nothing or lose.",
        verdict,
        "Each pair and network at its largest training size. A comparison supports the claim if it is a "
        f"loss, or if its gain is shown to be less than {MARGIN} (one-sided, Holm). Supported: one does. "
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


def gain_declines(trends: Sequence[Trend]) -> Claim:
    """Claim 3, on the size sweeps alone: between datasets more differs than their size."""
    tested = [trend for trend in trends if trend.slope is not None]
    slopes = [trend.slope for trend in tested if trend.slope is not None]
    corrected = holm([trend.found.slope.p for trend in tested])
    falling = rising = 0
    for trend, p in zip(tested, corrected, strict=True):
        slope = trend.found.slope.estimate
        if slope is not None and p is not None and p < SIGNIFICANT:
            falling, rising = falling + (slope < 0), rising + (slope > 0)
    effect = mean_over_all(slopes) if slopes else None
    verdict: ClaimVerdict = "not tested"
    text = "No size sweep of the primary arm has two sizes that both arms were trained at."
    if effect is not None:
        where = side(effect)
        verdict = (
            "mixed"
            if (falling and rising) or (where < 0 and rising) or (where > 0 and falling)
            else _by_side(-where)
        )
        text = (
            f"Over {plural(len(tested), 'size sweep')} the gain changes by {signed(effect)} in macro AUROC "
            f"for ten times as many training records; it declines in {falling}, rises in {rising}, and is "
            f"open in {len(tested) - falling - rising}."
        )
    return Claim(
        3,
        "The gain declines as the downstream training set grows.",
        verdict,
        "In each size sweep, the slope of the gain on log10 of the training records. Supported: the 95 % "
        "interval of the mean slope lies below 0 and no sweep rises (Holm). Contradicted: it lies above 0 "
        "and none declines. Mixed: both. Otherwise open. Differences between datasets are not used.",
        effect,
        "macro AUROC per tenfold records",
        "mean change of the gain for ten times as many records",
        falling,
        rising,
        len(tested) - falling - rising,
        "size sweeps",
        text,
        tuple(key for trend in tested for key in _keys(trend.members)),
    )


def scratch_catches_up(grid: Grid, trends: Sequence[Trend]) -> Claim:
    """Claim 4, on the size sweeps."""
    support = contradict = 0
    longer: list[float] = []
    for trend in trends:
        first, last = trend.members[0].comparison.difference, trend.members[-1].comparison.difference
        ratio = _epochs_ratio(grid, trend.members[-1])
        longer += [] if ratio is None else [ratio]
        behind = first.low is not None and first.low > 0
        caught_up = last.high is not None and last.high < MARGIN
        if behind and caught_up and ratio is not None and ratio > 1:
            support += 1
        elif last.low is not None and last.low > 0:
            contradict += 1
    unclear = len(trends) - support - contradict
    effect = mean_over_all([trend.members[-1].gain for trend in trends]) if trends else None
    verdict: ClaimVerdict = "not tested"
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
        most = max(trend.found.points[-1].records for trend in trends)
        text = (
            f"At the largest size ({most:,} training records at most) the mean gain is {signed(effect)}: "
            f"scratch has caught up after longer training in {support} of {plural(len(trends), 'sweep')}, is "
            f"still behind in {contradict}, and it is open in {unclear}."
        )
        if longer:
            text += f" There scratch took {mean(longer):.2f} times the epochs of fine-tuning to its own best."
        if contradict:
            text += " More data than these sweeps have may still let it."
    return Claim(
        4,
        "With enough data training from scratch catches up, after longer training.",
        verdict,
        "A size sweep supports it if at its smallest size the gain's 95 % interval lies above 0, at its "
        f"largest wholly below {MARGIN}, and scratch there needs more epochs to its best validation score "
        "than the arm to its own. It contradicts it, as far as its sizes go, if the gain at the largest "
        "size still lies above 0. Supported: some support, none contradict; contradicted: the reverse; "
        "mixed: both; otherwise open. Intervals of single sweeps are not corrected for their number.",
        effect,
        AUROC,
        "mean gain at the largest size of each sweep",
        support,
        contradict,
        unclear,
        "size sweeps",
        text,
        tuple(key for trend in trends for key in _keys(trend.members)),
    )


def _epochs_ratio(grid: Grid, one: Compared) -> float | None:
    """Epochs of scratch to its best over those of the arm to its own, mean over seeds each."""
    scratch, arm = (
        mean(float(grid.cells[cell][seed].result["epochs_to_best"]) for seed in one.comparison.seeds)
        for cell in (one.scratch, one.cell)
    )
    return scratch / arm if arm > 0 else None


def converges_faster(primary: Sequence[Compared]) -> Claim:
    """Claim 5, by epochs and seconds to scratch's best validation score."""
    comparisons = [one.comparison for one in primary if one.comparison.matches]
    by_comparison = len(comparisons) >= 6
    unit = "comparisons" if by_comparison else "trainings"

    def measured(kind: str) -> list[tuple[float, bool]]:
        if not by_comparison:
            matches = [m for c in comparisons for m in c.matches]
            return ratios(matches, "epochs" if kind == "epochs" else "seconds")
        pairs = [
            (c.epochs_ratio, c.epochs_ratio_censored)
            if kind == "epochs"
            else (c.seconds_ratio, c.seconds_ratio_censored)
            for c in comparisons
        ]
        return [(value, censored) for value, censored in pairs if value is not None]

    epochs, seconds = measured("epochs"), measured("seconds")
    effect = median_interval(epochs, unit) if epochs else None
    faster = sum(1 for value, censored in epochs if not censored and value < 1)
    slower = sum(1 for value, censored in epochs if censored or value > 1)
    verdict: ClaimVerdict = "not tested"
    text = "No run says when it reached scratch's best validation score."
    if effect is not None and effect.estimate is not None:
        shown = effect.p is not None and effect.p < SIGNIFICANT
        verdict = "open" if not shown else "supported" if faster > slower else "contradicted"
        missed = sum(censored for _, censored in epochs)
        in_seconds = median_interval(seconds, unit)
        text = (
            f"The median of {len(epochs)} {unit} needs {_ratio(effect, epochs)} of scratch's epochs, and "
            f"{_ratio(in_seconds, seconds)} of its seconds, to scratch's best validation score; {faster} are "
            f"faster and {slower} slower, of which {missed} never got there."
        )
    return Claim(
        5,
        "Fine-tuning converges faster.",
        verdict,
        "Epochs to the first validation score as good as scratch's best, over scratch's epochs to it. A "
        "training that never gets there counts as slower. Supported: significantly more are faster than "
        "slower (sign test, 0.05); contradicted: the reverse; otherwise open. By comparison (median over "
        "its seeds) where there are six, else by training, which takes seeds of one comparison as "
        "independent.",
        effect,
        "ratio of epochs",
        "median epochs to match scratch, relative to scratch's",
        faster,
        slower,
        len(epochs) - faster - slower,
        unit,
        text,
        tuple(c.key for c in comparisons),
    )


def _ratio(interval: Interval, values: Sequence[tuple[float, bool]]) -> str:
    if interval.estimate is None:
        return "an unknown share"
    half = sum(censored for _, censored in values) * 2 >= len(values)
    text = f"{'at least ' if half else ''}{interval.estimate:.2f}"
    if interval.low is not None and interval.high is not None:
        text += f" ({interval.low:.2f} to {interval.high:.2f})"
    return text


def cnns_gain_more(families: Sequence[FamilyContrast], primary: Sequence[Compared]) -> Claim:
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
    return Claim(
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


def cost_matters(pay: Sequence[BreakEven]) -> Claim:
    """Claim 7, by the tasks after which pre-training has paid in time."""
    tasks = [math.inf if row.tasks is None else row.tasks for row in pay]
    never = sum(math.isinf(t) for t in tasks)
    # Where trainings did not get there the savings are less than they seem: one task may then be too few.
    soon = sum(t <= 1 and not row.censored for t, row in zip(tasks, pay, strict=True))
    unclear = sum(t <= 1 and row.censored for t, row in zip(tasks, pay, strict=True))
    support = len(pay) - soon - unclear
    verdict: ClaimVerdict = "not tested"
    effect = None
    text = "No upstream has a fine-tuned run that says when it reached scratch's best."
    if pay:
        verdict = (
            "supported"
            if support == len(pay)
            else "contradicted"
            if soon == len(pay)
            else "mixed"
            if support and soon
            else "open"
        )
        middle = median(tasks)
        reason = "No interval: seconds are of one machine and of one training of each upstream."
        effect = (
            Interval(None, reason="In the median it never pays in time.")
            if math.isinf(middle)
            else Interval(middle, method="median over upstreams and networks", reason=reason)
        )
        finite_tasks = sorted(t for t in tasks if math.isfinite(t))
        text = f"Of {plural(len(pay), 'upstream training')}, {never} never pay in time"
        if finite_tasks:
            ends = dict.fromkeys(f"{few:.1f}" for few in (finite_tasks[0], finite_tasks[-1]))
            text += f"; the others after {' to '.join(ends)} downstream tasks"
        text += f". Pre-training took {median(row.upstream_seconds for row in pay):,.0f} s in the median."
        if any(row.censored for row in pay):
            text += " Some trainings never reached scratch's best, so these numbers are too low."
    return Claim(
        7,
        "The cost of pre-training is not negligible.",
        verdict,
        "Seconds of pre-training over the seconds that fine-tuning saves a downstream task on the way to "
        "scratch's best validation score. Supported: every upstream and network takes more than one task, or "
        "never pays. Contradicted: every one pays with the first. Mixed: both. Otherwise open.",
        effect,
        "downstream tasks",
        "downstream tasks after which pre-training has paid in time",
        support,
        soon,
        unclear,
        "upstream trainings",
        text,
    )
