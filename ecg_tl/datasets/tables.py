"""Label tables as CSV files: read as text, and checked for the columns that a layout requires."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ecg_tl.errors import DatasetError


def read_table(path: Path, required: Sequence[str], layout: str) -> pd.DataFrame:
    """Read a CSV file with all cells as text, blanks around names and cells removed, empty cells `""`.

    Args:
        path: Of the file.
        required: Columns that must be there.
        layout: Whose file this is, for the error.

    Raises:
        DatasetError: If the file is missing, is no CSV, lacks a column, names one twice, or has no rows.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, header=None)
    except FileNotFoundError:
        raise DatasetError(
            path, "no such file", f"a table of {layout}", "Check that the root is the right folder."
        ) from None
    except (OSError, ValueError) as error:  # pandas' parser errors and bad encodings are ValueErrors
        raise DatasetError(
            path, f"a file that cannot be read ({error})", f"a CSV table of {layout}", "Fetch the file again."
        ) from error
    cells = pd.DataFrame({column: table[column].str.strip() for column in table.columns})
    names = cells.iloc[0].tolist()
    missing = [column for column in required if column not in names]
    if missing:
        raise DatasetError(
            path,
            f"no column {', '.join(missing)} among {', '.join(names)}"[:400],
            f"the columns {', '.join(required)}",
            f"Check that this is the table of {layout}.",
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DatasetError(
            path,
            f"the column {', '.join(repeated)} twice",
            "each column once",
            "Remove or rename one of them.",
        )
    rows = cells.iloc[1:].reset_index(drop=True)
    rows.columns = pd.Index(names)
    if rows.empty:
        raise DatasetError(path, "no rows", "one row a record", "Fetch the file again.")
    return rows


def cell_fault(path: Path, row: int, column: str, found: str, expected: str) -> DatasetError:
    """Make the error for one cell; `row` counts from 0 below the column names.

    The row is told by number, not by line: quoted cells may hold line breaks.
    """
    return DatasetError(
        path,
        f"{found!r} in column {column} of row {row + 1}",
        expected,
        "Correct the cell or remove the row.",
    )
