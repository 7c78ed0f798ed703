"""Label tables as CSV files: read as text, and checked for the columns that a layout requires."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ecg_tl.datasets.identifiers import identifier, is_rounded
from ecg_tl.errors import DatasetError
from ecg_tl.files import read_regular
from ecg_tl.paths import path_below

READ_AS = "read_as"
"""In a table's `attrs`: the columns that are named otherwise in the file, and how they are named there."""

_BETWEEN_WORDS = re.compile(r"[\s_.\-]+")


def read_text_table(
    path: Path, required: Sequence[str], layout: str, optional: Sequence[str] = (), *, others: bool = True
) -> pd.DataFrame:
    """Read a CSV file with all cells as text, blanks around names and cells removed, empty cells `""`.

    The columns that a layout names are found in any spelling that `column_key` takes as the same, and have
    the layout's spelling in the result; `attrs[READ_AS]` maps those to the file's.

    Args:
        path: Of the file.
        required: Columns that must be there.
        layout: Whose file this is, for the error.
        optional: Columns that have a meaning if they are there.
        others: Whether columns that the layout does not name are returned as well.

    Raises:
        DatasetError: If the file is missing, is no CSV, lacks a column, names one twice, or has no rows.
    """
    try:
        table = pd.read_csv(io.BytesIO(read_regular(path)), dtype=str, keep_default_na=False, header=None)
    except FileNotFoundError:
        raise DatasetError(
            path, "no such file", f"a table of {layout}", "Check that the root is the right folder."
        ) from None
    except (OSError, ValueError) as error:  # pandas' parser errors and bad encodings are ValueErrors
        raise DatasetError(
            path, f"a file that cannot be read ({error})", f"a CSV table of {layout}", "Fetch the file again."
        ) from error
    return name_columns(path, table, required, layout, optional, others=others)


def name_columns(
    path: Path,
    table: pd.DataFrame,
    required: Sequence[str],
    layout: str,
    optional: Sequence[str] = (),
    *,
    others: bool = True,
    called: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Take a table's first row for the names of its columns; see `read_text_table`.

    Args:
        path: Of the file, for errors.
        table: All cells as text, the names among them.
        required: Columns that must be there.
        layout: Whose file this is, for the error.
        optional: Columns that have a meaning if they are there.
        others: Whether columns that the layout does not name are returned as well.
        called: What the file calls columns of the layout that it calls otherwise.

    Raises:
        DatasetError: If a column is missing or named twice, or there are no rows.
    """
    called = called or {}
    written = [str(name).strip() for name in table.iloc[0]]
    meant = {column_key(called.get(column, column)): column for column in (*required, *optional)}
    # A column that is called as another one of the layout, which is said to be called otherwise, is none.
    own = {name: f"{name} [column]" if name in meant.values() else name for name in written}
    names = [meant.get(column_key(name), own[name]) for name in written]
    missing = [called.get(column, column) for column in required if column not in names]
    if missing:
        raise DatasetError(
            path,
            f"no column {', '.join(missing)} among {', '.join(written)}"[:400],
            f"the columns {', '.join(called.get(column, column) for column in required)}",
            f"Check that this is the table of {layout}.",
        )
    for alike in _same_columns(names, written):
        raise DatasetError(
            path,
            f"the column {' and '.join(alike)}, which mean the same"
            if len(set(alike)) > 1
            else f"the column {alike[0]} twice",
            "each column once",
            "Remove or rename one of them.",
        )
    kept = [column for column, name in enumerate(names) if others or name in meant.values()]
    rows = pd.DataFrame({column: table[column].iloc[1:].str.strip() for column in kept})
    rows = rows.reset_index(drop=True)
    rows.columns = pd.Index([names[column] for column in kept])
    rows.attrs.update(table.attrs)
    rows.attrs[READ_AS] = {name: text for name, text in zip(names, written, strict=True) if name != text}
    if rows.empty:
        raise DatasetError(path, "no rows", "one row a record", "Fetch the file again.")
    return rows


def column_key(name: str) -> str:
    """Return what all spellings of one column's name share: `Patient ID`, `patient-id`, `PATIENT_ID`."""
    return _BETWEEN_WORDS.sub("", unicodedata.normalize("NFKC", name).casefold())


def _same_columns(names: Iterable[str], written: Iterable[str]) -> list[list[str]]:
    """Return, as the file writes them, the names that are the same but for case and blanks."""
    groups: dict[str, list[str]] = {}
    for name, text in zip(names, written, strict=True):
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(key, []).append(text)
    return [group for key, group in groups.items() if key and len(group) > 1]


def parse_patient(path: Path, row: int, column: str, cell: str) -> str | None:
    """Return a patient's identifier; None where the cell says that it is not known.

    Raises:
        DatasetError: If the cell is a number that a program rounded.
    """
    if is_rounded(cell):
        raise cell_fault(
            path, row, column, cell, "the whole identifier, as a spreadsheet has rounded this one"
        )
    return identifier(cell)


def cell_path(path: Path, row: int, column: str, cell: str) -> str:
    """Return a record's path in its shortest form, so that `a` and `./a` are the same record.

    Raises:
        DatasetError: If it may lead out of the dataset's folder.
    """
    below = path_below(cell)
    if below is None:
        raise cell_fault(path, row, column, cell, "a path below the folder, relative to it")
    return below


def cell_fault(path: Path, row: int, column: str, found: str, expected: str) -> DatasetError:
    """Make the error for one cell; `row` counts from 0 below the column names.

    The row is named by its number, not by line: quoted cells may hold line breaks.
    """
    return DatasetError(
        path,
        f"{found!r} in column {column} of row {row + 1}",
        expected,
        "Correct the cell or remove the row.",
    )
