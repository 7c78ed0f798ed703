"""One effect out of several downstreams, which differ among each other in more than chance.

The effect of downstream `i` is measured as `y(i)` with variance `v(i)`; its true effects spread around a
mean with the standard deviation `tau`: `y(i) ~ N(mean, v(i) + tau²)`. The fixed mean over the downstreams at
hand says nothing of others; the mean of this model is about downstreams of their kind.

- `tau` by restricted maximum likelihood (Viechtbauer, J. Educ. Behav. Stat. 30, 2005), its interval by the
  Q profile (Viechtbauer, Stat. Med. 26, 2007).
- The mean weighs each with `1 / (v + tau²)`; its standard error is that of Hartung and Knapp (Stat. Med. 20,
  2001), with Student's t of one degree of freedom fewer than downstreams. With few of them that is wide, and
  rightly so: two or three say little of a fourth.
- The prediction interval of another downstream's true effect (Higgins, Thompson and Spiegelhalter, J. R.
  Stat. Soc. A 172, 2009), with t of two degrees fewer; from three downstreams on.
- Beside it the same model by Bayes' rule, with the probabilities that the mean, and another downstream's
  effect, lie above, within and below a region of equivalence. `tau` has a half-normal prior of a stated
  scale, the mean a flat one; given `tau` all is normal, and a sum over a grid of `tau` is exact but for the
  grid (Röver, J. Stat. Softw. 93, 2020).

Estimates are taken to be independent of each other. What downstreams share (the one training of an upstream)
makes them less different than others would be, and is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import chdtrc, chdtri, ndtr, stdtr, stdtrit

from ecg_tl.statistics.resampling import Floats

PRIOR_SCALE = 0.05
"""Of the half-normal prior of `tau`, in macro AUROC: true gains of two downstreams that differ by 0.05 are as
usual as those that differ by nothing, by 0.15 hardly seen."""

_GRID = 400


@dataclass(frozen=True)
class RandomEffects:
    """The mean of a random-effects model.

    Attributes:
        number: Estimates that it is made of.
        mean: Of the true effects.
        error: Its standard error, by Hartung and Knapp.
        degrees: Of freedom of Student's t that goes with it.
        tau: Standard deviation of the true effects.
        tau_low: Of its 95 % interval.
        tau_high: As `tau_low`.
        share: Of the variance of the estimates that is between the true effects (I²), 0 to 1.
        heterogeneity_p: Of "all true effects are the same" (Cochran's Q).
        predicted_low: Of the 95 % prediction interval of another true effect; None of fewer than three.
        predicted_high: As `predicted_low`.
    """

    number: int
    mean: float
    error: float
    degrees: float
    tau: float
    tau_low: float
    tau_high: float
    share: float
    heterogeneity_p: float
    predicted_low: float | None
    predicted_high: float | None

    def reach(self, tails: float = 0.05) -> float:
        """Half the width of the mean's interval that leaves out `tails` of the probability."""
        return -float(stdtrit(self.degrees, tails / 2)) * self.error

    @property
    def p(self) -> float:
        """Two-sided p-value of a mean of 0."""
        if self.error <= 0:
            return 1.0 if not self.mean else 0.0
        return float(2 * stdtr(self.degrees, -abs(self.mean) / self.error))


def random_effects(estimates: Sequence[float], variances: Sequence[float]) -> RandomEffects | None:
    """Fit the model; None of fewer than two estimates, or where a variance is not above 0.

    Args:
        estimates: One a downstream.
        variances: Of each, its squared standard error.
    """
    known = _fit_to_combine(estimates, variances)
    if known is None:
        return None
    y, v = known
    number = len(y)
    square = _between(y, v)
    weights = 1 / (v + square)
    mean = float(weights @ y / weights.sum())
    error = math.sqrt(float(weights @ (y - mean) ** 2) / (number - 1) / float(weights.sum()))
    q = _cochran(y, v, 0.0)
    predicted = None
    if number > 2:
        predicted = -float(stdtrit(number - 2, 0.025)) * math.sqrt(square + error**2)
    fixed = 1 / v
    # What a typical estimate varies by on its own (Higgins and Thompson, Stat. Med. 21, 2002).
    typical = (number - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    return RandomEffects(
        number=number,
        mean=mean,
        error=error,
        degrees=number - 1.0,
        tau=math.sqrt(square),
        tau_low=math.sqrt(_profile(y, v, float(chdtri(number - 1, 0.025)))),
        tau_high=math.sqrt(_profile(y, v, float(chdtri(number - 1, 0.975)))),
        share=float(square / (square + typical)),
        heterogeneity_p=float(chdtrc(number - 1, q)),
        predicted_low=None if predicted is None else mean - predicted,
        predicted_high=None if predicted is None else mean + predicted,
    )


def _fit_to_combine(estimates: Sequence[float], variances: Sequence[float]) -> tuple[Floats, Floats] | None:
    y, v = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if len(y) < 2 or not np.isfinite(y).all() or not np.isfinite(v).all() or v.min() <= 0:
        return None
    return y, v


def _cochran(y: Floats, v: Floats, square: float) -> float:
    """Give the weighted sum of squares about the weighted mean, with that variance between."""
    weights = 1 / (v + square)
    return float(weights @ (y - weights @ y / weights.sum()) ** 2)


def _between(y: Floats, v: Floats) -> float:
    """Give the variance between by restricted maximum likelihood."""
    most = 10 * (float(y.var(ddof=1)) + float(v.max()))

    def cost(square: float) -> float:
        weights = 1 / (v + square)
        spread = _cochran(y, v, square)
        return float(-np.log(weights).sum() + np.log(weights.sum()) + spread)

    # In the square root: a minimum near 0 is found as well as one far off.
    found = minimize_scalar(lambda root: cost(root**2), bounds=(0, math.sqrt(most)), method="bounded",
                            options={"xatol": 1e-9 * math.sqrt(most)})  # fmt: skip
    square = float(found.x) ** 2
    return 0.0 if cost(0.0) <= cost(square) else square


def _profile(y: Floats, v: Floats, quantile: float) -> float:
    """Find the variance between at which Cochran's Q has a value; it falls with the variance."""
    if _cochran(y, v, 0.0) <= quantile:
        return 0.0
    high = float(y.var(ddof=1)) + float(v.max())
    while _cochran(y, v, high) > quantile:
        high *= 4
    return float(brentq(lambda square: _cochran(y, v, square) - quantile, 0.0, high))


@dataclass(frozen=True)
class Posterior:
    """What is to be believed of the mean and of another downstream, by Bayes' rule.

    Attributes:
        mean: Of the mean's posterior.
        low: Of the mean's 95 % interval of equal tails.
        high: As `low`.
        better: Probability that the mean lies above the region of equivalence.
        equivalent: That it lies within.
        worse: That it lies below.
        next_better: As `better`, of the true effect of another downstream.
        next_equivalent: As `equivalent`, likewise.
        next_worse: As `worse`, likewise.
    """

    mean: float
    low: float
    high: float
    better: float
    equivalent: float
    worse: float
    next_better: float
    next_equivalent: float
    next_worse: float


def posterior(
    estimates: Sequence[float], variances: Sequence[float], margin: float, scale: float = PRIOR_SCALE
) -> Posterior | None:
    """Weigh what the estimates say; None as `random_effects`.

    Args:
        estimates: One a downstream.
        variances: Of each.
        margin: The region of equivalence reaches from minus to plus this.
        scale: Of the half-normal prior of `tau`.
    """
    known = _fit_to_combine(estimates, variances)
    if known is None:
        return None
    y, v = known
    # Beyond five times its scale the prior is 0 to four digits. Midpoints: 0 itself is no point of the grid.
    tau = 5 * scale * (np.arange(_GRID) + 0.5) / _GRID
    weights = 1 / (v + tau[:, None] ** 2)
    total = weights.sum(axis=1)
    centre = weights @ y / total
    spread = (weights * (y - centre[:, None]) ** 2).sum(axis=1)
    log_density = 0.5 * (np.log(weights).sum(axis=1) - np.log(total) - spread) - 0.5 * (tau / scale) ** 2
    shares = np.exp(log_density - log_density.max())
    shares /= shares.sum()
    error = np.sqrt(1 / total)
    next_error = np.sqrt(1 / total + tau**2)

    def below(value: float, width: Floats) -> float:
        return float(shares @ ndtr((value - centre) / width))

    def end(probability: float) -> float:
        low, high = float((centre - 9 * error).min()), float((centre + 9 * error).max())
        return float(brentq(lambda value: below(value, error) - probability, low, high, xtol=1e-12))

    return Posterior(
        mean=float(shares @ centre),
        low=end(0.025),
        high=end(0.975),
        better=1 - below(margin, error),
        equivalent=below(margin, error) - below(-margin, error),
        worse=below(-margin, error),
        next_better=1 - below(margin, next_error),
        next_equivalent=below(margin, next_error) - below(-margin, next_error),
        next_worse=below(-margin, next_error),
    )
