"""Checkpoints scored on test records that are disturbed in many ways, each record alike for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ecg_tl.checkpoints.description import read_description
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import RESAMPLES, SEED, require_each_once, require_settings
from ecg_tl.metrics import multilabel_scores
from ecg_tl.robustness.conditions import Disturbance, Recorder, make_kinds
from ecg_tl.robustness.predictions import DisturbedPredictions, predict_disturbed
from ecg_tl.robustness.subjects import Subject, make_subject
from ecg_tl.signals import MILLIVOLTS
from ecg_tl.statistics.intervals import Interval, mean_interval, score_interval
from ecg_tl.statistics.resampling import PatientResamples, resample_patients
from ecg_tl.statistics.scoring import AVERAGES, PRIMARY, Sample, sample_of, score_run, subtract
from ecg_tl.store.progress import record_progress

METRICS = AVERAGES
"""Scores that intervals are computed of; those of F1 are at each checkpoint's own thresholds."""


CLEAN = "clean"

_COUNTED = {"auroc_macro": "auroc_classes_scored", "auprc_macro": "auprc_classes_scored"}
"""Where a score says how many classes it is a mean of; the others are of all."""


@dataclass(frozen=True)
class ConditionResult:
    """One checkpoint's scores under one condition.

    Attributes:
        subject: Name of the checkpoint.
        kind: Name of the kind of disturbance; `clean` for none.
        label: Of the condition.
        level: On the kind's scale; None where there is none.
        snr_db: Median signal-to-noise ratio of the records; None where nothing is added.
        scores: As `ecg_tl.metrics.Scores.as_dict`, and F1 at the checkpoint's thresholds as `f1_macro_tuned`,
            `f1_weighted_tuned`; of a network that chooses a class, F1 of its choices under these names too.
        interval: Of the metric that was asked for, over patients; None without resampling.
        change: Of the same from its own clean score, paired by patient; None for the clean score itself.
        difference: Of the same from the first checkpoint under the same condition, paired by patient; None
            for the first.
    """

    subject: str
    kind: str
    label: str
    level: float | None
    snr_db: float | None
    scores: dict[str, float]
    interval: Interval | None
    change: Interval | None
    difference: Interval | None


@dataclass(frozen=True, eq=False)
class Robustness:
    """What checkpoints came to.

    Attributes:
        subjects: In the order that they were given.
        kinds: In the order of the outcomes.
        outcomes: The clean one of each subject, then condition by condition, all subjects under each.
        metric: What `interval`, `change` and `difference` are of.
        dataset: Name of the test records' dataset.
        split: Its kind and hash.
        records: How many test records.
        patients: How many patients these are of; a record whose patient is not known counts as one.
        class_names: Of the targets.
        remarks: What a reader of the scores must know.
    """

    subjects: tuple[Subject, ...]
    kinds: tuple[Disturbance, ...]
    outcomes: tuple[ConditionResult, ...]
    metric: str
    dataset: str
    split: str
    records: int
    patients: int
    class_names: tuple[str, ...]
    remarks: tuple[str, ...]

    def of(self, subject: str, kind: str) -> list[ConditionResult]:
        """Return one checkpoint's outcomes under one kind, in the order of its conditions."""
        return [one for one in self.outcomes if (one.subject, one.kind) == (subject, kind)]

    def classes_scored(self, outcome: ConditionResult) -> int:
        """Return how many classes the metric is a mean of."""
        counted = _COUNTED.get(self.metric)
        return len(self.class_names) if counted is None else int(outcome.scores[counted])


