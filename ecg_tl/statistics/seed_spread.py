"""How much trainings of one kind differ, learned from all configurations of a study together.

Two or five trainings say little of their own spread: of three, every twentieth triple lies within a fifth
of the spread that it should have, and a difference divided by that looks certain. The spread of one
configuration is therefore weighed with what the study's other configurations say (Smyth, Stat. Appl. Genet.
Mol. Biol. 3, 2004): as if it had been seen on `degrees` more trainings. How much the others may say follows
from how much the configurations differ among each other: where some vary much and others little, it is next
to nothing.

Spreads are compared as multiples of `V_both`, what seeds change together with patients (see
`ecg_tl.statistics.intervals`), which is known well and is smaller the more patients there are. The multiple
of a difference, or of any weighted sum, is a mean of its parts' multiples, so that one prior serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

FEWEST = 4
"""Configurations below which nothing is learned from the others: two comparisons, each with its scratch."""


@dataclass(frozen=True)
class SeedPrior:
    """What a study's configurations say together of the spread between seeds.

    Attributes:
        ratio: Of the seeds' variance to `V_both`.
        degrees: Of freedom, that this knowledge is worth.
        most: Degrees of freedom that all configurations have together: none is known better than by them.
    """

    ratio: float
    degrees: float
    most: float

    def moderate(self, ratio: float, degrees: float) -> tuple[float, float]:
        """Weigh a quantity's own ratio, which has so many degrees of freedom, with it; return both anew."""
        together = self.degrees + degrees
        weighed = (self.degrees * self.ratio + degrees * ratio) / together
        return weighed, max(degrees, min(together, self.most))


def estimate_prior(
    ratios: Sequence[float], degrees: Sequence[float], configurations: int
) -> SeedPrior | None:
    """Estimate it by moments of the logarithms.

    The variance of the logarithms beyond what chance gives is the configurations' own. It is taken one
    standard error too great, since it is estimated from few: rather too little is learned than too much.

    Args:
        ratios: Of each configuration, or of each class of each; those of 0 are left out.
        degrees: Of freedom of each.
        configurations: Independent ones behind them.

    Returns:
        None below `FEWEST`.
    """
    known = [(r, d) for r, d in zip(ratios, degrees, strict=True) if r > 0 and d > 0]
    if configurations < FEWEST or len(known) < FEWEST:
        return None
    ratio, own = np.array(known).T
    logs = np.log(ratio) - digamma(own / 2) + np.log(own / 2)
    by_chance = float(polygamma(1, own / 2).mean())
    kurtosis = float((polygamma(3, own / 2) / polygamma(1, own / 2) ** 2).mean())
    error = by_chance * ((kurtosis + 2) / configurations) ** 0.5
    beyond = max(float(logs.var(ddof=1)) - by_chance, 0.0) + error
    worth = 2 * _inverse_trigamma(beyond)
    centre = float(np.exp(logs.mean() + digamma(worth / 2) - np.log(worth / 2)))
    return SeedPrior(centre, worth, float(own.mean()) * configurations)


def _inverse_trigamma(value: float) -> float:
    """Solve `trigamma(x) = value` by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        found = float(polygamma(1, x))
        step = found * (1 - found / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return x
