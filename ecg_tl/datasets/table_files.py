"""Tables as people have them: text with any separator, Excel workbooks, Parquet; every cell as text."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd

from ecg_tl.errors import DatasetError, EcgTlError
from ecg_tl.files import read_regular
from ecg_tl.limits import require_archive_growth, require_growth

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".parquet")
"""With which the names of such files end; what they are is seen from their content."""

NOTES = "notes"
"""In a table's `attrs`: what a user should know of how it was read, in sentences."""

MOST_CELLS = 200_000_000

_SEPARATORS = (",", ";", "\t", "|")
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LIST_SEPARATOR = ";"


def read_cells(path: Path) -> pd.DataFrame:
    """Read a table with all cells as text; the names of the columns are its first row.

    Of text the separator is that with which the first line has most cells; it may be UTF-8 with or without a
    byte order mark, UTF-16, or else Windows' Western European. Of a workbook it is the first sheet.

    Raises:
        DatasetError: If it is missing, damaged, of an unknown kind, or needs a package that is not installed.
    """
    try:
        content = read_regular(path)
        if content.startswith(_ZIP):
            return _excel(path, content)
        if content.startswith(_PARQUET):
            return _parquet(path, content)
        return _text(content)
    except FileNotFoundError:
        raise DatasetError(
            path, "no such file", "a table of labels", "Check that the root is the right folder."
        ) from None
    except ImportError as error:
        raise DatasetError(
            path,
            f"a table for which the package {error.name} is not installed",
            "the packages of the formats",
            'Install them: pip install "ecg-tl[formats,parquet]"; or save the table as CSV.',
        ) from None
    except EcgTlError:
        raise
    except Exception as error:  # openpyxl, pyarrow and pandas fail in any way that the file's bytes make them
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DatasetError(
            path, f"a file that cannot be read ({reason})", "a table of labels", "Fetch or save it again."
        ) from error


def _text(content: bytes) -> pd.DataFrame:
    notes = []
    if content.startswith(_UTF_16):
        text = content.decode("utf-16")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
            notes.append("the table is no UTF-8; it is read as Windows' Western European text")
    if "\0" in text[:4096]:
        raise ValueError("bytes that are no text")
    separator = separator_of(text)
    table = pd.read_csv(
        io.StringIO(text, newline=""), sep=separator, dtype=str, keep_default_na=False, header=None
    )
    table.attrs[NOTES] = notes
    return table


def separator_of(text: str) -> str:
    """Return what parts the cells: that of the usual separators with which the first row has most of them."""
    head = text[: 2**20]

    def cells(separator: str) -> int:
        try:
            return len(next(csv.reader(io.StringIO(head, newline=""), delimiter=separator), []))
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=cells)


def _excel(path: Path, content: bytes) -> pd.DataFrame:
    with ZipFile(io.BytesIO(content)) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise ValueError("a zip archive that is no Excel workbook")
        require_archive_growth(archive, len(content), path, DatasetError)
    from openpyxl import load_workbook

    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        sheets = workbook.sheetnames
        rows: list[list[str]] = []
        cells = 0
        for row in workbook.worksheets[0].iter_rows(values_only=True):
            texts = [_cell_text(cell) for cell in row]
            cells += len(texts)
            if cells > MOST_CELLS:
                raise ValueError(f"more than {MOST_CELLS:,} cells")
            rows.append(texts)
    finally:
        workbook.close()
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ValueError("an empty first sheet")
    width = max(
        len(row) - next((k for k, cell in enumerate(reversed(row)) if cell), len(row)) for row in rows
    )
    table = pd.DataFrame([[*row[:width], *[""] * (width - len(row))] for row in rows], dtype=str)
    if len(sheets) > 1:
        table.attrs[NOTES] = [f"of the workbook's {len(sheets)} sheets the first is read, {sheets[0]!r}"]
    return table


def _parquet(path: Path, content: bytes) -> pd.DataFrame:
    from pyarrow import parquet

    file = parquet.ParquetFile(io.BytesIO(content))
    described = file.metadata
    if described.num_rows * max(1, described.num_columns) > MOST_CELLS:
        raise ValueError(f"more than {MOST_CELLS:,} cells")
    grown = sum(described.row_group(k).total_byte_size for k in range(described.num_row_groups))
    require_growth(grown, len(content), path, DatasetError)
    table = file.read()
    columns = {
        k: [str(name), *map(_cell_text, table.column(k).to_pylist())]
        for k, name in enumerate(table.column_names)
    }
    return pd.DataFrame(columns, dtype=str)


def _cell_text(cell: Any) -> str:
    """Write a cell as it stands in a text: whole numbers without a point, lists with `;` between."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, list | tuple):
        return _LIST_SEPARATOR.join(map(_cell_text, cell))
    return str(cell)