def evaluate(
    checkpoints: Sequence[Path],
    datamodule: EcgDataModule,
    *,
    names: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    metric: str = PRIMARY,
    seed: int = 0,
    resamples: int = 1000,
    mains_frequency: float = 50.0,
    device: torch.device | None = None,
    progress: bool = True,
) -> Robustness:
    """Score checkpoints on a datamodule's test records, clean and disturbed.

    Args:
        checkpoints: Files that `ecg-tl fit` wrote, of the data's classes, leads, rate and length.
        datamodule: The data; its store is prepared if there is none.
        names: What to call the checkpoints; their files' names if None.
        kinds: Names of the kinds of disturbance, see `ecg_tl.robustness.conditions.KINDS`; all if None.
        metric: One of `METRICS`, that intervals are computed of.
        seed: Of the disturbances and of the resampling.
        resamples: Of patients, for the intervals; 0 for none.
        mains_frequency: 50 or 60 Hz.
        device: Where networks run; the CPU if None.
        progress: Whether to show bars on the terminal.

    Raises:
        CheckpointError: If a checkpoint cannot be read, does not fit the data, was trained on test records
            while the datamodule does not allow it, or gives no numbers.
        SettingError: If a setting is out of range.
    """
    _check(checkpoints, names, kinds, metric, seed, resamples, mains_frequency)
    read = [(path, read_checkpoint(path)) for path in checkpoints]  # before a store is prepared for nothing
    for path, checkpoint in read:
        read_description(checkpoint, path)
    recorder = Recorder(
        tuple(datamodule.leads),
        datamodule.sampling_rate,
        datamodule.record_samples,
        datamodule.store_settings.resampling,
        mains_frequency,
    )
    if datamodule.store_settings.units != MILLIVOLTS:
        raise SettingError(
            "data.contract",
            f"signals that are {datamodule.store_settings.units}",
            "signals in millivolts, as disturbances are",
            "Their contract scales before its last step; what a disturbance would be there is not known.",
        )
    made, remarks = make_kinds(recorder, kinds)
    if datamodule.contract is not None:
        remarks.append(
            f"The contract {datamodule.contract.name} prepares signals first: disturbances meet what its "
            "filters have left, and are not filtered."
        )
    datamodule.prepare_data()
    datamodule.setup()
    called = names or [path.stem for path in checkpoints]
    subjects = [
        make_subject(name, path, checkpoint, datamodule)
        for name, (path, checkpoint) in zip(called, read, strict=True)
    ]
    run = predict_disturbed(subjects, datamodule, made, seed, device or torch.device("cpu"), progress)
    patients = _patients(datamodule.store.records.iloc[run.rows])
    draws = resample_patients(run.targets, patients, resamples, seed) if resamples else None
    outcomes, weak = _score(subjects, made, run, draws, metric, datamodule.class_names, progress)
    remarks += [f"{subject.name}: {line}" for subject in subjects for line in subject.overlap.lines()]
    if datamodule.parts.split.selects_on_test:
        remarks.append("Validation is the test set (protocol `paper`): scores select on test data.")
    return Robustness(
        subjects=tuple(subjects),
        kinds=tuple(made),
        outcomes=tuple(outcomes),
        metric=metric,
        dataset=datamodule.dataset.name,
        split=f"{datamodule.parts.kind} split {datamodule.parts.hash[:12]}",
        records=len(run.rows),
        patients=len(np.unique(patients)),
        class_names=tuple(datamodule.class_names),
        remarks=tuple(remarks + weak),
    )


def _check(
    checkpoints: Sequence[Path],
    names: Sequence[str] | None,
    kinds: Sequence[str] | None,
    metric: str,
    seed: int,
    resamples: int,
    mains_frequency: float,
) -> None:
    if not checkpoints:
        raise SettingError("checkpoints", "none", "at least one", "Name a checkpoint.")
    require_each_once("checkpoints", checkpoints)
    require_each_once("kinds", kinds or ())
    called = list(names or [path.stem for path in checkpoints])
    if len(called) != len(checkpoints) or len(set(called)) < len(called):
        raise SettingError(
            "names",
            f"{', '.join(called)} for {len(checkpoints)} checkpoint(s)",
            "one distinct name a checkpoint",
            "Name each checkpoint with `--names`.",
        )
    if metric not in METRICS:
        raise SettingError("metric", repr(metric), f"one of {', '.join(METRICS)}", "Choose one of these.")
    require_settings(seed=(SEED, seed), resamples=(RESAMPLES, resamples))
    if mains_frequency not in (50.0, 60.0):
        raise SettingError(
            "mains_frequency", f"{mains_frequency:g}", "50 or 60 Hz", "Choose that of the country."
        )


