"""What a comparison of an arm with training from scratch is, and which of several count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval
from ecg_tl.statistics.scoring import Sample
from ecg_tl.study.findings.grid import Cell
from ecg_tl.study.findings.matches import Match
from ecg_tl.study.findings.values import Axes, Verdict


@dataclass(frozen=True)
class MetricDifference:
    """Arm against scratch in one metric.

    Attributes:
        metric: `auroc_macro`, `auprc_macro`, `f1_weighted_tuned`, ...
        scratch: Mean over the seeds.
        arm: Mean over the seeds.
        difference: Arm less scratch.
    """

    metric: str
    scratch: float | None
    arm: float | None
    difference: Interval


@dataclass(frozen=True)
class ClassChange:
    """One class's gain or loss in AUROC.

    Attributes:
        name: Of the class.
        support: Positives among the test records.
        train_support: Positives among the training records; None if not known.
        scratch: Mean AUROC over the seeds; None without positives or negatives.
        arm: As `scratch`.
        difference: Arm less scratch.
        p_holm: Corrected for the number of classes of all comparisons of its family; see `Comparison.p_holm`.
        verdict: By `p_holm`. `loss` is negative transfer for this class.
    """

    name: str
    support: int
    train_support: int | None
    scratch: float | None
    arm: float | None
    difference: Interval
    p_holm: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """One arm against training from scratch: same data, split, network, seeds and test patients.

    Attributes:
        key: Unique in the study, fit for an HTML id.
        label: For people: `PTB-XL → LUDB, resnet1d18, full, 500 records`.
        downstream: Name of it.
        upstream: Name of it; None for a control.
        network: As the study names it.
        family: `cnn` or `rnn`.
        head: `pooled` or `flatten`.
        arm: As the study names it.
        primary: Whether it counts for the claims: the study's primary arm at the default of all axes.
        control: Whether the arm starts from no upstream (a frozen random encoder).
        size: Training records asked for; None for all.
        train_records: Training records that there were.
        axes: Value of each axis.
        difference: Of macro AUROC; `difference.p` is uncorrected.
        p_holm: Corrected by Holm within its family: the primary comparisons, the other pretrained ones, or
            the controls.
        p_equivalent: That it differs from 0 by the study's margin or more, corrected as `p_holm`; see
            `ecg_tl.statistics.intervals.equivalence_p`. None where nothing is judged.
        verdict: `equivalent` where `p_equivalent` is below 0.05; else by `p_holm` at 0.05 and the sign;
            `open` with one seed, whatever the difference.
        scratch_mean: Macro AUROC, mean over the seeds.
        arm_mean: Macro AUROC, mean over the seeds.
        seeds: Those that both arms have, in order.
        scratch_scores: Macro AUROC for each of `seeds`.
        arm_scores: Macro AUROC for each of `seeds`.
        records: Test records.
        patients: Test patients.
        classes: All.
        classes_scored: With positives and negatives in the test set: those in the mean.
        scratch_seeds_unpaired: Seeds of scratch without a partner, left out.
        arm_seeds_unpaired: Seeds of the arm without a partner, left out.
        metrics: The other metrics.
        per_class: Gain and loss by class, in the order of the targets.
        matches: One a seed; empty where the validation curves do not say.
        epochs_ratio: The arm's epochs to the same validation score over scratch's, geometric mean over the
            seeds; below 1 is faster. None where no run's curve says.
        seconds_ratio: As `epochs_ratio`, in seconds.
        melep: Of the upstream on this downstream; lower promises more.
        melep_entropy: What MELEP would be with an uninformative upstream.
        logme: Higher promises more.
        note: What weakens it, as a sentence; else empty.
    """

    key: str
    label: str
    downstream: str
    upstream: str | None
    network: str
    family: str
    head: str
    arm: str
    primary: bool
    control: bool
    size: int | None
    train_records: int
    axes: Axes
    difference: Interval
    p_holm: float | None
    verdict: Verdict
    scratch_mean: float | None
    arm_mean: float | None
    seeds: tuple[int, ...]
    scratch_scores: tuple[float, ...]
    arm_scores: tuple[float, ...]
    records: int
    patients: int
    classes: int
    classes_scored: int
    scratch_seeds_unpaired: tuple[int, ...] = ()
    arm_seeds_unpaired: tuple[int, ...] = ()
    metrics: tuple[MetricDifference, ...] = ()
    per_class: tuple[ClassChange, ...] = ()
    matches: tuple[Match, ...] = ()
    epochs_ratio: float | None = None
    seconds_ratio: float | None = None
    melep: float | None = None
    melep_entropy: float | None = None
    logme: float | None = None
    note: str = ""
    p_equivalent: float | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison with what further contrasts are made of.

    Attributes:
        cell: The arm's configuration.
        scratch: The configuration that it is compared with.
        gain: Arm less scratch, macro AUROC.
        comparison: What is reported of it.
    """

    cell: Cell
    scratch: Cell
    gain: Sample
    comparison: Comparison


def verdict_of(
    estimate: float | None, p_corrected: float | None, p_equivalent: float | None = None
) -> Verdict:
    """Say what is shown of a difference.

    One that is shown to be less than the margin is equivalent, whether it is shown to differ from 0 or not:
    with ever more patients a difference that does not matter would otherwise be called one that does.
    """
    if estimate is not None and p_equivalent is not None and p_equivalent < SIGNIFICANT:
        return "equivalent"
    if estimate is None or p_corrected is None or p_corrected >= SIGNIFICANT:
        return "open"
    return "win" if estimate > 0 else "loss"


def finite(value: float) -> float | None:
    """Give None for what is not a number."""
    return value if np.isfinite(value) else None


def largest(compared: Sequence[Compared]) -> Mapping[Cell, Compared]:
    """Give each configuration at its largest size."""
    found: dict[Cell, Compared] = {}
    for one in compared:
        key = replace(one.cell, size=None)
        if key not in found or one.comparison.train_records > found[key].comparison.train_records:
            found[key] = one
    return found


def at_largest_size(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Keep, of each pair, network, arm and axis values, the comparison with most training records."""
    largest: dict[tuple[object, ...], Comparison] = {}
    for one in comparisons:
        key = (one.downstream, one.upstream, one.network, one.arm, one.axes)
        if key not in largest or one.train_records > largest[key].train_records:
            largest[key] = one
    return list(largest.values())
