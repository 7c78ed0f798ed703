"""Numbers as the findings' sentences write them."""

from __future__ import annotations

from ecg_tl.statistics.intervals import Interval


def effect_words(interval: Interval) -> str:
    """Write an effect with its interval: `+0.031 (+0.010 to +0.052)`."""
    if interval.estimate is None:
        return "not known"
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:+.3f}"
    return f"{interval.estimate:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def counted(number: int, noun: str, many: str = "") -> str:
    """Write a count with its noun, whose plural takes an s unless `many` says otherwise."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def side(interval: Interval) -> int:
    """Say on which side of 0 a whole interval lies: 1, -1, or 0 for neither, and where nothing is judged."""
    if interval.low is None or interval.high is None or interval.p is None:
        return 0
    return 1 if interval.low > 0 else -1 if interval.high < 0 else 0
