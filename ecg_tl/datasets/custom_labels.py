"""The classes of a lab's own table: columns of 0 and 1, or codes in one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from ecg_tl.datasets.base import LabelClass, LabelRule
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.table_files import read_cells
from ecg_tl.datasets.tables import cell_fault, column_key
from ecg_tl.errors import DatasetError
from ecg_tl.limits import CLASSES, require

EmptyCells = Literal["error", "unanswered"]
"""What an empty cell of a class can be."""

RESERVED = ("record", "patient_id", "fold", "age", "sex")
"""Columns with a meaning of their own."""

USUAL_NAMES = {
    "record": ("record_id", "record_name", "file", "filename", "path", "ecg_id", "study_id"),
    "patient_id": (
        "patient",
        "patient_no",
        "patient_number",
        "pid",
        "mrn",
        "subject",
        "subject_id",
        "person_id",
    ),
    "fold": ("strat_fold", "split"),
    "age": ("age_years", "age_at_recording"),
    "sex": ("gender", "male", "female", "is_male", "is_female"),
}
_MEANT = {column_key(name): column for column, names in USUAL_NAMES.items() for name in names}
"""Names under which others keep what is reserved here: such a column is hardly a class."""

_PRESENT, _ABSENT = ("1", "true"), ("0", "false")


@dataclass(frozen=True)
class Labels:
    """The labels of a table.

    Attributes:
        rule: Its classes.
        codes: Those of each row.
        unanswered: Codes that nobody asked about, of each row.
        notes: What a user should know of them, as sentences.
    """

    rule: LabelRule
    codes: tuple[tuple[str, ...], ...]
    unanswered: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def rule_of_columns(
    path: Path, table: pd.DataFrame, named: Sequence[str], others: Sequence[str]
) -> LabelRule:
    """Return one class a column.

    Args:
        path: Of the table, for errors.
        table: With the names of columns that are used here.
        named: The columns that are classes; all but `others` if there are none.
        others: Columns that have another meaning.

    Raises:
        DatasetError: If there is no class, or a column is hardly one.
    """
    names = tuple(named) or tuple(str(column) for column in table.columns if column not in others)
    for name in () if named else names:
        if column_key(name) in _MEANT:
            column = _MEANT[column_key(name)]
            raise DatasetError(
                path,
                f"a column {name!r} where every column but {', '.join(others)} is a class",
                "a class, or a reserved name",
                f"Is it the {column}? Rename it to `{column}`, or remove it; a class needs another name.",
            )
    if not names or "" in names:
        raise DatasetError(
            path,
            "a column without a name" if names else f"the columns {', '.join(table.columns)}",
            f"a column of 0 and 1 for each class, beside {', '.join(others)}",
            "Name it or remove it." if names else "Add a column for each class.",
        )
    require(CLASSES, len(names), path, DatasetError)
    return LabelRule(tuple(LabelClass(name, frozenset({name})) for name in names))


def labels_of_columns(
    path: Path, table: pd.DataFrame, rule: LabelRule, which: str, empty_cells: EmptyCells
) -> Labels:
    """Read columns that have 0 or 1, or false or true, in each row.

    Args:
        path: Of the table, for errors.
        table: With a column for each class.
        rule: Its classes.
        which: Why a column is a class, for errors.
        empty_cells: What an empty cell is.

    Raises:
        DatasetError: If a cell is neither.
    """
    names = rule.class_names
    answers = [
        [
            None if not cell and empty_cells == "unanswered" else _is_present(path, number, name, cell, which)
            for number, cell in enumerate(table[name])
        ]
        for name in names
    ]
    codes, unanswered = (
        tuple(
            tuple(name for name, column in zip(names, answers, strict=True) if column[row] is wanted)
            for row in range(len(table))
        )
        for wanted in (True, None)
    )
    return Labels(rule, codes, unanswered)


def labels_of_codes(
    path: Path,
    cells: Sequence[str],
    separator: str,
    names: Path | None,
    empty_cells: EmptyCells = "error",
) -> Labels:
    """Read the codes that each row lists.

    Args:
        path: Of the table, for errors.
        cells: One a row.
        separator: Between the codes of a row.
        names: A table of codes and their classes; each code is a class of its own if None.
        empty_cells: Whether an empty cell lists no code (`error`), or nobody asked.

    Raises:
        DatasetError: If no row has a code, or the table of names is none.
    """
    codes = tuple(
        tuple(dict.fromkeys(code for part in cell.split(separator) if (code := identifier(part)) is not None))
        for cell in cells
    )
    found = sorted({code for row in codes for code in row})
    if not found:
        raise DatasetError(path, "no codes in any row", "codes", "Name another column as codes_column.")
    classes = {code: (code,) for code in found} if names is None else _named_codes(names)
    require(CLASSES, len(classes), path, DatasetError)
    rule = LabelRule(tuple(LabelClass(name, frozenset(members)) for name, members in classes.items()))
    empty = sum(not row for row in codes)
    unanswered: tuple[tuple[str, ...], ...] = ((),) * len(codes)
    notes = []
    if empty and empty_cells == "unanswered":
        everything = tuple(sorted({code for members in classes.values() for code in members}))
        unanswered = tuple(() if row else everything for row in codes)
    elif empty:
        notes.append(f"{empty} row(s) list no code, and are without any class.")
    unknown = rule.unknown_codes(codes)
    if unknown:
        shown = ", ".join(f"{code} ({count})" for code, count in unknown.most_common(5))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        notes.append(
            f"{len(unknown)} code(s) that {names.name if names else path.name} does not name: {shown}{more}."
        )
    return Labels(rule, codes, unanswered, tuple(notes))


def _named_codes(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the codes of each class, in the table's order."""
    table = read_cells(path)
    if table.shape[1] < 2 or len(table) < 2:
        raise DatasetError(
            path,
            f"{table.shape[1]} column(s) and {len(table)} row(s)",
            "a table of codes and their classes, with names of the columns",
            "Correct the table, or the setting code_names.",
        )
    found: dict[str, tuple[str, ...]] = {}
    class_of: dict[str, str] = {}
    for number, (code_cell, name_cell) in enumerate(zip(table[0][1:], table[1][1:], strict=True)):
        code, name = identifier(code_cell), identifier(name_cell)
        if code is None or name is None:
            raise cell_fault(path, number, "code or class", f"{code_cell},{name_cell}", "both in every row")
        if class_of.setdefault(code, name) != name:
            raise cell_fault(path, number, "class", name, f"one class for the code {code}, as above")
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), code)))
    return found


def _is_present(path: Path, number: int, name: str, cell: str, which: str) -> bool:
    label = (identifier(cell) or "").casefold()
    if label not in (*_PRESENT, *_ABSENT):
        expected = f"0 or 1 ({which})"
        if not cell:
            expected += "; `empty_cells: unanswered` takes an empty cell for a question without an answer"
        raise cell_fault(path, number, name, cell, expected)
    return label in _PRESENT
