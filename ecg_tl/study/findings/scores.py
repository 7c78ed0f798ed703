"""A configuration's own scores, and how far its probabilities can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import Axes


@dataclass(frozen=True)
class ModelScore:
    """One configuration's own scores, upstream trainings included: the absolute numbers.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned` or `control`.
        dataset: That it is trained and tested on.
        upstream: That it starts from, or None.
        network: As the study names it.
        arm: As the study names it; `upstream` for an upstream.
        size: Training records asked for; None for all.
        train_records: That there were.
        axes: Value of each axis.
        validation: What a choice may use: best value of `monitor`, mean over the seeds.
        monitor: Name of the validation score.
        auroc_macro: On the test set.
        auprc_macro: On the test set, mean over the seeds.
        f1_weighted: At thresholds tuned on validation data, mean over the seeds.
        f1_macro: At thresholds tuned on validation data, mean over the seeds.
        classes_scored: In the mean of the AUROC.
        parameters: Of the network.
        trainable_parameters: That were trained.
        seconds: Of training, mean over the seeds.
        epochs: Mean over the seeds.
        epochs_to_best: Mean over the seeds.
    """

    kind: str
    dataset: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    train_records: int
    axes: Axes
    validation: float | None
    monitor: str
    auroc_macro: Interval
    auprc_macro: float | None
    f1_weighted: float | None
    f1_macro: float | None
    classes_scored: int
    parameters: int | None
    trainable_parameters: int | None
    seconds: float
    epochs: float
    epochs_to_best: float


@dataclass(frozen=True)
class CalibrationRow:
    """Calibration on the test set, before and after temperature scaling; lower is better.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: None for scratch and controls.
        axes: Value of each axis.
        size: Training records asked for; None for all.
        ece: Expected calibration error, mean over the seeds.
        ece_calibrated: After temperature scaling; None if the runs do not say.
        brier: Mean over the seeds.
        brier_calibrated: As `ece_calibrated`.
        temperature: Mean over the seeds; None if the runs do not say.
        seeds: Trainings.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    size: int | None
    ece: float | None
    ece_calibrated: float | None
    brier: float | None
    brier_calibrated: float | None
    temperature: float | None
    seeds: int
