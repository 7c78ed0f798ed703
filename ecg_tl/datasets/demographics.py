"""Ages and sexes, which every dataset spells in its own way; `fillers` lists what is understood."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from ecg_tl.datasets.fillers import (
    AGE_OVER_89,
    AGES_OVER_89,
    LARGEST_AGE,
    NO_SEX,
    SEXES,
    YEARS_PER,
)
from ecg_tl.datasets.identifiers import identifier

_AGE = re.compile(r"(\d{1,9}(?:[.,]\d{0,9})?|[.,]\d{1,9})\s*([a-z/]*)\.?", re.ASCII)


def parse_age(text: object) -> float:
    """Return an age in years; NaN where `text` says none that a person can have."""
    stripped = str(text).strip().lower()
    if stripped in AGES_OVER_89:
        return AGE_OVER_89
    match = _AGE.fullmatch(stripped)
    if match is None or match[2] not in YEARS_PER:
        return math.nan
    age = float(match[1].replace(",", ".")) * YEARS_PER[match[2]]
    return age if age < LARGEST_AGE else math.nan


def parse_sex(text: object) -> str | None:
    """Return `"F"`, `"M"`, or None where `text` is no word for either."""
    return SEXES.get(str(text).strip().lower())


def people_notes(ages: Iterable[object], sexes: Iterable[object]) -> list[str]:
    """Say which ages and sexes were taken for something else than what stands there.

    Args:
        ages: The cells as read; of records that give none, None.
        sexes: As well.
    """
    ages = [identifier(cell) for cell in ages]
    notes = []
    very_old = sum(cell == "300" for cell in ages)
    if very_old:
        notes.append(f'{very_old} age(s) of 300, which mean "over 89", are kept as {AGE_OVER_89:.0f}.')
    odd_ages = [cell for cell in ages if cell is not None and math.isnan(parse_age(cell))]
    odd_sexes = [
        cell
        for cell in map(identifier, sexes)
        if cell is not None and parse_sex(cell) is None and cell.lower() not in NO_SEX
    ]
    for column, odd, expected in (
        ("age", odd_ages, f"years from 0 to {LARGEST_AGE - 1}"),
        ("sex", odd_sexes, "M, F, male or female"),
    ):
        if odd:
            shown = ", ".join(repr(cell) for cell in dict.fromkeys(odd[:100]))[:100]
            notes.append(
                f"The {column} of {len(odd)} record(s) is taken as unknown: {shown} is not {expected}."
            )
    return notes