def _patients(records: pd.DataFrame) -> NDArray[np.str_]:
    """Name each record's patient; one that is not known is a patient of its own."""
    known = records["patient_id"].notna() & (records["patient_id"].astype(str) != "")
    named = "patient " + records["patient_id"].astype(str)
    return named.where(known, "record " + records["record_id"].astype(str)).to_numpy(dtype=str)


def _score(
    subjects: Sequence[Subject],
    kinds: Sequence[Disturbance],
    run: DisturbedPredictions,
    draws: PatientResamples | None,
    metric: str,
    class_names: Sequence[str],
    progress: bool,
) -> tuple[list[ConditionResult], list[str]]:
    """Score all predictions; returns the outcomes and what weakens their intervals."""
    conditions = [(CLEAN, CLEAN, None, False)] + [
        (kind.name, one.label, one.level, kind.is_noise) for kind in kinds for one in kind.conditions
    ]
    outcomes, weak = [], dict[str, None]()
    clean: list[Sample | None] = []
    total = len(conditions) * len(subjects) * len(run.rows)
    with record_progress("Scores and resampled patients", total, progress) as advance:
        for number, (kind, label, level, is_noise) in enumerate(conditions):
            first: Sample | None = None
            for column, subject in enumerate(subjects):
                probabilities = run.probabilities[column][number]
                if not np.isfinite(probabilities).all():
                    raise CheckpointError(
                        subject.path,
                        f"a network whose outputs are NaN or infinite ({kind}, {label})",
                        "numbers",
                        "Its training diverged: leave it out.",
                    )
                scores = _scores(probabilities, run.targets, class_names, subject.thresholds)
                sample = None
                if draws is not None:
                    sample, reason = _sample(probabilities, subject.thresholds, draws, metric, scores)
                    weak.update(dict.fromkeys(filter(None, [reason])))
                if number == 0:
                    clean.append(sample)
                first = sample if column == 0 else first
                unlike_clean = None if number == 0 else _paired(sample, clean[column])
                unlike_first = None if column == 0 else _paired(sample, first)
                interval = None if sample is None else score_interval(sample)
                outcomes.append(
                    ConditionResult(
                        subject=subject.name,
                        kind=kind,
                        label=label,
                        level=level,
                        snr_db=run.snr_db[number] if is_noise else None,
                        scores=scores,
                        interval=interval,
                        change=unlike_clean,
                        difference=unlike_first,
                    )
                )
                for _ in range(len(run.rows)):
                    advance()
    return outcomes, list(weak)


def _scores(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.float32],
    class_names: Sequence[str],
    thresholds: NDArray[np.float64] | None,
) -> dict[str, float]:
    if thresholds is None:
        chosen = multilabel_scores(probabilities, targets, class_names, None)
        # Under the names that F1 at thresholds has, by which it is asked for and resampled.
        return chosen.as_dict() | {"f1_macro_tuned": chosen.f1_macro, "f1_weighted_tuned": chosen.f1_weighted}
    scores = multilabel_scores(probabilities, targets, class_names).as_dict()
    tuned = multilabel_scores(probabilities, targets, class_names, thresholds)
    return scores | {"f1_macro_tuned": tuned.f1_macro, "f1_weighted_tuned": tuned.f1_weighted}


def _sample(
    probabilities: NDArray[np.float32],
    thresholds: NDArray[np.float64] | None,
    draws: PatientResamples,
    metric: str,
    scores: Mapping[str, float],
) -> tuple[Sample | None, str]:
    """Resample the metric; nothing, and why, where resampling would score other classes than the metric."""
    counted = _COUNTED.get(metric)
    resampled = int(draws.scored.sum())
    if not resampled or (counted is not None and scores[counted] != resampled):
        return None, (
            "No intervals: of a scored class, a single test patient has it, or a single one has it not."
        )
    return sample_of({0: score_run(probabilities, thresholds, draws)}, metric), ""


def _paired(sample: Sample | None, other: Sample | None) -> Interval | None:
    return None if sample is None or other is None else mean_interval([subtract(sample, other)])
