"""P-values of many comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm, Scand. J. Statist. 6, 1979).

    The probability of one false rejection or more among all is kept below the level, whatever the dependence.
    Those that are None stay so and are not counted.
    """
    known = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, k) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[k] = highest
    return corrected
