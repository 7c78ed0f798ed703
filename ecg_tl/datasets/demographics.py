"""Ages and sexes, which every dataset spells in its own way."""

from __future__ import annotations

import math

AGE_OVER_89 = 90.0
"""In years; what stands for the ages that HIPAA lets nobody publish ("over 89", PTB-XL's 300)."""

_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}


def parse_age(text: object) -> float:
    """Return an age in years; NaN where `text` says none that a person can have."""
    stripped = str(text).strip()
    if stripped == ">89":
        return AGE_OVER_89
    try:
        age = float(stripped.replace("_", "?"))  # which Python takes for nothing, and nobody writes in an age
    except ValueError:
        return math.nan
    return age if 0 <= age < 130 else math.nan


def parse_sex(text: object) -> str | None:
    """Return `"F"`, `"M"`, or None where `text` is neither word nor its first letter."""
    return _SEX.get(str(text).strip().lower())
