"""Whether the same holds under other settings, and by looser rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import Verdict


@dataclass(frozen=True)
class AxisEffect:
    """What another value of an axis does to both arms and to the gain.

    Attributes:
        axis: Name of it.
        default: Its default value.
        value: The other value.
        downstream: Name of it.
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        size: Training records asked for; None for all.
        scratch_change: Macro AUROC of scratch at `value` less at `default`.
        arm_change: Macro AUROC of the arm at `value` less at `default`.
        gain_default: Arm less scratch at `default`.
        gain_value: Arm less scratch at `value`.
        gain_change: `gain_value` less `gain_default`, with its own interval.
        sign_flips: Whether the gain's estimate changes its sign.
        verdict_default: At `default`.
        verdict_value: At `value`.
        explanation: A sentence.
    """

    axis: str
    default: str
    value: str
    downstream: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    scratch_change: Interval
    arm_change: Interval
    gain_default: Interval
    gain_value: Interval
    gain_change: Interval
    sign_flips: bool
    verdict_default: Verdict
    verdict_value: Verdict
    explanation: str


@dataclass(frozen=True)
class SecondOpinion:
    """One comparison, and what looser rules would have said of it.

    The paper's rule: the score is the greatest weighted F1 (threshold 0.5) over all epochs **on the test
    set**, of one training each, and any positive difference is a win.

    Attributes:
        comparison: Key of the comparison.
        label: Its label.
        strict_verdict: Of the comparison.
        strict: Its difference of macro AUROC.
        strict_f1: Difference of weighted F1 at thresholds tuned on validation data: the paper's metric under
            strict rules.
        peeking_f1: Difference of the greatest test F1 over epochs, first seed, same runs; None if no run
            says.
        peeking_verdict: `win`, `loss` or `tie` by the paper's rule on `peeking_f1`.
        peeking_flips: How many of the seeds would have given the opposite verdict of the first one.
        scratch_optimism: By how much the greatest test F1 over epochs exceeds the F1 at the epoch that
            validation chose, scratch, mean over the seeds.
        arm_optimism: As `scratch_optimism`, for the arm.
        recordwise_f1: The same difference from the runs on the paper's split by record; None without them.
        recordwise_verdict: By the paper's rule on `recordwise_f1`.
        shared_patients: Whether the split by record put patients into two parts; None if not known.
        agrees: Whether every verdict by the paper's rule is the strict one.
        explanation: A sentence.
    """

    comparison: str
    label: str
    strict_verdict: Verdict
    strict: Interval
    strict_f1: Interval | None
    peeking_f1: float | None
    peeking_verdict: Literal["win", "loss", "tie"] | None
    peeking_flips: int | None
    scratch_optimism: float | None
    arm_optimism: float | None
    recordwise_f1: float | None
    recordwise_verdict: Literal["win", "loss", "tie"] | None
    shared_patients: bool | None
    agrees: bool
    explanation: str


@dataclass(frozen=True)
class SecondOpinionSummary:
    """How often the two ways to judge part.

    Attributes:
        compared: Comparisons with a verdict by the paper's rule.
        strict_wins: By the strict rule.
        strict_losses: By the strict rule.
        strict_open: By the strict rule.
        peeking_wins: By the paper's rule on the same runs.
        peeking_losses: By the paper's rule on the same runs.
        recordwise_wins: By the paper's rule on the split by record.
        recordwise_losses: By the paper's rule on the split by record.
        explanation: One or two sentences.
    """

    compared: int
    strict_wins: int
    strict_losses: int
    strict_open: int
    peeking_wins: int
    peeking_losses: int
    recordwise_wins: int
    recordwise_losses: int
    explanation: str
