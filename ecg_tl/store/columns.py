"""The record table by columns: each is read when it is asked for, and none before.

The file is NumPy's own archive (`numpy.load` opens it), uncompressed. Not Parquet: where pyarrow is
installed, pandas keeps text in its arrays, which refuse names of files that are no Unicode, and a store needs
no more of Parquet than columns that can be read by themselves.

A column of numbers is one array. Any other is the text of its cells as UTF-8, one after the other, and where
each ends; of a column with few different cells these are kept once, and of each row their number.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
import pandas as pd
from numpy.lib import format as npy
from numpy.typing import NDArray

from ecg_tl.errors import StoreError
from ecg_tl.limits import ARCHIVE_FAULTS
from ecg_tl.store.table import TABLE_REMEDY, cells_of, decoder_of, is_numeric

_NAMES = "columns"
_VALUES, _TEXT, _ENDS, _CELLS = "values", "text", "ends", "cells"
_ROWS_AT_ONCE = 16_384
"""Of which text is made: a whole column of it takes several times what its bytes take."""

_BYTES_AT_ONCE = 4 * 2**20
"""That are written together."""

_MOST_CELLS = 65_536
"""Different cells that a column may have, to be kept once each."""


def write_columns(table: pd.DataFrame, kinds: Mapping[str, str], path: Path) -> None:
    """Write `table` column by column; the same table gives the same bytes.

    Args:
        table: One row a record.
        kinds: What each column holds, in order (`table.column_kinds`).
        path: Of the file.

    Raises:
        OSError: If it cannot be written.
    """
    with path.open("wb") as file, _Stream(file) as stream, zipfile.ZipFile(stream, "w") as archive:
        _put(archive, _NAMES, np.frombuffer(json.dumps(list(kinds)).encode(), dtype=np.uint8))
        for number, (name, kind) in enumerate(kinds.items()):
            if is_numeric(kind):
                _put(archive, f"{number}.{_VALUES}", table[name].to_numpy())
            else:
                for part, array in _as_text(table[name], kind).items():
                    _put(archive, f"{number}.{part}", array)


class Columns:
    """A file that `write_columns` wrote, of which nothing is read until it is asked for.

    Args:
        path: The file.
        kinds: What each column holds, as the manifest says.
        rows: How many there are.
    """

    def __init__(self, path: Path, kinds: Mapping[str, str], rows: int) -> None:
        self.path, self.kinds, self.rows = path, kinds, rows

    def read(self, names: Iterable[str] | None = None) -> pd.DataFrame:
        """Read some columns, or all.

        Raises:
            StoreError: If the file cannot be read, or holds other columns or another number of rows.
            KeyError: If the table has no such column.
        """
        wanted = list(self.kinds if names is None else names)
        numbers = {name: number for number, name in enumerate(self.kinds)}
        missing = [name for name in wanted if name not in numbers]
        if missing:
            raise KeyError(missing[0])
        try:
            with zipfile.ZipFile(self.path) as archive:
                held = json.loads(_get(archive, _NAMES, np.uint8).tobytes())
                if held != list(self.kinds):
                    expected = f"columns {', '.join(self.kinds)}"
                    raise StoreError(self.path, f"columns {held}", expected, TABLE_REMEDY)
                columns = {name: self._column(archive, numbers[name], self.kinds[name]) for name in wanted}
        except OSError as error:
            said = error.strerror or str(error)
            raise StoreError(self.path, said, "the table of records", TABLE_REMEDY) from error
        except ARCHIVE_FAULTS as error:
            found = f"a damaged table ({error})"
            raise StoreError(self.path, found, "the table of records", TABLE_REMEDY) from error
        for column in columns.values():
            if len(column) != self.rows:
                raise StoreError(self.path, f"{len(column)} rows", f"{self.rows} rows", TABLE_REMEDY)
        return pd.DataFrame(columns)

    def _column(self, archive: zipfile.ZipFile, number: int, kind: str) -> pd.Series[Any]:
        if is_numeric(kind):
            dtype = np.dtype(kind)
            return pd.Series(_get(archive, f"{number}.{_VALUES}", dtype).astype(dtype), dtype=dtype)
        decode, dtype = decoder_of(kind)
        text = _get(archive, f"{number}.{_TEXT}", np.uint8).tobytes()
        ends = _get(archive, f"{number}.{_ENDS}", np.int64)
        if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(text):
            raise ValueError("cells that end before they begin")
        values = _decoded(text, ends.tolist(), decode)
        cells = f"{number}.{_CELLS}.npy"
        if cells in archive.namelist():
            values = values[_get(archive, f"{number}.{_CELLS}", np.uint32)]
        column: pd.Series[Any] = pd.Series(values, dtype=dtype)
        return column


class _Stream:
    """Gives a file what it is given in few pieces; having no `seek`, it makes the archive write in order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held = file, bytearray()

    def __enter__(self) -> IO[bytes]:
        return cast(IO[bytes], self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.write(self._held)

    def write(self, content: bytes) -> int:
        self._held += content
        if len(self._held) >= _BYTES_AT_ONCE:
            self._file.write(self._held)
            self._held.clear()
        return len(content)

    def flush(self) -> None:
        """Nothing: the archive asks for it after every column."""


def _decoded(text: bytes, ends: list[int], decode: Callable[[str], object]) -> NDArray[np.object_]:
    values = np.empty(len(ends), dtype=object)
    start = 0
    for row, end in enumerate(ends):  # one by one: of tuples, NumPy would make a second dimension
        values[row] = decode(text[start:end].decode("utf-8", "surrogatepass"))
        start = end
    return values


def _as_text(column: pd.Series[Any], kind: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a column that is no number."""
    number_of: dict[str, int] = {}
    numbers = np.empty(len(column), dtype="<u4")
    for start in range(0, len(column), _ROWS_AT_ONCE):
        cells = cells_of(column.iloc[start : start + _ROWS_AT_ONCE], kind)
        numbers[start : start + len(cells)] = [number_of.setdefault(cell, len(number_of)) for cell in cells]
        if len(number_of) > _MOST_CELLS:
            break
    if len(number_of) <= min(_MOST_CELLS, len(column) // 2):
        text, ends = _joined([list(number_of)])
        return {_TEXT: text, _ENDS: ends, _CELLS: numbers}
    text, ends = _joined(
        cells_of(column.iloc[start : start + _ROWS_AT_ONCE], kind)
        for start in range(0, len(column), _ROWS_AT_ONCE)
    )
    return {_TEXT: text, _ENDS: ends}


def _joined(pieces: Iterable[list[str]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of cells, and where each ends."""
    text, lengths = bytearray(), [np.zeros(0, dtype=np.int64)]
    for cells in pieces:
        encoded = [cell.encode("utf-8", "surrogatepass") for cell in cells]
        text += b"".join(encoded)
        lengths.append(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
    return np.frombuffer(bytes(text), dtype=np.uint8), np.cumsum(np.concatenate(lengths))


def _put(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    # The archive's own date, not the clock's: the same table gives the same bytes.
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as handle:
        npy.write_array(handle, array.astype(array.dtype.newbyteorder("<"), copy=False), allow_pickle=False)


def _get(archive: zipfile.ZipFile, name: str, dtype: Any) -> NDArray[Any]:
    """Read one array; never more than the file itself has bytes."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{name} is compressed")
    with archive.open(info) as handle:
        if npy.read_magic(handle) != (1, 0):
            raise ValueError(f"{name} of another version")
        shape, _, found = npy.read_array_header_1_0(handle)
        content = handle.read()
    if found != np.dtype(dtype).newbyteorder("<"):
        raise ValueError(f"{name} of {found}")
    array: NDArray[Any] = np.frombuffer(content, dtype=found)
    if shape != array.shape:
        raise ValueError(f"{name} with {len(array):,} values")
    return array
