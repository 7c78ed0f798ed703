"""Confidence intervals over patients and seeds together, and what goes with them.

**The model.** A score, or a difference of scores, of `S` trainings on the same test patients varies for two
reasons that are crossed: other patients would have been tested, and other seeds would have been drawn. With
`t(s)` the value of seed `s`, the mean over the seeds has the variance

    V = V_patients + V_seeds - V_both

- `V_patients`: variance of the mean over seeds when patients are resampled, the same patients for all seeds
  and both arms. It holds the patients' part and, averaged, that of patients and seeds together.
- `V_seeds`: sample variance of `t(s)` over `S`. It holds the seeds' part and, again, that of both together.
- `V_both`: variance when patients are resampled of `t(s)` less the mean over seeds, averaged over the seeds,
  over `S - 1`: the part that the other two count twice.

`V_both` is taken off the patients' part, never below 0, and the seeds' part holds all of it. The interval
is the mean plus and minus

    sqrt( t(d)² (V_patients - V_both) + t(s)² V_seeds )

with Student's t for each part's own degrees of freedom (Howe, JASA 69, 1974), `s = S - 1` by themselves.
One t with Satterthwaite's degrees of freedom for the sum was tried and covers too seldom with three seeds:
where chance makes the spread of the seeds small, it makes the degrees of freedom great as well. Nor is
`V_both` taken off the seeds' part where their spread happens to be small: then chance alone would say that
seeds do not matter. `V_seeds` and `s` are weighed with what the study's other configurations say of the
spread between seeds, where there are four or more (`ecg_tl.statistics.seed_spread`); without that three
seeds have t(2), and p-values that can stand a correction for many comparisons do not occur. A percentile
interval over seeds and patients is far too narrow where seeds dominate: the variance of five values drawn
again from themselves is 4/5 of what it should be, and knows nothing of t. The p-value is the level at which
the interval touches 0.

Of a study that is looked at several times, each look has a price: p-values are multiplied by it, and the
tails of intervals divided (`ecg_tl.statistics.looks`).

Over several test sets, each part is summed by itself, its degrees of freedom by Satterthwaite.

`d`, the degrees of freedom of `V_patients`, comes from each patient's influence on the AUROC (DeLong): with
`L` the influences of `P` patients, the sum of squares estimates the variance, and by its own sampling
variance `d = 2 (ΣL²)² / (ΣL⁴ - (ΣL²)²/P)`: about `P` where influence is spread evenly, about two thirds of
the positives where these few carry all. F1 and average precision use that of the AUROC.

With one seed only patients can be resampled: the interval holds `V_patients` alone, and says nothing of how
another training of the same kind would have done. It then has no p-value, and nothing is judged by it. No
interval covers other training sets, splits or datasets, or another training of the upstream.

**How well they cover**: see `docs/statistics.md` for the simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from ecg_tl.statistics.resampling import Floats, resample_patients
from ecg_tl.statistics.scoring import Sample, class_sample, sample_of, score_run, units_of

LEVEL = 0.95
SIGNIFICANT = 0.05

LEAST_PATIENTS = 4
"""Positive (and negative) patients of a class that its interval takes: with two it would hold the truth in 82
to 87 of 100 studies, with three in 91 to 93, with four in 94 to 96 (docs/statistics.md)."""

LEAST_WORTH = LEAST_PATIENTS - 1.0
"""Degrees of freedom that a class of so many leaves, and that a mean over classes takes as well."""

FEW_PATIENTS = 5
"""Positive (or negative) patients of a class below which the interval of a mean over classes is rough."""

NO_SPREAD = 1e-18
"""Variance that is rounding alone."""

NOTHING_SCORED = "No class has two test patients with it and two without."
NOT_SCORED = "Fewer than two test patients with, or without, it."

ONE_TRAINING = (
    "One training each: the interval is over test patients alone. Another training could turn it round, so "
    "there is no verdict."
)

HOLDS_FOR = (
    "Intervals are over test patients and seeds (with one seed, over patients alone). They hold for this "
    "split of these records and for this one training of each upstream. In a separate audit on LUDB (204 "
    "trainings) an upstream trained anew moved the gain by a standard deviation of 0.012, which is in no "
    "interval here; another split or another hospital would change more."
)

HOLDS_BEYOND = (
    "Intervals are over test patients, seeds, and those of splits and trainings of the upstream that were "
    "repeated. They hold for divisions of these records; another hospital would change more."
)

PATIENTS_AND_SEEDS = "patients and seeds"
PATIENTS_ONLY = "patients only"


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes:
        estimate: None if there is nothing to estimate from.
        low: None if no interval can be given; `reason` says why.
        high: As `low`.
        p: Two-sided p-value of "no difference", where the estimate is one; before any correction. None where
            nothing can be judged: without an interval, and with one training each.
        seeds: Trainings behind it.
        patients: Test patients behind it.
        method: How it was computed, for a footnote: `patients and seeds`, `patients only`, ...
        reason: Why there is no estimate or no interval, or what weakens it, as a sentence; else empty.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int = 0
    patients: int = 0
    method: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Spread:
    """Variance of an estimate in its two parts, and how well each is known.

    Attributes:
        patients: The patients' part, `V_patients - V_both`.
        patient_degrees: Degrees of freedom of `V_patients`.
        seeds: The seeds' part, `V_seeds`; 0 with one seed.
        seed_degrees: Degrees of freedom of `V_seeds`; 0 with one seed.
        alone: `V_patients`: no interval is narrower than one over patients alone would be.
        most_degrees: That `V_seeds` can have, however many are summed; infinite if they are independent.
        choice: What the choice of the estimated quantity adds; see `ecg_tl.statistics.choice`.
    """

    patients: float
    patient_degrees: float
    seeds: float
    seed_degrees: float
    alone: float = 0.0
    most_degrees: float = math.inf
    choice: float = 0.0

    @property
    def variance(self) -> float:
        """Of the estimate."""
        return max(self.patients + self.seeds, self.alone) + self.choice

    def reach(self, tails: float) -> float:
        """Half the width of the interval that leaves out `tails` of the probability, 0.05 for 95 %."""
        square = float(stdtrit(self.patient_degrees, tails / 2)) ** 2 * self.patients
        if self.seeds > 0:
            square += float(stdtrit(self.seed_degrees, tails / 2)) ** 2 * self.seeds
        square = max(square, float(stdtrit(self.patient_degrees, tails / 2)) ** 2 * self.alone)
        # Known from hundreds of redrawn choices: its quantile is the normal one.
        return math.sqrt(square + float(ndtri(tails / 2)) ** 2 * self.choice)

    def p_value(self, estimate: float) -> float:
        """Find the level at which the interval touches 0, as a two-sided p-value."""
        # The logarithm of p is nearly a line in the logarithm of the reach: a few steps find it.
        if self.reach(math.exp(-100)) <= abs(estimate):
            return math.exp(-100)
        if self.reach(1 - 1e-12) >= abs(estimate):
            return 1.0
        from scipy.optimize import brentq  # half a second to import, and few ask for it

        found = brentq(lambda log_p: self.reach(math.exp(log_p)) - abs(estimate), -100.0, -1e-12, xtol=1e-12)
        return math.exp(float(found))


def spread(sample: Sample) -> Spread:
    """Estimate the variance of a quantity's mean over its seeds; the module's docstring derives it."""
    kept = sample.resampled[:, np.isfinite(sample.resampled).all(axis=0)]
    if kept.shape[1] < 2:
        return Spread(math.nan, math.nan, 0.0, 0.0)
    of_patients = float(kept.mean(axis=0).var(ddof=1))
    degrees = influence_degrees(sample.influence.mean(axis=0))
    units = units_of(sample)
    if units is None:
        return Spread(of_patients, degrees, 0.0, 0.0, of_patients)
    of_seeds, of_both, seed_degrees = units.of_units, units.of_both, units.degrees
    most = math.inf
    # Other configurations say how far seeds and splits spread, and nothing of trainings of this upstream.
    if sample.prior is not None and of_both > NO_SPREAD and "upstream" not in units.kind:
        ratio, seed_degrees = sample.prior.moderate(of_seeds / of_both, seed_degrees)
        of_seeds, most = ratio * of_both, sample.prior.most
    return Spread(max(of_patients - of_both, 0.0), degrees, of_seeds, seed_degrees, of_patients, most)


def total_spread(terms: Sequence[tuple[float, Spread]]) -> Spread:
    """Variance of a weighted sum of independent estimates."""

    def degrees(parts: Sequence[tuple[float, float]]) -> float:
        rest = sum(v**2 / d for v, d in parts if v > 0)
        return sum(v for v, _ in parts) ** 2 / rest if rest > 0 else max((d for _, d in parts), default=0.0)

    of_patients = [(w**2 * part.patients, part.patient_degrees) for w, part in terms]
    of_seeds = [(w**2 * part.seeds, part.seed_degrees) for w, part in terms]
    most = min(part.most_degrees for _, part in terms)
    return Spread(
        sum(v for v, _ in of_patients),
        degrees(of_patients),
        sum(v for v, _ in of_seeds),
        min(degrees(of_seeds), most),
        sum(w**2 * part.alone for w, part in terms),
        most,
    )


def influence_degrees(influence: Floats) -> float:
    """Degrees of freedom of a variance that is estimated by the sum of squares of these influences."""
    patients = len(influence)
    squares = influence**2
    total = float(squares.sum())
    spare = float((squares**2).sum()) - total**2 / patients
    most = max(patients - 1.0, 1.0)
    return most if spare <= 0 else min(max(2 * total**2 / spare, 1.0), most)


def mean_interval(samples: Sequence[Sample], level: float = LEVEL, choice: float = 0.0) -> Interval:
    """Interval of the mean of quantities, each of a test set of its own, or one quantity's own interval.

    Test sets are taken to be independent of each other: quantities of one test set must be combined first.
    Each test set counts the same. The interval is about these test sets' datasets, not about others. `choice`
    is the variance that comes with the choice of the quantity (`ecg_tl.statistics.choice`).
    """
    if not samples:
        return Interval(None, reason="Nothing to estimate it from.")
    return weighted_interval([(1 / len(samples), sample) for sample in samples], level, choice)


def weighted_interval(
    terms: Sequence[tuple[float, Sample]], level: float = LEVEL, choice: float = 0.0
) -> Interval:
    """Interval of a weighted sum of quantities, each of a test set of its own; see `mean_interval`."""
    estimate = float(sum(weight * sample.mean for weight, sample in terms))
    seeds = min(len(sample.seeds) for _, sample in terms)
    patients = sum(sample.resamples.patients for _, sample in terms)
    total = replace(total_spread([(weight, spread(sample)) for weight, sample in terms]), choice=choice)
    method = PATIENTS_ONLY if seeds == 1 else PATIENTS_AND_SEEDS
    bare = Interval(estimate, seeds=seeds, patients=patients, method=method)
    if not math.isfinite(estimate):
        return replace(bare, estimate=None, reason=NOTHING_SCORED)
    if min(sample.worth for _, sample in terms) < LEAST_WORTH:
        return replace(bare, reason=_too_few_patients(min(sample.fewest for _, sample in terms)))
    if not math.isfinite(total.variance):
        return replace(bare, reason="Resamples of the patients lose every class.")
    if total.variance <= NO_SPREAD:
        return replace(bare, reason="No resample of the patients changes it: there is no spread to judge by.")
    price = max(sample.price for _, sample in terms)
    reach = total.reach((1 - level) / price)
    return replace(
        bare,
        low=estimate - reach,
        high=estimate + reach,
        p=None if seeds == 1 else min(total.p_value(estimate) * price, 1.0),
        reason=_weakness([sample for _, sample in terms]),
    )


def _weakness(samples: Sequence[Sample]) -> str:
    reasons = []
    if any(len(sample.seeds) == 1 for sample in samples):
        reasons.append(ONE_TRAINING)
    reasons.append(_few_patients(min(sample.fewest for sample in samples)))
    lost = max(sample.resamples.lost for sample in samples)
    if lost > 0.001:
        reasons.append(f"In {lost:.1%} of the resamples a class was without positives or negatives.")
    return " ".join(filter(None, reasons))


def _too_few_patients(fewest: int) -> str:
    return (
        f"Only {fewest} test patients have, or lack, a class of it: no interval. It takes {LEAST_PATIENTS} "
        "of a class that weighs as much, or it would hold the truth too seldom."
    )


def _few_patients(fewest: int) -> str:
    if fewest >= FEW_PATIENTS:
        return ""
    return f"A class has only {fewest} patients with, or without, it in the test set: the interval is rough."


def one_sided_p(sample: Sample, margin: float, choice: float = 0.0) -> float | None:
    """Give the p-value of "it is at least `margin`": small where the quantity is shown to be less.

    None where there is no spread to judge by, one training alone, or too few patients.
    """
    known = replace(spread(sample), choice=choice)
    if (
        len(sample.seeds) == 1
        or sample.worth < LEAST_WORTH
        or not math.isfinite(sample.mean)
        or not known.variance > NO_SPREAD
    ):
        return None
    two_sided = known.p_value(sample.mean - margin)
    one_sided = two_sided / 2 if sample.mean < margin else 1 - two_sided / 2
    return min(one_sided * sample.price, 1.0)


def equivalence_p(sample: Sample, margin: float, choice: float = 0.0) -> float | None:
    """Give the p-value of "it is at least `margin` from 0": small where it is shown to be less, either way.

    It is the level at which the two-sided interval touches the margin, so that below 0.05 the 95 % interval
    lies within plus and minus the margin: twice the greater of the two one-sided p-values (two one-sided
    tests: Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).

    None where nothing can be judged: as `one_sided_p`.
    """
    ends = [one_sided_p(one, margin, choice) for one in (sample, _turned(sample))]
    known = [p for p in ends if p is not None]
    return min(1.0, 2 * max(known)) if len(known) == len(ends) else None


def _turned(sample: Sample) -> Sample:
    return replace(sample, values=-sample.values, resampled=-sample.resampled, influence=-sample.influence)


# One model's own scores ---------------------------------------------------------------------------------


def score_intervals(
    targets: NDArray[Any],
    probabilities: NDArray[Any],
    patient_ids: Sequence[Any] | NDArray[Any],
    class_names: Sequence[str],
    thresholds: Sequence[float] | NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    *,
    single_choice: bool = False,
) -> dict[str, Interval]:
    """Give one model's test scores with 95 % intervals over patients.

    Args:
        targets: `(records, classes)` of zeros and ones.
        probabilities: `(records, classes)`.
        patient_ids: `(records,)`; give each record one of its own where patients are not known.
        class_names: One a column.
        thresholds: For the F1 values, one a class; 0.5 if None.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        single_choice: Whether the most probable class is chosen: then thresholds are not looked at.

    Returns:
        `auroc_macro`, `auprc_macro`, `f1_macro`, `f1_weighted`, and `auroc/NAME` and `auprc/NAME` for each
        class. A class with positives or negatives of fewer than two patients has no estimate, and is in no
        mean of AUROC or AUPRC.
    """
    draws = resample_patients(np.asarray(targets), np.asarray(patient_ids), resamples, seed)
    cuts = np.full(len(class_names), 0.5) if thresholds is None else np.asarray(thresholds)
    runs = {0: score_run(np.asarray(probabilities), None if single_choice else cuts, draws)}
    found = {
        name: _model_interval(sample_of(runs, metric))
        for name, metric in (
            ("auroc_macro", "auroc_macro"),
            ("auprc_macro", "auprc_macro"),
            ("f1_macro", "f1_macro_tuned"),
            ("f1_weighted", "f1_weighted_tuned"),
        )
    }
    for k, name in enumerate(class_names):
        for metric in ("auroc", "auprc"):
            found[f"{metric}/{name}"] = (
                _model_interval(class_sample(runs, k, metric))
                if draws.scored[k]
                else Interval(None, reason=NOT_SCORED)
            )
    return found


def _model_interval(sample: Sample) -> Interval:
    """Drop what is said of seeds and of "no difference": this is one model as it stands."""
    interval = score_interval(sample)
    return replace(
        interval, p=None, reason=_few_patients(sample.fewest) if interval.low is not None else interval.reason
    )


def score_interval(sample: Sample) -> Interval:
    """Interval of a score between 0 and 1 (not of a difference), without a p-value.

    It is symmetric on the scale of the logit, where scores near 1 are closer to normal, and so within (0, 1).
    """
    interval = mean_interval([sample])
    estimate = interval.estimate
    if estimate is None or interval.low is None or interval.high is None or not 0 < estimate < 1:
        return replace(interval, low=None, high=None, p=None)
    centre = math.log(estimate / (1 - estimate))
    reach = (interval.high - interval.low) / 2 / (estimate * (1 - estimate))
    low, high = (0.5 + 0.5 * math.tanh((centre + way * reach) / 2) for way in (-1, 1))
    return replace(interval, low=low, high=high, p=None)
