"""Claims 5 and 7: how fast fine-tuning converges, and what pre-training costs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval
from ecg_tl.study.findings.break_even import BreakEven, comparisons_of, savings
from ecg_tl.study.findings.claims.drafting import (
    ON_COMBINED,
    ONLY_THESE,
    RESTS_ON,
    Claim,
    ClaimVerdict,
    Draft,
    count_downstreams,
    drafted,
    fewest_seeds,
)
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.convergence import (
    as_ratio,
    combined_trainings,
    faster_and_slower,
    log_ratios,
    over_trainings,
    ratio_interval,
)
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.sentences import counted


def converges_faster(primary: Sequence[Compared]) -> Draft:
    """Claim 5, by epochs to a validation score that is the same for both trainings of a pair."""
    timed = [one for one in primary if one.comparison.matches]
    comparisons = [one.comparison for one in timed]
    matches = [match for one in comparisons for match in one.matches]
    faster, slower = faster_and_slower(matches)
    verdict: ClaimVerdict = "not tested"
    effect = judged_by = combined = None
    text = "No validation curves of both trainings of a pair were kept."
    if matches:
        effect = ratio_interval(log_ratios(comparisons))
        of_kind = combined_trainings(log_ratios(comparisons))
        combined = None if of_kind is None else as_ratio(of_kind)
        judged_by = combined or effect
        shown = judged_by.p is not None and judged_by.p < SIGNIFICANT and judged_by.estimate is not None
        verdict = "open" if not shown else "supported" if (judged_by.estimate or 1.0) < 1 else "contradicted"
        in_seconds = ratio_interval(log_ratios(comparisons, "seconds"))
        text = (
            f"To the same validation score, {counted(len(matches), 'fine-tuned training')} "
            f"{'needs' if len(matches) == 1 else 'need'} {_ratio(effect)} of their scratch partners' epochs "
            f"and {_ratio(in_seconds)} of their seconds (geometric mean): {faster} are faster, {slower} "
            f"slower, {len(matches) - faster - slower} as fast."
        )
        text += ONLY_THESE if combined is None else RESTS_ON.format(_ratio(combined))
    claim = Claim(
        5,
        "Fine-tuning converges faster.",
        verdict,
        "Both trainings of a pair are timed to the same validation score: 80 % of the way from the worse of "
        "their two first epochs to the worse of their two bests, which both reach and which treats them "
        "alike. Supported: the 95 % interval of the mean ratio of epochs lies below 1; contradicted: above; "
        "otherwise open. The interval is over scratch trainings, since what shares one is not independent. "
        f"{ON_COMBINED}",
        effect,
        "ratio of epochs",
        "epochs to the same validation score, relative to scratch's",
        faster,
        slower,
        len(matches) - faster - slower,
        "trainings",
        text,
        tuple(c.key for c in comparisons),
        combined=combined,
    )
    p = judged_by.p if judged_by is not None else None
    return drafted(claim, p, seed=fewest_seeds(timed), downstream_set=count_downstreams(timed))


def _ratio(interval: Interval) -> str:
    if interval.estimate is None:
        return "an unknown share"
    text = f"{interval.estimate:.2f}"
    if interval.low is not None and interval.high is not None:
        text += f" ({interval.low:.2f} to {interval.high:.2f})"
    return text


def cost_matters(grid: Grid, break_evens: Sequence[BreakEven], primary: Sequence[Compared]) -> Draft:
    """Claim 7, by the share of an upstream's seconds that one downstream task saves."""
    shares = [
        one
        for row in break_evens
        for cell in grid.cells
        if (cell.kind, cell.dataset, cell.network, cell.axes)
        == ("upstream", row.upstream, row.network, row.axes)
        for one in savings(
            comparisons_of([c.comparison for c in primary], cell, row.arm), 1 / row.upstream_seconds
        )
    ]
    never, pays = (sum(row.verdict == verdict for row in break_evens) for verdict in ("never", "pays"))
    more = sum(_less_than_all(row) for row in break_evens)
    soon = sum(
        row.saved.p is not None and (row.saved.low or 0.0) > row.upstream_seconds for row in break_evens
    )
    verdict: ClaimVerdict = "not tested"
    effect = judged_by = combined = None
    text = "No upstream has fine-tuned runs whose validation curves say what they save."
    if shares:
        effect = over_trainings(shares, against=1.0)
        combined = combined_trainings(shares, against=1.0)
        judged_by = combined or effect
        if judged_by.low is not None and judged_by.high is not None:
            verdict = "supported" if judged_by.high < 1 else "contradicted" if judged_by.low > 1 else "open"
        else:
            verdict = "open"
        ends = ""
        if effect.low is not None and effect.high is not None:
            ends = f" ({effect.low:.3f} to {effect.high:.3f})"
        text = (
            f"One downstream task saves {effect.estimate:.3f}{ends} of what training its upstream took, on "
            f"the way to the same validation score, over {counted(len(break_evens), 'upstream training')}: "
            f"{pays} are shown to pay in time after some number of tasks, {never} never to pay, "
            f"{len(break_evens) - pays - never} neither. Pre-training took "
            f"{median(row.upstream_seconds for row in break_evens):,.0f} s in the median. Seconds are of the "
            "machines at hand, and of one training of each upstream."
        )
        text += "" if combined is None else RESTS_ON.format(_ratio(combined))
    claim = Claim(
        7,
        "The cost of pre-training is not negligible.",
        verdict,
        "The seconds that fine-tuning saves one downstream task, on the way to a validation score that both "
        "trainings reach, over the seconds of the upstream's training. Supported: the 95 % interval of the "
        "mean share lies below 1, so that one task does not pay for it. Contradicted: it lies above 1. "
        f"Otherwise open. The interval is over scratch trainings; upstreams were trained once. {ON_COMBINED}",
        effect,
        "share of the upstream's seconds",
        "saved by one downstream task",
        more,
        soon,
        len(break_evens) - more - soon,
        "upstream trainings",
        text,
        combined=combined,
    )
    p = judged_by.p if judged_by is not None else None
    return drafted(
        claim, p, seed=effect.seeds if effect is not None else 0, upstream_training=len(break_evens)
    )


def _less_than_all(row: BreakEven) -> bool:
    """Whether one task is shown not to save all that the upstream took."""
    return row.saved.p is not None and row.saved.high is not None and row.saved.high < row.upstream_seconds
