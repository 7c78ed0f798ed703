"""What many comparisons say together: speed, families, cost, foresight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.study.findings.values import Axes, Interval, Verdict


@dataclass(frozen=True)
class Convergence:
    """How fast an arm gets to scratch's best validation score, over all comparisons of the arm.

    Attributes:
        arm: As the study names it.
        family: `cnn`, `rnn` or `all`.
        trainings: How many were measured.
        reached: How many got there.
        epochs_ratio: Median of epochs to match over scratch's epochs to best; below 1 is faster.
        epochs_ratio_censored: Whether `epochs_ratio` is a lower bound, because half did not get there.
        epochs_low: 25th percentile; None if it is a training that did not get there.
        epochs_high: 75th percentile; None if it is a training that did not get there.
        seconds_ratio: As `epochs_ratio`, in seconds.
        seconds_ratio_censored: As `epochs_ratio_censored`.
        faster: Trainings that needed fewer epochs.
        slower: Trainings that needed more or did not get there.
        same: The rest.
    """

    arm: str
    family: str
    trainings: int
    reached: int
    epochs_ratio: float | None
    epochs_ratio_censored: bool
    epochs_low: float | None
    epochs_high: float | None
    seconds_ratio: float | None
    seconds_ratio_censored: bool
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


@dataclass(frozen=True)
class BreakEven:
    """After how many downstream tasks pre-training has paid in time.

    Attributes:
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        axes: Value of each axis.
        upstream_seconds: What pre-training cost.
        scratch_seconds: Scratch to its best validation score, mean over the downstreams.
        arm_seconds: The arm to the same score, mean over the downstreams; a lower bound if `censored`.
        saved_seconds: A downstream, mean; negative where the arm is slower.
        tasks: Downstream tasks after which it has paid; None: it never does.
        trainings: Behind these means.
        censored: Whether some training never got to scratch's best (its seconds are then a lower bound, and
            the savings an upper one).
        explanation: A sentence.
    """

    upstream: str
    network: str
    arm: str
    axes: Axes
    upstream_seconds: float
    scratch_seconds: float
    arm_seconds: float
    saved_seconds: float
    tasks: float | None
    trainings: int
    censored: bool
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
