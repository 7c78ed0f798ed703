"""Effects of several downstreams as one: over those at hand, and over others of their kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtr

from ecg_tl.statistics.combining import Posterior, RandomEffects, posterior, random_effects
from ecg_tl.statistics.intervals import (
    LEAST_WORTH,
    NO_SPREAD,
    Interval,
    spread,
    total_spread,
    weighted_interval,
)
from ecg_tl.statistics.scoring import Sample, average

FEWEST_DOWNSTREAMS = 3
"""From which on a claim rests on the mean over downstreams of their kind. Two say next to nothing of how far
downstreams differ (Student's t of one degree of freedom): of one or two, claims are about these alone."""


def mean_over_all(samples: Sequence[Sample]) -> Interval:
    """Interval of the plain mean of quantities, some of which share a test set.

    Those of one test set are averaged seed by seed and resample by resample first, so that what they share is
    in the interval; what is left is independent. Of one test set, those that have no seed in common with the
    first are left out.
    """
    terms = _terms(samples)
    return weighted_interval(terms) if terms else Interval(None, reason="Nothing to estimate it from.")


def _terms(samples: Sequence[Sample]) -> list[tuple[float, Sample]]:
    """Give the plain mean as a weighted sum of quantities, one a test set."""
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        group = groups[id(sample.resamples)]
        if set(sample.seeds).intersection(*(s.seeds for s in group)):
            group.append(sample)
    kept = sum(map(len, groups.values()))
    return [(len(group) / kept, average(*group)) for group in groups.values()] if kept else []


@dataclass(frozen=True)
class ByDownstream:
    """One effect a downstream.

    Attributes:
        names: Of the downstreams.
        effects: Of each.
        variances: Of each, for the weights of a random-effects model.
        wide: Of each, as great as a normal distribution would need for the interval of its effect: with few
            seeds more than `variances`.
    """

    names: tuple[str, ...]
    effects: tuple[float, ...]
    variances: tuple[float, ...]
    wide: tuple[float, ...]

    def fitted(self) -> RandomEffects | None:
        """Fit the random-effects model; None of fewer than two."""
        return random_effects(self.effects, self.variances)

    def believed(self, margin: float) -> Posterior | None:
        """Weigh them by Bayes' rule; None of fewer than two."""
        return posterior(self.effects, self.wide, margin)

    def interval(self, fixed: Interval) -> Interval | None:
        """Give the mean over downstreams of their kind; None of fewer than `FEWEST_DOWNSTREAMS`.

        It is no narrower, and its p-value no smaller, than that of the mean over the downstreams at hand: a
        mean of others cannot be known better.

        Args:
            fixed: That mean.
        """
        fitted = self.fitted()
        if fitted is None or fitted.number < FEWEST_DOWNSTREAMS:
            return None
        return random_interval(fitted, fixed)


def random_interval(fitted: RandomEffects, fixed: Interval, above: float = 0.0) -> Interval:
    """Lay the interval of a random-effects mean out as others are; see `ByDownstream.interval`.

    Args:
        fitted: The mean, less `above`: its p-value is of 0.
        fixed: Of the downstreams at hand.
        above: What was taken off.
    """
    mean = fitted.mean + above
    if fixed.low is None or fixed.high is None:
        return replace(fixed, estimate=mean)
    reach = max(fitted.reach(), (fixed.high - fixed.low) / 2)
    return replace(
        fixed,
        estimate=mean,
        low=mean - reach,
        high=mean + reach,
        p=None if fixed.p is None else max(fixed.p, fitted.p),
        method=f"random effects over {fitted.number} downstreams, Hartung and Knapp",
    )


def over_downstreams(samples: Mapping[str, Sequence[Sample]]) -> ByDownstream:
    """Average the quantities of each downstream; one without a variance to judge by is left out."""
    names, effects, variances, wide = [], [], [], []
    for name, own in samples.items():
        terms = _terms(own)
        if not terms or min(sample.worth for _, sample in terms) < LEAST_WORTH:
            continue
        effect = float(sum(weight * sample.mean for weight, sample in terms))
        total = total_spread([(weight, spread(sample)) for weight, sample in terms])
        if np.isfinite(effect) and np.isfinite(total.variance) and total.variance > NO_SPREAD:
            names.append(name)
            effects.append(effect)
            variances.append(total.variance)
            wide.append(max((total.reach(0.05) / float(ndtri(0.975))) ** 2, total.variance))
    return ByDownstream(tuple(names), tuple(effects), tuple(variances), tuple(wide))


def below_p(fitted: RandomEffects, value: float) -> float:
    """Give the p-value of "the mean over downstreams of their kind is at least this", one-sided."""
    if fitted.error <= 0:
        return float(fitted.mean >= value)
    return float(stdtr(fitted.degrees, (fitted.mean - value) / fitted.error))
