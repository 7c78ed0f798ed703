"""What many comparisons say together: speed, families, cost, foresight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import Axes, Verdict


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
class FamilyContrast:
    """Gain of CNNs less gain of RNNs, on the same pairs of upstream and downstream.

    Attributes:
        head: Which RNNs: `flatten` (the paper's: the new head holds over 90 % of the parameters), `pooled`
            (the same head as a CNN's: without that confound) or `all`.
        cnn_gain: Mean gain of CNNs over the pairs.
        rnn_gain: Mean gain of RNNs over the pairs.
        contrast: `cnn_gain` less `rnn_gain`.
        pairs: Pairs of upstream and downstream that have both.
        cnn_networks: Names.
        rnn_networks: Names.
        head_share: Largest share of an RNN's parameters that its new head holds; None if not known.
        by_pair: (upstream, downstream, gain of CNNs, gain of RNNs) for each.
        pair_verdicts: Of CNNs less RNNs for each of `by_pair`, corrected for their number.
    """

    head: Literal["flatten", "pooled", "all"]
    cnn_gain: Interval
    rnn_gain: Interval
    contrast: Interval
    pairs: int
    cnn_networks: tuple[str, ...]
    rnn_networks: tuple[str, ...]
    head_share: float | None
    by_pair: tuple[tuple[str, str, float, float], ...]
    pair_verdicts: tuple[Verdict, ...] = ()


PayVerdict = Literal["pays", "never", "open"]
"""Whether an arm is shown to save time, to lose some, or neither."""


@dataclass(frozen=True)
class BreakEven:
    """After how many downstream tasks pre-training has paid in time.

    Attributes:
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        axes: Value of each axis.
        upstream_seconds: What pre-training cost.
        scratch_seconds: Scratch to the validation score that both reach, mean over the downstreams.
        arm_seconds: The arm to the same score, mean over the downstreams.
        saved: Seconds a downstream, mean over the trainings; negative where the arm is slower.
        p_holm: Of `saved`, corrected for the number of such rows.
        verdict: By `p_holm` at 0.05 and the sign.
        tasks: Downstream tasks after which it has paid by the estimate; None if that is never.
        fewest_tasks: By the upper end of `saved`; None if even by that it never pays, or it is not known.
        most_tasks: By the lower end of `saved`; None if by that it never pays, or it is not known.
        trainings: Behind these means.
        explanation: A sentence.
    """

    upstream: str
    network: str
    arm: str
    axes: Axes
    upstream_seconds: float
    scratch_seconds: float
    arm_seconds: float
    saved: Interval
    p_holm: float | None
    verdict: PayVerdict
    tasks: float | None
    fewest_tasks: float | None
    most_tasks: float | None
    trainings: int
    explanation: str


@dataclass(frozen=True)
class TransferabilityCorrelation:
    """Does a score before training tell the gain that follows?

    Attributes:
        score: `melep`, `melep_entropy` (the confound: how uncertain the labels are), `melep_difference`
            (entropy less MELEP) or `logme`.
        outcome: `gain` (difference of macro AUROC) or `score` (macro AUROC of the fine-tuned network).
        expected_sign: -1 where a lower score promises more, else 1.
        correlation: Spearman's, with an interval; None below five points.
        points: (comparison's key, score, outcome) for each.
        explanation: A sentence.
    """

    score: Literal["melep", "melep_entropy", "melep_difference", "logme"]
    outcome: Literal["gain", "score"]
    expected_sign: Literal[-1, 1]
    correlation: Interval
    points: tuple[tuple[str, float, float], ...]
    explanation: str
