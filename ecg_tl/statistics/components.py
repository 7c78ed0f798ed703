"""How much patients, split, seed and upstream each move a difference of two arms; and what a design can show.

**Components.** By moments, from the same numbers as the intervals. With `t` the difference of one training
each, on one split, from one training of the upstream, tested on one test set:

- patients: the variance of the mean under resampling, less what single trainings put into it;
- rest: what patients and trainings do together: the mean variance of `t` about the trainings' mean, when the
  patients are resampled;
- seed: the variance of `t` between trainings of one split and one upstream, less the rest;
- split, upstream: the variance between the means of each, less what its trainings put into these.

None is below 0. What was run once has no estimate: it is in no interval.

**Power.** Of a design with other numbers of each, the variance of the mean follows: the patients' part goes
with the number of test patients, the others with what they are means over. The smallest difference that is
shown with a probability of 80 % is the half width of the interval and `t(0.8)` standard errors more (degrees
of freedom by Satterthwaite).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ecg_tl.statistics.replication import split_of
from ecg_tl.statistics.scoring import Sample

POWER = 0.8

TESTED_SHARE = 0.2
"""Of the patients, in the test set of one split."""


@dataclass(frozen=True)
class Components:
    """Variances of a difference; each is of one test set, one split, one seed, one training of the upstream.

    Attributes:
        patients: Of a test set of `test_patients`.
        split: None with one split.
        upstream: None with one training of it.
        seed: None with one training on each split.
        rest: Patients and trainings together, on as many patients.
        test_patients: In the test set of one split, on average.
        splits: How many.
        upstreams: How many.
        trainings: In all.
    """

    patients: float
    split: float | None
    upstream: float | None
    seed: float | None
    rest: float
    test_patients: float
    splits: int
    upstreams: int
    trainings: int


def components_of(sample: Sample, test_patients: float) -> Components | None:
    """Estimate them; None where the patients cannot be resampled.

    Args:
        sample: A difference of two arms.
        test_patients: Of one split, on average.
    """
    kept = sample.resampled[:, np.isfinite(sample.resampled).all(axis=0)]
    if kept.shape[1] < 2:
        return None
    trainings = len(sample.seeds)
    splits = np.array([split_of(number) for number in sample.seeds])
    named = sample.upstreams if len(sample.upstreams) == trainings else (0,) * trainings
    upstreams = np.array(named)
    number_of_splits, number_of_upstreams = len(set(splits.tolist())), len(set(named))
    of_mean = float(kept.mean(axis=0).var(ddof=1))
    if trainings == 1:
        return Components(of_mean, None, None, None, 0.0, test_patients, 1, 1, 1)
    own = kept - kept.mean(axis=0)
    rest = float(own.var(axis=1, ddof=1).mean()) * trainings / (trainings - 1)
    inner = np.unique(np.stack([splits, upstreams]), axis=1, return_inverse=True)[1].ravel()
    within = _within(sample.values, inner)
    seed = None if within is None else max(within - rest, 0.0)
    # With one training in each, what differs within is not known: the spread between holds it too.
    inside = rest if within is None else within
    return Components(
        patients=max(of_mean - rest / trainings, 0.0),
        split=_between(sample.values, splits, inside),
        upstream=_between(sample.values, upstreams, inside),
        seed=seed,
        rest=rest,
        test_patients=test_patients,
        splits=number_of_splits,
        upstreams=number_of_upstreams,
        trainings=trainings,
    )


def _within(values: np.ndarray, groups: np.ndarray) -> float | None:
    """Give the variance within groups, pooled; None where each has one value."""
    degrees = len(values) - len(np.unique(groups))
    if not degrees:
        return None
    members = [values[groups == g] for g in np.unique(groups)]
    return float(sum(((own - own.mean()) ** 2).sum() for own in members)) / degrees


def _between(values: np.ndarray, groups: np.ndarray, inside: float) -> float | None:
    """Give the variance between groups, less what their members put into their means; None with one group."""
    means = [values[groups == g].mean() for g in np.unique(groups)]
    if len(means) < 2:
        return None
    sizes = [int((groups == g).sum()) for g in np.unique(groups)]
    return max(float(np.var(means, ddof=1)) - inside * float(np.mean([1 / size for size in sizes])), 0.0)


@dataclass(frozen=True)
class StudyScale:
    """How much of everything a study has.

    Attributes:
        test_patients: In the test set of one split.
        seeds: Trainings on each split.
        splits: Divisions of the patients.
        upstreams: Trainings of the upstream.
    """

    test_patients: float
    seeds: int
    splits: int = 1
    upstreams: int = 1


def smallest_difference(components: Components, scale: StudyScale, power: float = POWER) -> float | None:
    """Give the smallest difference that a study of this scale shows with that probability, at 5 %, two-sided.

    None with one training in all, which shows nothing. What is run once is left out, as it is in the study's
    intervals. Further splits test further patients, up to all; each is taken to test a fifth of them.
    """
    trainings = scale.seeds * scale.splits
    if trainings < 2:
        return None
    ratio = components.test_patients / scale.test_patients
    tested = TESTED_SHARE / (1 - (1 - TESTED_SHARE) ** scale.splits)
    parts = [(components.patients * ratio * tested, max(scale.test_patients - 1.0, 1.0))]
    repeated = (components.seed or 0.0) + components.rest * ratio
    if scale.splits > 1:
        parts.append(((components.split or 0.0) / scale.splits + repeated / trainings, scale.splits - 1.0))
    else:
        parts.append((repeated / trainings, scale.seeds - 1.0))
    if scale.upstreams > 1:
        parts.append(((components.upstream or 0.0) / scale.upstreams, scale.upstreams - 1.0))
    variance = sum(part for part, _ in parts)
    if variance <= 0:
        return None
    reach = math.sqrt(sum(part * float(stdtrit(degrees, 0.975)) ** 2 for part, degrees in parts))
    degrees = variance**2 / sum(part**2 / known for part, known in parts if part > 0)
    return reach + math.sqrt(variance) * float(stdtrit(degrees, power))


def pooled(found: Sequence[Components]) -> Components | None:
    """Average the components of several comparisons; None without any."""
    if not found:
        return None

    def mean(name: str) -> float | None:
        known = [getattr(one, name) for one in found if getattr(one, name) is not None]
        return float(np.mean(known)) if known else None

    patients = float(np.mean([one.test_patients for one in found]))
    return Components(
        patients=float(np.mean([one.patients * one.test_patients for one in found])) / patients,
        split=mean("split"),
        upstream=mean("upstream"),
        seed=mean("seed"),
        rest=float(np.mean([one.rest * one.test_patients for one in found])) / patients,
        test_patients=patients,
        splits=min(one.splits for one in found),
        upstreams=min(one.upstreams for one in found),
        trainings=min(one.trainings for one in found),
    )
