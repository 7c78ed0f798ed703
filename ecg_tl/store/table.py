"""Cells of the record table as text that comes back exactly, None apart from NaN and from empty text.

`ecg_tl.store.columns` keeps them by columns. Before format 6 they were a file of CSV, which is read here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.errors import StoreError

# A cell is text that people and other programs can read; what a column is, the manifest says. Empty stands
# for a missing value; text that could be mistaken for something else is written as JSON.
_ESCAPE = '"'

_LINES_AT_ONCE = 4096

TABLE_REMEDY = (
    "Copy the store again, or run `ecg-tl data verify STORE --repair true`, which prepares it again "
    "where the dataset's files are at hand."
)


def column_kinds(table: pd.DataFrame) -> dict[str, str]:
    """Return what each column holds: a dtype's name, `codes` (tuples of text), `text` or `json` (objects)."""
    return {str(name): _kind(table[name]) for name in table.columns}


def read_table(path: Path, kinds: Mapping[str, str], rows: int) -> pd.DataFrame:
    """Read a file of CSV, as stores before format 6 have it.

    Raises:
        StoreError: If it cannot be read, or has other columns or another number of rows than stated.
    """
    remedy = TABLE_REMEDY
    try:
        with path.open(encoding="utf-8", errors="surrogatepass", newline="") as handle:
            reader = csv.reader(handle)
            header = next(reader, [])
            if header != list(kinds):
                raise StoreError(path, f"columns {', '.join(header)}", f"columns {', '.join(kinds)}", remedy)
            pieces: dict[str, list[pd.Series[Any]]] = {name: [_decoded((), kinds[name])] for name in kinds}
            # In pieces: as text, a whole table takes several times the memory of its content.
            while lines := list(islice(reader, _LINES_AT_ONCE)):
                for name, cells in zip(kinds, zip(*lines, strict=True), strict=True):
                    pieces[name].append(_decoded(cells, kinds[name]))
        columns = {name: pd.concat(parts, ignore_index=True) for name, parts in pieces.items()}
        found = len(next(iter(columns.values()), ()))
        if found != rows:
            raise StoreError(path, f"{found} rows", f"{rows} rows", remedy)
    except OSError as error:
        raise StoreError(path, error.strerror or str(error), "the table of records", remedy) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise StoreError(path, f"a damaged table ({error})", "the table of records", remedy) from error
    return pd.DataFrame(columns)


def _kind(column: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return str(column.dtype)
    values = list(column)
    if all(isinstance(value, tuple) and all(isinstance(part, str) for part in value) for value in values):
        return "codes"
    if column.dtype != object:
        return "string"
    return "text" if all(value is None or isinstance(value, str) for value in values) else "json"


def is_numeric(kind: str) -> bool:
    """Tell whether a column of this kind is an array of numbers, or of true and false."""
    return kind not in _OBJECTS


def cells_of(column: pd.Series[Any], kind: str) -> list[str]:
    """Return the text of each cell of a column that is not numeric."""
    if kind == "codes":
        return [json.dumps(list(codes), ensure_ascii=False) for codes in column]
    if kind == "json":
        return ["" if value is None else json.dumps(_plain(value), ensure_ascii=False) for value in column]
    return ["" if pd.isna(value) else _escaped(value) for value in column]


def decoder_of(kind: str) -> tuple[Callable[[str], object], Any]:
    """Return what makes a value of such a cell, and the dtype of the column."""
    return _OBJECTS[kind]


def _decoded(cells: tuple[str, ...], kind: str) -> pd.Series[Any]:
    if kind in _OBJECTS:
        decode, dtype = _OBJECTS[kind]
        return pd.Series([decode(cell) for cell in cells], dtype=dtype)
    if kind == "bool":
        return pd.Series([{"True": True, "False": False}[cell] for cell in cells], dtype=bool)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return pd.Series([float(cell) if cell else np.nan for cell in cells], dtype=dtype)
    return pd.Series([int(cell) for cell in cells], dtype=dtype)


def _escaped(text: str) -> str:
    # Python's csv module before 3.13 leaves a lone carriage return unquoted, and reads it as a line's end.
    ambiguous = not text or text.startswith(_ESCAPE) or "\r" in text
    return json.dumps(text) if ambiguous else text


def _unescaped(cell: str) -> str | None:
    if not cell:
        return None
    text: str = json.loads(cell) if cell.startswith(_ESCAPE) else cell
    return text


@lru_cache(maxsize=_LINES_AT_ONCE)
def _codes(cell: str) -> tuple[str, ...]:
    # Most records share theirs with others: one tuple serves them all.
    return tuple(json.loads(cell))


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


_OBJECTS: dict[str, tuple[Callable[[str], object], Any]] = {
    "codes": (_codes, object),
    "text": (_unescaped, object),
    "string": (_unescaped, "str"),
    "json": (lambda cell: json.loads(cell) if cell else None, object),
}
