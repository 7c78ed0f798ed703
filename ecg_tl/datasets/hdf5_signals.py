"""Signals in HDF5 files: which dataset they are, and that all of it is in this file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import DatasetError, EcgTlError, RecordError
from ecg_tl.limits import RECORDS, SAMPLES, VALUES, require, require_growth

_FAULTS = (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What h5py raises of damaged files."""


@dataclass(frozen=True)
class SignalArray:
    """Where a published file keeps its signals.

    Attributes:
        name: Of the dataset.
        axes: Of its shape, each `records`, `samples` or `leads`.
        leads: How many.
    """

    name: str
    axes: tuple[str, ...]
    leads: int = 12

    def __str__(self) -> str:
        shape = ", ".join(str(self.leads) if axis == "leads" else axis for axis in self.axes)
        return f"HDF5 with a float dataset `{self.name}` of ({shape}), all of it in this file"

    def read(self, path: Path, row: int | None = None) -> NDArray[np.float32]:
        """Read one record as `float32 (leads, samples)`, in the file's unit.

        Args:
            path: Of the file.
            row: Which record; None where the file holds one.

        Raises:
            RecordError: If the file is damaged, or is another.
        """
        where = f"row {row} that cannot be read" if row is not None else "signals that cannot be read"
        with _opened(self, path, RecordError, where) as file:
            signals = self._find(file, path, RecordError)
            values = np.asarray(signals[()] if row is None else signals[row], dtype=np.float32)
        axes = [axis for axis in self.axes if axis != "records"]
        return np.ascontiguousarray(values if axes[0] == "leads" else values.T)

    def shape(self, path: Path) -> dict[str, int]:
        """Return the length of each axis, without reading a signal.

        Raises:
            DatasetError: If the file is damaged or incomplete, or is another.
        """
        with _opened(self, path, DatasetError) as file:
            signals = self._find(file, path, DatasetError)
            shape = tuple(map(int, signals.shape))
            stored, announced = _extent(signals)
        if stored < announced:  # HDF5 reads zeros for what was never written
            raise _damaged(
                self, DatasetError, path, f"{stored:,} of the {announced:,} that {shape} take", None
            )
        return dict(zip(self.axes, shape, strict=True))

    def identifiers(self, path: Path, name: str) -> NDArray[np.int64]:
        """Return the identifiers that lie beside the signals, one a record.

        Raises:
            DatasetError: If there are none, or another number of them.
        """
        records = self.shape(path)["records"]
        require(RECORDS, records, path, DatasetError)
        with _opened(self, path, DatasetError) as file:
            column = _own_dataset(self, file, name, path, DatasetError)
            if tuple(column.shape) != (records,) or column.dtype.kind not in "iu":
                raise DatasetError(
                    path,
                    f"{name} of shape {tuple(column.shape)} and type {column.dtype.kind}",
                    f"{records} whole numbers, one a record of {self.name}",
                    "The file is damaged or another: fetch it again.",
                )
            return np.asarray(column[()], dtype=np.int64)

    def _find(self, file: Any, path: Path, kind: type[EcgTlError]) -> Any:
        """Return the dataset, in a form and size that signals have.

        Raises:
            EcgTlError: Of the given kind.
        """
        signals = _own_dataset(self, file, self.name, path, kind)
        shape: tuple[int, ...] = tuple(signals.shape or ())
        lengths = dict(zip(self.axes, shape, strict=False))
        fits = len(shape) == len(self.axes) and lengths["leads"] == self.leads and signals.dtype.kind == "f"
        if not fits:
            raise _damaged(
                self, kind, path, f"{self.name} of shape {shape} and type {signals.dtype.kind}", None
            )
        require(SAMPLES, lengths["samples"], path, kind)
        require(VALUES, lengths["samples"] * self.leads, path, kind)
        chunk = math.prod(signals.chunks or (0,)) * signals.dtype.itemsize
        require_growth(chunk, path.stat().st_size, path, kind)  # a row is read by whole chunks
        return signals


@contextmanager
def _opened(
    array: SignalArray, path: Path, kind: type[EcgTlError], found: str = "a file that cannot be read"
) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except _FAULTS as error:
        raise _damaged(array, kind, path, found, error) from error


def _own_dataset(array: SignalArray, file: Any, name: str, path: Path, kind: type[EcgTlError]) -> Any:
    """Return a dataset whose content lies in this file.

    Raises:
        EcgTlError: Of the given kind, if a link, a virtual dataset or external storage leads elsewhere.
    """
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise _damaged(array, kind, path, f"a {type(link).__name__} called {name}", None)
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise _damaged(array, kind, path, f"a {type(found).__name__} called {name}", None)
    if found.is_virtual or found.external:
        raise _damaged(array, kind, path, f"{name} whose samples lie in another file", None)
    return found


def _extent(signals: Any) -> tuple[int, int]:
    """Return how many chunks are in the file and how many the shape takes; bytes if there are no chunks."""
    if signals.chunks is None:
        return signals.id.get_storage_size(), math.prod(signals.shape) * signals.dtype.itemsize
    sizes = zip(signals.shape, signals.chunks, strict=True)
    return signals.id.get_num_chunks(), math.prod(-(-size // chunk) for size, chunk in sizes)


def _damaged(
    array: SignalArray, kind: type[EcgTlError], path: Path, found: str, error: Exception | None
) -> EcgTlError:
    because = f" ({error})" if error else ""
    return kind(path, f"{found}{because}", str(array), "The file is damaged or another: fetch it again.")
