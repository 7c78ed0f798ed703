"""Identifiers of records, patients and folds: one rule for what two cells say is the same thing.

An identifier is text and never passes through floating point: `9007199254740993` and `007` keep every digit.
Of its spelling only that is put right which programs change without being asked:

- blanks around it, and the two ways in which Unicode writes one letter (`é` as one character or as two);
- `7.0` for `7`: a column of whole numbers with an empty cell among them is written so by pandas and R.

`007` and `7` stay two identifiers, and so do `P7` and `p7`. As they may be one patient all the same, a split
keeps such look-alikes (`look_alike_key`) in one part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable

from ecg_tl.recordings.fillers import MISSING

_WHOLE_NUMBER = re.compile(r"([-+]?\d+)\.0*", re.ASCII)
_ROUNDED = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]\d+", re.ASCII)
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def identifier(cell: object) -> str | None:
    """Return the identifier that a cell holds; None where it holds none.

    Args:
        cell: Text as it stands in the file, or what an older store kept: None, NaN, a number.
    """
    if cell is None or cell != cell:
        return None
    text = unicodedata.normalize("NFC", str(cell)).strip()
    if text.casefold() in MISSING:
        return None
    number = _WHOLE_NUMBER.fullmatch(text)
    return number[1] if number else text


def is_rounded(cell: str) -> bool:
    """Tell whether a cell is a number that a spreadsheet rounded (`1.23457E+11`): its digits are lost."""
    return _ROUNDED.fullmatch(cell.strip()) is not None


def look_alike_key(name: Hashable) -> str:
    """Return what identifiers share that differ in case, blanks, leading zeros or forms of letters alone."""
    text = str(name)
    if text.isascii() and text.isdigit():  # most are: a third of the time
        return text.lstrip("0") or "0"
    text = unicodedata.normalize("NFKC", identifier(name) or text).casefold()
    letters = (letter for letter in unicodedata.normalize("NFKC", text) if not letter.isspace())
    return _ZEROS.sub("", "".join(letter for letter in letters if unicodedata.category(letter) != "Cf"))


def look_alikes(names: Iterable[Hashable]) -> list[tuple[str, ...]]:
    """Return the groups of different identifiers that look alike, in order of appearance."""
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        groups.setdefault(look_alike_key(name), {})[str(name)] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]
