"""Rank correlation with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats

from ecg_tl.statistics.intervals import LEVEL, Interval


def spearman(x: Sequence[float], y: Sequence[float], level: float = LEVEL) -> Interval:
    """Rank correlation with an interval by Fisher's transformation.

    The standard error of `atanh(r)` is `sqrt((1 + r²/2) / (n - 3))` (Bonett and Wright, Psychometrika 65,
    2000). The points are taken to be independent. Below five there is no interval, and no estimate.
    """
    n = len(x)
    if n < 5:
        return Interval(None, reason=f"Too few: {n} of at least 5 comparisons with such a score.")
    if len(set(x)) == 1 or len(set(y)) == 1:
        return Interval(None, reason="All values are the same: ranks say nothing.")
    result = stats.spearmanr(x, y)
    r, p = float(result.statistic), float(result.pvalue)
    bounded = max(-0.999999, min(0.999999, r))
    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt((1 + bounded**2 / 2) / (n - 3))
    centre = math.atanh(bounded)
    return Interval(
        r,
        math.tanh(centre - reach),
        math.tanh(centre + reach),
        p,
        method=f"{n} comparisons, Fisher's transformation",
        reason="Comparisons that share a dataset are not independent: the interval is rather too narrow.",
    )
