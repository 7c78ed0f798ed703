"""A run's test scores under all resamples of its test patients, and the quantities made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.replication import UnitVariances, unit_variances
from ecg_tl.statistics.resampling import F1Scores, Floats, PatientResamples, f1_scores, ranking_scores
from ecg_tl.statistics.seed_spread import SeedPrior

PRIMARY = "auroc_macro"
AVERAGES = (PRIMARY, "auprc_macro", "f1_weighted_tuned", "f1_macro_tuned")


@dataclass(frozen=True, eq=False)
class Sample:
    """A quantity of one test set, by seed, with what is known of its variation.

    Attributes:
        resamples: Of the test set; quantities of one test set share the same object.
        seeds: Numbers of the `S` trainings (`ecg_tl.statistics.replication`), in order: seeds, on one split.
        values: `(S,)`.
        resampled: `(S, resamples)`; NaN where a resample has no value.
        influence: `(S, patients)`, on the AUROC that belongs to it.
        fewest: Patients on the rarer side of the rarest class that is in it.
        worth: Degrees of freedom that these patients leave, see `PatientResamples.worth`.
        prior: What the study says of the spread between seeds; None if nothing.
        upstreams: Which training of the upstream each of `seeds` starts from; empty where there is one.
        price: Of the look at the study that it is taken at; see `ecg_tl.statistics.looks`.
    """

    resamples: PatientResamples
    seeds: tuple[int, ...]
    values: Floats
    resampled: Floats
    influence: Floats
    fewest: int
    worth: float
    prior: SeedPrior | None = None
    upstreams: tuple[int, ...] = ()
    price: float = 1.0

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.values.mean())


def combine(*terms: tuple[float, Sample]) -> Sample:
    """Form a weighted sum of quantities of one test set, seed by seed, on the seeds that all have.

    Raises:
        ValueError: If they are of different test sets, or have no seed in common.
    """
    first = terms[0][1]
    seeds = tuple(s for s in first.seeds if all(s in sample.seeds for _, sample in terms))
    if not seeds or any(sample.resamples is not first.resamples for _, sample in terms):
        raise ValueError("quantities of one test set with a seed in common can be combined")
    values = np.zeros(len(seeds))
    resampled = np.zeros((len(seeds), first.resampled.shape[1]))
    influence = np.zeros((len(seeds), first.influence.shape[1]))
    for weight, sample in terms:
        rows = [sample.seeds.index(s) for s in seeds]
        values += weight * sample.values[rows]
        resampled += weight * sample.resampled[rows]
        influence += weight * sample.influence[rows]
    fewest, worth = min(sample.fewest for _, sample in terms), min(sample.worth for _, sample in terms)
    return Sample(
        first.resamples,
        seeds,
        values,
        resampled,
        influence,
        fewest,
        worth,
        first.prior,
        _upstreams([sample for _, sample in terms], seeds),
        first.price,
    )


def _upstreams(samples: Sequence[Sample], seeds: Sequence[int]) -> tuple[int, ...]:
    """Say which training of an upstream each training starts from, as the first says that has one."""
    for sample in samples:
        if sample.upstreams:
            return tuple(sample.upstreams[sample.seeds.index(seed)] for seed in seeds)
    return ()


def subtract(minuend: Sample, subtrahend: Sample) -> Sample:
    """Form a difference; see `combine`."""
    return combine((1.0, minuend), (-1.0, subtrahend))


def average(*samples: Sample) -> Sample:
    """Form a mean; see `combine`."""
    return combine(*((1 / len(samples), sample) for sample in samples))


@dataclass(frozen=True, eq=False)
class RunScores:
    """One run's test scores. Classes that are not `resamples.scored` have NaN throughout.

    Attributes:
        resamples: Of its test set.
        auroc: `(classes,)`.
        auprc: `(classes,)`.
        auroc_resampled: `(classes, resamples)`.
        auprc_resampled: `(classes, resamples)`.
        influence: `(classes, patients)`, on the AUROC.
        f1: At the run's thresholds, or of its choices.
    """

    resamples: PatientResamples
    auroc: Floats
    auprc: Floats
    auroc_resampled: Floats
    auprc_resampled: Floats
    influence: Floats
    f1: F1Scores

    def quantity(self, metric: str) -> tuple[float, Floats, Floats]:
        """Give value, resampled values and influence of one of `AVERAGES`.

        The averages over classes are of those that are scored; in a resample that lost one, of the others.
        """
        scored = self.resamples.scored
        if metric.startswith("f1"):
            f1 = self.f1
            macro = metric.startswith("f1_macro")
            value, resampled = (
                (f1.macro, f1.macro_resampled) if macro else (f1.weighted, f1.weighted_resampled)
            )
            influence = (
                self.influence[scored].mean(axis=0) if scored.any() else self.influence.sum(axis=0) * 0
            )
            return value, resampled, np.nan_to_num(influence)
        if not scored.any():
            return np.nan, self.auroc_resampled[0], np.zeros(self.resamples.patients)
        values, by_class = (
            (self.auroc, self.auroc_resampled) if metric == PRIMARY else (self.auprc, self.auprc_resampled)
        )
        kept = by_class[scored]
        there = np.isfinite(kept)
        number = there.sum(axis=0)
        resampled = np.where(number > 0, np.where(there, kept, 0).sum(axis=0) / np.maximum(number, 1), np.nan)
        return float(values[scored].mean()), resampled, self.influence[scored].mean(axis=0)


def score_run(
    probabilities: NDArray[Any], thresholds: NDArray[Any] | None, resamples: PatientResamples
) -> RunScores:
    """Score a run's test predictions under all resamples.

    Args:
        probabilities: `(records, classes)`, in the order of the records of `resamples`.
        thresholds: `(classes,)`; None for the most probable class of each record.
        resamples: Of the test set.
    """
    classes = probabilities.shape[1]
    auroc, auprc = np.full(classes, np.nan), np.full(classes, np.nan)
    auroc_resampled = np.full((classes, resamples.resamples), np.nan)
    auprc_resampled = auroc_resampled.copy()
    influence = np.full((classes, resamples.patients), np.nan)
    for k in np.flatnonzero(resamples.scored):
        ranked = ranking_scores(int(k), probabilities[:, k], resamples)
        auroc[k], auprc[k] = ranked.auroc, ranked.auprc
        auroc_resampled[k], auprc_resampled[k] = ranked.auroc_resampled, ranked.auprc_resampled
        influence[k] = ranked.influence
    f1 = f1_scores(probabilities, thresholds, resamples)
    return RunScores(resamples, auroc, auprc, auroc_resampled, auprc_resampled, influence, f1)


def sample_of(runs: Mapping[int, RunScores], metric: str = PRIMARY, prior: SeedPrior | None = None) -> Sample:
    """Give an average over classes as a quantity.

    Args:
        runs: One configuration's, by seed.
        metric: One of `AVERAGES`.
        prior: What the study says of the spread between seeds.
    """
    seeds = tuple(sorted(runs))
    resamples = runs[seeds[0]].resamples.together
    values, resampled, influence = zip(*(runs[s].quantity(metric) for s in seeds), strict=True)
    fewest, worth = resamples.fewest_patients, resamples.worth
    return Sample(
        resamples, seeds, np.array(values), np.stack(resampled), np.stack(influence), fewest, worth, prior
    )


def class_sample(
    runs: Mapping[int, RunScores], column: int, metric: str = "auroc", prior: SeedPrior | None = None
) -> Sample:
    """Give one scored class's AUROC or average precision as a quantity.

    Args:
        runs: One configuration's, by seed.
        column: Of the class.
        metric: `auroc` or `auprc`.
        prior: What the study says of the spread between seeds.
    """
    seeds = tuple(sorted(runs))
    resamples = runs[seeds[0]].resamples.together
    values = np.array([getattr(runs[s], metric)[column] for s in seeds])
    resampled = np.stack([getattr(runs[s], f"{metric}_resampled")[column] for s in seeds])
    influence = np.stack([runs[s].influence[column] for s in seeds])
    fewest = int(resamples.patients_by_class[column])
    return Sample(resamples, seeds, values, resampled, influence, fewest, fewest - 1.0, prior)


def units_of(sample: Sample) -> UnitVariances | None:
    """Give the variance of a quantity over what was repeated; None with one training."""
    kept = sample.resampled[:, np.isfinite(sample.resampled).all(axis=0)]
    if kept.shape[1] < 2:
        return None
    return unit_variances(sample.seeds, sample.upstreams, sample.values, kept)


def spread_ratio(sample: Sample) -> float:
    """Give `V_seeds` as a multiple of `V_both`; 0 where there is none."""
    units = units_of(sample)
    return units.of_units / units.of_both if units is not None and units.of_both > 0 else 0.0
