"""Numbers in words and in sensible digits."""

from __future__ import annotations

import math
import re

MINUS = "\u2212"


THIN = "\u202f"


NOTHING = "–"


_HYPHEN_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed count of decimals and a true minus sign; a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and float(text) else text


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference, with its sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = number(value, digits)
    return text if text.startswith(MINUS) or not float(text) else f"+{text}"


def span(low: float | None, high: float | None, digits: int = 3, sign: bool = True) -> str:
    """Write an interval's ends."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NOTHING
    write = signed if sign else number
    return f"{write(low, digits)} to {write(high, digits)}"


def count(value: float | None) -> str:
    """Write a count, in groups of three digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{round(value):,}".replace(",", THIN).replace("-", MINUS)


def percent(value: float | None, digits: int = 0) -> str:
    """Write a share as per cent."""
    return NOTHING if value is None or not math.isfinite(value) else f"{number(100 * value, digits)}{THIN}%"


def p_value(value: float | None) -> str:
    """Write a p-value, no smaller than a resampling of this size can tell."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "<" + THIN + "0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{significant(seconds / size)}{THIN}{unit}"
    return f"{significant(seconds)}{THIN}s"


def memory(size: float | None) -> str:
    """Write a size in bytes in the unit that suits it."""
    if size is None or not math.isfinite(size):
        return NOTHING
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if abs(size) >= 1000**power:
            return f"{significant(size / 1000**power)}{THIN}{unit}"
    return f"{round(size)}{THIN}B"


def significant(value: float | None, digits: int = 2) -> str:
    """Write a number with so many significant digits, and never fewer than all before the point."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if not value:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return count(value) if not decimals else number(value, decimals)


def typeset(sentence: str) -> str:
    """Put true minus signs into a sentence."""
    return _HYPHEN_MINUS.sub(MINUS, sentence)


def plural(value: float, one: str, many: str = "") -> str:
    """Write a count with its noun."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"
