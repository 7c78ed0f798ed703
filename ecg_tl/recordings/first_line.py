"""Whether a table's first line names its columns or is its first row of values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ecg_tl.errors import RecordError
from ecg_tl.recordings.fillers import MISSING

FirstLine = Literal["names", "values"]

_CERTAIN = 4
"""Columns. A first sample of 0, 1, 2, 3 µV in this order is no chance any more; one of 0, 1 may be."""

_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_R_NAME = re.compile(r"V(\d{1,9})", re.ASCII)


def first_line_of(
    path: Path, cells: Sequence[str], later: Sequence[Sequence[str]], said: FirstLine | None
) -> FirstLine:
    """Decide what a first line is, by the whole of it and by the lines below.

    Words are names. Numbers and marks of missing values are values, unless they are the column numbers that
    programs write for want of names (0, 1, 2, ... or 1, 2, 3, ...; an index column before them is blank).

    Args:
        path: Of the file, for the error.
        cells: Of the first line.
        later: Cells of some lines below.
        said: What the user says.

    Raises:
        RecordError: If it may be either.
    """
    if said is not None:
        return said
    if any(not is_number(cell) and cell.casefold() not in MISSING for cell in cells):
        return "names"
    if not are_column_numbers(cells):
        return "values"
    numbers = [cell for cell in cells if cell]
    if len(numbers) < len(cells) and _counts_rows(later):
        return "names"  # blank over an index
    # Programs that write column numbers write values with a point, or whole numbers in all lines.
    whole = [line for line in later if all(_WHOLE.fullmatch(cell.lstrip("-+")) for cell in line)]
    if (later and not whole) or (len(numbers) >= _CERTAIN and not _goes_on(cells, later)):
        return "names"
    raise RecordError(
        path,
        f"a first line {','.join(cells)[:60]} that may be column numbers or values",
        "it to be clear",
        "Say what it is: --first_line names, or --first_line values.",
    )


def are_column_numbers(cells: Sequence[str]) -> bool:
    """Tell whether the names are only numbers of columns: 0, 1, ...; 1, 2, ...; or R's V1 to V10 and beyond.

    V1 to V6 alone are chest leads; there is no lead V10.
    """
    names = list(cells[1:]) if cells and not cells[0] else list(cells)
    in_r = [_R_NAME.fullmatch(name) for name in names]
    if len(names) >= 10 and all(in_r):
        return [int(match[1]) for match in in_r if match] == list(range(1, len(names) + 1))
    if not names or not all(_WHOLE.fullmatch(name) for name in names):
        return False
    first = int(names[0])
    return first in (0, 1) and [int(name) for name in names] == list(range(first, first + len(names)))


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, with a point or a decimal comma."""
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _counts_rows(later: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first cells below are an index: 0, 1, ... or 1, 2, ..."""
    firsts = [line[0] if line else "" for line in later]
    if not firsts or not all(_WHOLE.fullmatch(cell) for cell in firsts):
        return False
    start = int(firsts[0])
    return start in (0, 1) and [int(cell) for cell in firsts] == list(range(start, start + len(firsts)))


def _goes_on(cells: Sequence[str], later: Sequence[Sequence[str]]) -> bool:
    """Tell whether the line below goes on as the first one began: by one step in all cells."""
    if not later or len(later[0]) != len(cells):
        return not later  # alone, it may be anything
    try:
        steps = {float(below) - float(cell) for cell, below in zip(cells, later[0], strict=True) if cell}
    except ValueError:
        return False
    return len(steps) == 1
