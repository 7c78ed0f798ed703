"""Resampling of test patients, and scores under many resamples at once.

A resample gives each patient a weight; all records of a patient carry it, in every run that is tested on the
same records, so that differences between runs are paired. Scores are computed on weighted records.

How patients are drawn: with replacement, one fewer than there are, the weights scaled up to the full number
(Rao and Wu, JASA 83, 1988): the variance of the resamples is then unbiased for linear statistics, where the
plain bootstrap's is too small by a factor (n - 1)/n, which is a half in a group of two.

Classes that resamples would lose: a class with few positive (or negative) patients would be without any in
some resamples, and without a score there. Patients who carry such a side of a class, fewer than
`RARE_PATIENTS` of them, are therefore drawn as a group of their own, the rarest side first, so that some are
always there. All others are one group: strata for every class would take out of the intervals the variation
that comes with how many patients of the other classes are among a class's negatives. Groups overlap where
patients carry several rare sides, so that a class may still be lost now and then; it is then left out of the
mean of that resample, and `PatientResamples.lost` says how often that happened.

A record without an answer to a class is neither a positive nor a negative of it, and is left out for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.decisions import decided

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

RARE_PATIENTS = 10
"""Of ten patients at least one is drawn in all but one of 20,000 resamples."""

LEAST_PATIENTS = 2
"""Positive, and negative, patients that a class needs to be scored: one patient says nothing of how much
another would have changed the score."""

CHUNK = 128
"""Resamples that are worked on at a time, so that a chunk's weights stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class PatientResamples:
    """Weights of patients in each resample of one test set.

    Attributes:
        targets: `bool (records, classes)`; False where there is no answer.
        answered: `bool (records, classes)`.
        patient_of: `(records,)`: which patient each record is of.
        weights: `(chunks, patients, resamples of a chunk)`.
        scored: `(classes,)`: whether at least `LEAST_PATIENTS` patients are positive, and as many negative.
        whole: The test sets of all splits together, of which this is one; None where there is one split.
    """

    targets: Flags
    answered: Flags
    patient_of: Rows
    weights: Floats
    scored: Flags
    whole: PatientResamples | None = None

    @property
    def together(self) -> PatientResamples:
        """The test sets of all splits together, of which this is one; itself where there is one split."""
        return self if self.whole is None else self.whole

    def part(self, targets: NDArray[Any], patient_of: Rows) -> PatientResamples:
        """Give the test set of one split, a part of these records, under the same weights of its patients.

        Args:
            targets: `(records, classes)` of the part; NaN for no answer.
            patient_of: `(records,)`: positions among these patients.
        """
        flags, answered = _flags(targets)
        by_side = carriers(flags, answered, patient_of, self.patients).sum(axis=0).reshape(2, -1)
        scored = np.asarray((by_side >= LEAST_PATIENTS).all(axis=0))
        return PatientResamples(flags, answered, patient_of, self.weights, scored, self)

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.weights.shape[1])

    @property
    def resamples(self) -> int:
        """Number of resamples."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @cached_property
    def patients_by_class(self) -> NDArray[np.int64]:
        """Patients on the rarer side of each class, `(classes,)`."""
        sides = carriers(self.targets, self.answered, self.patient_of, self.patients).sum(axis=0)
        return np.asarray(sides.reshape(2, -1).min(axis=0), dtype=np.int64)

    @property
    def fewest_patients(self) -> int:
        """Patients on the rarer side of the rarest scored class; 0 if no class is scored."""
        return int(self.patients_by_class[self.scored].min()) if self.scored.any() else 0

    @property
    def worth(self) -> float:
        """Degrees of freedom of the variance of a mean over the scored classes; 0 if no class is scored.

        A class whose rarer side `n` patients carry adds a variance of about `1/n`, which is known from these
        with `n - 1` degrees; the sum's follow by Satterthwaite. So one class of two patients among common
        ones leaves little more than one, and several rare classes have as many as they are.
        """
        if not self.scored.any():
            return 0.0
        carried = self.patients_by_class[self.scored].astype(np.float64)
        return float((1 / carried).sum() ** 2 / (1 / carried**2 / (carried - 1)).sum())

    @cached_property
    def lost(self) -> float:
        """Share of resamples in which some scored class is without positives or without negatives."""
        sides = carriers(self.targets, self.answered, self.patient_of, self.patients)[
            :, np.tile(self.scored, 2)
        ]
        held = np.concatenate([sides.T.astype(np.float64) @ chunk > 0 for chunk in self.weights], axis=1)
        return float((~held).any(axis=0).mean())


def carriers(targets: Flags, answered: Flags, patient_of: Rows, patients: int) -> Flags:
    """Say which patients carry which sides: `(patients, 2 x classes)`, positive sides first.

    A patient with a positive and a negative record of one class carries both.
    """
    sides = np.concatenate([targets, answered & ~targets], axis=1)
    held = np.zeros((patients, sides.shape[1]), dtype=bool)
    np.logical_or.at(held, patient_of, sides)
    return held


def resample_patients(
    targets: NDArray[Any], patient_ids: NDArray[Any], resamples: int = 1000, seed: int = 0
) -> PatientResamples:
    """Draw the resamples of a test set; the module's docstring says how.

    Args:
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        patient_ids: `(records,)`; equal for the records of one patient.
        resamples: Rounded up to a multiple of `CHUNK`.
        seed: Of the draws.
    """
    flags, answered = _flags(targets)
    patient_of = np.unique(patient_ids, return_inverse=True)[1].astype(np.int64)
    patients = int(patient_of.max()) + 1
    sides = carriers(flags, answered, patient_of, patients)
    number = sides.sum(axis=0)
    by_side = number.reshape(2, -1)
    group_of = _groups(sides, number)

    chunks = -(-resamples // CHUNK)
    weights = np.empty((chunks, patients, CHUNK))
    rng = np.random.default_rng(seed)
    for group in np.unique(group_of):
        members = np.flatnonzero(group_of == group)
        for chunk in weights:
            chunk[members] = _draw(len(members), rng)
    scored = np.asarray((by_side >= LEAST_PATIENTS).all(axis=0))
    return PatientResamples(flags, answered, patient_of, weights, scored)


def _flags(targets: NDArray[Any]) -> tuple[Flags, Flags]:
    """Say which answers are positive, and which questions were answered at all."""
    answered = ~np.isnan(np.asarray(targets, dtype=np.float64))
    return np.asarray(targets).astype(bool) & answered, answered


def _groups(sides: Flags, number: NDArray[np.int64]) -> Rows:
    """Give each patient its rarest rare side, or -1, as the group that it is drawn in."""
    group_of = np.full(len(sides), -1, dtype=np.int64)
    rare = np.flatnonzero((number >= LEAST_PATIENTS) & (number < RARE_PATIENTS))
    for side in rare[np.argsort(-number[rare], kind="stable")]:  # the rarest last: it has the last word
        group_of[sides[:, side]] = side
    for side in rare:
        if (group_of == side).sum() == 1:
            group_of[group_of == side] = -1
    return group_of


def _draw(patients: int, rng: np.random.Generator) -> Floats:
    """Draw `(patients, CHUNK)` weights of one group; each column sums to the number of patients."""
    if patients == 1:
        return np.ones((1, CHUNK))
    drawn = rng.integers(patients, size=(patients - 1, CHUNK))
    cells = drawn * CHUNK + np.arange(CHUNK)
    counts = np.bincount(cells.ravel(), minlength=patients * CHUNK).reshape(patients, CHUNK)
    return np.asarray(counts * (patients / (patients - 1)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class RankingScores:
    """One class's AUROC and average precision under all resamples.

    Attributes:
        auroc: On the records as they are.
        auprc: On the records as they are.
        auroc_resampled: `(resamples,)`; NaN where a resample lost the class.
        auprc_resampled: `(resamples,)`; as `auroc_resampled`.
        influence: `(patients,)`: how far each patient moves the AUROC from its mean: the sum, over the
            patient's records, of DeLong's structural components less the AUROC, over the number of positives
            or negatives (DeLong et al., Biometrics 44, 1988; with several records a patient: Obuchowski,
            Biometrics 53, 1997). The sum of its squares estimates the AUROC's variance.
    """

    auroc: float
    auprc: float
    auroc_resampled: Floats
    auprc_resampled: Floats
    influence: Floats


def ranking_scores(column: int, probabilities: NDArray[Any], resamples: PatientResamples) -> RankingScores:
    """Score one class's ranking under all resamples.

    Records are sorted once. With positives in falling order of probability, all that a resample needs are the
    weights of negatives above, and at or above, each positive: running sums that are taken only there. Ties
    count a half in the AUROC; tied records pass the threshold together in the average precision, which are
    scikit-learn's definitions of both.

    Args:
        column: Of the class.
        probabilities: `(records,)`.
        resamples: Of the test set; the class must have positives and negatives.
    """
    truth = resamples.targets[:, column]
    scores = np.asarray(probabilities, dtype=np.float64)
    positive, negative = np.flatnonzero(truth), np.flatnonzero(resamples.answered[:, column] & ~truth)
    positive = positive[np.argsort(-scores[positive], kind="stable")]
    negative = negative[np.argsort(-scores[negative], kind="stable")]
    falling_positive, falling_negative = -scores[positive], -scores[negative]
    above = np.searchsorted(falling_negative, falling_positive, side="left")
    at_or_above = np.searchsorted(falling_negative, falling_positive, side="right")
    last_tied = np.searchsorted(falling_positive, falling_positive, side="right") - 1

    def score(weights: Floats) -> tuple[Floats, Floats]:
        """Score under weights of patients `(patients, columns)`."""
        of_positive = weights[resamples.patient_of[positive]]
        more, as_many, (all_negative,) = _running_sums(
            weights, resamples.patient_of[negative], above, at_or_above, np.array([len(negative)])
        )
        running_positive = of_positive.cumsum(axis=0)[last_tied]
        all_positive = of_positive.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            auroc = 1 - (of_positive * (more + as_many)).sum(axis=0) / (2 * all_positive * all_negative)
            precision = running_positive / (running_positive + as_many)
            auprc = (of_positive * np.where(of_positive > 0, precision, 0)).sum(axis=0) / all_positive
        lost = (all_positive == 0) | (all_negative == 0)
        return np.where(lost, np.nan, auroc), np.where(lost, np.nan, auprc)

    auroc, auprc = (float(value[0]) for value in score(np.ones((resamples.patients, 1))))
    chunks = [score(chunk) for chunk in resamples.weights]
    beaten = len(negative) - (above + at_or_above) / 2  # negatives below each positive
    beaten_by = (
        np.searchsorted(falling_positive, falling_negative, side="left")
        + np.searchsorted(falling_positive, falling_negative, side="right")
    ) / 2
    by_record = np.zeros(len(scores))
    by_record[positive] = (beaten / len(negative) - auroc) / len(positive)
    by_record[negative] = (beaten_by / len(positive) - auroc) / len(negative)
    return RankingScores(
        auroc,
        auprc,
        np.concatenate([chunk[0] for chunk in chunks]),
        np.concatenate([chunk[1] for chunk in chunks]),
        np.bincount(resamples.patient_of, weights=by_record, minlength=resamples.patients).astype(np.float64),
    )


def _running_sums(weights: Floats, patient_of: Rows, *ends: Rows) -> tuple[Floats, ...]:
    """Sum the weights of the first `end` records, for each of the ends, `(ends, columns)`."""
    cuts = np.unique(np.concatenate([[0], *ends]))
    inner = cuts[cuts < len(patient_of)]
    pieces = np.add.reduceat(weights[patient_of], inner, axis=0)
    running = np.zeros((len(inner) + 1, weights.shape[1]))
    np.cumsum(pieces, axis=0, out=running[1:])
    return tuple(running[np.searchsorted(cuts, end)] for end in ends)


@dataclass(frozen=True, eq=False)
class F1Scores:
    """F1 of decisions, averaged over all classes with answers, under all resamples.

    Attributes:
        macro: On the records as they are.
        weighted: By the number of positives, on the records as they are.
        macro_resampled: `(resamples,)`.
        weighted_resampled: `(resamples,)`.
    """

    macro: float
    weighted: float
    macro_resampled: Floats
    weighted_resampled: Floats


def f1_scores(
    probabilities: NDArray[Any], thresholds: NDArray[Any] | None, resamples: PatientResamples
) -> F1Scores:
    """Score decisions: a class is given where its probability is at or above its threshold.

    A class with neither positives nor decisions counts 0, one without any answer is in no mean, as in
    `ecg_tl.metrics`.

    Args:
        probabilities: `(records, classes)`.
        thresholds: `(classes,)`, chosen on validation data; None for the most probable class of each record.
        resamples: Of the test set.
    """
    given = decided(probabilities, thresholds) & resamples.answered
    truth = resamples.targets
    has_answers = resamples.answered.any(axis=0)
    by_record = np.concatenate([truth & given, given, truth], axis=1).astype(np.float64)
    by_patient = np.zeros((resamples.patients, by_record.shape[1]))
    np.add.at(by_patient, resamples.patient_of, by_record)

    def score(weights: Floats) -> tuple[Floats, Floats]:
        right, given_in_all, positives = np.split(by_patient.T @ weights, 3)
        either = given_in_all + positives
        f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
        total = positives.sum(axis=0)
        weighted = np.divide((f1 * positives).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
        return f1[has_answers].mean(axis=0), weighted

    macro, weighted = (float(value[0]) for value in score(np.ones((resamples.patients, 1))))
    chunks = [score(chunk) for chunk in resamples.weights]
    return F1Scores(
        macro, weighted, np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])
    )
