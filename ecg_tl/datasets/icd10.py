"""ICD-10's categories, and the blocks that its chapter on the circulatory system puts them in.

World Health Organization, "International Statistical Classification of Diseases and Related Health
Problems", 10th revision, volume 1, chapter IX. The clinical modification of the United States has I16, I1A
and I5A besides. Codes are told apart by their categories, the first three characters: what is behind these
differs between the two.
"""

from __future__ import annotations

import re
from string import ascii_uppercase

from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.vocabulary import Vocabulary

_CODE = re.compile(r"[A-Z]\d[0-9A-Z]")
_WITH_A_LETTER = frozenset({"C4A", "C7A", "C7B", "D3A", "I1A", "I5A", "M1A", "O9A", "Z3A"})

CATEGORIES = _WITH_A_LETTER | {f"{letter}{number:02d}" for letter in ascii_uppercase for number in range(100)}
"""Every category that a code can have, whether it is assigned or not."""

CIRCULATORY_BLOCKS: dict[str, frozenset[str]] = {
    "I00-I02": frozenset({"I00", "I01", "I02"}),
    "I05-I09": frozenset({"I05", "I06", "I07", "I08", "I09"}),
    "I10-I16": frozenset({"I10", "I11", "I12", "I13", "I14", "I15", "I16", "I1A"}),
    "I20-I25": frozenset(f"I{number}" for number in range(20, 26)),
    "I26-I28": frozenset(f"I{number}" for number in range(26, 29)),
    "I30-I52": frozenset(f"I{number}" for number in range(30, 53)) | {"I5A"},
    "I60-I69": frozenset(f"I{number}" for number in range(60, 70)),
    "I70-I79": frozenset(f"I{number}" for number in range(70, 80)),
    "I80-I89": frozenset(f"I{number}" for number in range(80, 90)),
    "I95-I99": frozenset(f"I{number}" for number in range(95, 100)),
}
"""Rheumatic fever; chronic rheumatic; hypertensive; ischaemic; pulmonary; other heart disease;
cerebrovascular; arteries; veins and lymph; other."""

HEART_CATEGORIES: tuple[str, ...] = (
    *("I10", "I11", "I12", "I13", "I15", "I16", "I20", "I21", "I22", "I24", "I25", "I26", "I27", "I30"),
    *("I31", "I33", "I34", "I35", "I36", "I38", "I40", "I42", "I44", "I45", "I46", "I47", "I48", "I49"),
    *("I50", "I51"),
)
"""Categories of hypertension and of the heart that adults are discharged with."""

ICD10 = Vocabulary("icd10", {"I50": "HF", "I48": "AFAFL"})
"""I48 is atrial fibrillation and flutter. Most categories are wider or narrower than a finding."""


def category_of(code: str) -> str | None:
    """Return the category of a code: `I25` of `I2510` and `I25.10`; None if it is no ICD-10 code."""
    found = _CODE.match(code.strip().upper())
    return found[0] if found else None


def block_classes() -> tuple[LabelClass, ...]:
    """Return a class for each block of the chapter."""
    return tuple(LabelClass(name, codes) for name, codes in CIRCULATORY_BLOCKS.items())


def category_classes() -> tuple[LabelClass, ...]:
    """Return a class for each of `HEART_CATEGORIES`."""
    return tuple(LabelClass(name, frozenset({name})) for name in HEART_CATEGORIES)
