"""A study that is looked at more than once, and stopped where a verdict is reached: what each look costs.

Who looks at a study after every few seeds, and stops as soon as a p-value is below 0.05, is wrong more often
than in one of twenty studies. So each look has a share of the 0.05, and only that. The shares follow from a
spending function that is fixed before the first look (Lan and DeMets, Biometrika 70, 1983), here the one that
is like O'Brien and Fleming's: with the share `t` of all trainings that there may be, so much has been spent:

    2 - 2 Φ(z(0.975) / √t)

Little is spent on early looks, and most is left for the last. A look's own share is taken as its level: the
probabilities of a wrong word at each look add up to 0.05 at most, whatever the looks have in common. The
usual boundary would be a little lower, but takes a joint distribution of the looks that seeds on the same
test patients do not have.

A verdict at a look is that at its level: p-values are multiplied by 0.05 over the level, its *price*, and
intervals have tails that are as much smaller (repeated confidence intervals: Jennison and Turnbull, J. R.
Stat. Soc. B 51, 1989). One look alone has the price 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LEVEL = 0.05


def spent(share: float) -> float:
    """Give what has been spent of `LEVEL` when so much of all is done.

    Args:
        share: Above 0, 1 for all.
    """
    # Without SciPy, which takes a tenth of a second to import: every plan of a study asks.
    return LEVEL if share >= 1 else math.erfc(-NormalDist().inv_cdf(LEVEL / 2) / math.sqrt(2 * share))


def levels(numbers: Sequence[int], most: int) -> tuple[float, ...]:
    """Give the level of each look.

    Args:
        numbers: Trainings (or splits) at each look, rising.
        most: That there may be.
    """
    before, found = 0.0, []
    for number in numbers:
        now = spent(number / most)
        found.append(now - before)
        before = now
    return tuple(found)


def price_of(numbers: Sequence[int], most: int) -> float:
    """Give the price of the last of some looks, 1 or more."""
    return max(LEVEL / levels(numbers, most)[-1], 1.0)


def planned_looks(first: int, most: int, looks: int) -> tuple[int, ...]:
    """Spread looks evenly from the first number to the most that there may be."""
    if most <= first or looks < 2:
        return (first,) if most <= first else (most,)
    steps = [first + round((most - first) * k / (looks - 1)) for k in range(looks)]
    return tuple(dict.fromkeys(steps))
