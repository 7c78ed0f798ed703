"""What the search for copies has found for one landmark, kept until a second one is found or not.

In a large collection these are hundreds a record, most of which come to nothing: more than fits into memory,
and of use only beside the others of the same record. So they lie in a temporary file, and come back some
records at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import StoreError

HIT = np.dtype([("one", np.int32), ("other", np.int32), ("lag", np.float32), ("landmark", np.int32)])
"""Two landmarks that are alike: the lower of their two rows, the other, the lag at which they meet in samples
of a trace, and which landmark it is of the first."""

Hits = NDArray[np.void]
"""Of type `HIT`."""

_IN_MEMORY = 2**26
"""Bytes up to which there is no file: a few thousand records."""


def hits_of(
    one: NDArray[np.integer[Any]],
    other: NDArray[np.integer[Any]],
    lag: NDArray[np.floating[Any]],
    landmark: NDArray[np.integer[Any]],
) -> Hits:
    """Put the four beside each other."""
    hits = np.empty(len(one), dtype=HIT)
    hits["one"], hits["other"], hits["lag"], hits["landmark"] = one, other, lag, landmark
    return hits


class HitSpool:
    """Hits, put in as they are found and taken out by their first row; a context, which they do not outlast.

    Args:
        records: Rows that there are.
        at_once: Rows whose hits are taken out together.
    """

    def __init__(self, records: int, at_once: int) -> None:
        self._edges = np.arange(0, records + at_once, at_once)
        self._bounds: list[NDArray[np.int64]] = []  # of each addition: where which rows begin in the file
        self._kept = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # __exit__ closes it

    def __enter__(self) -> HitSpool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, hits: Hits) -> None:
        """Put some in.

        Raises:
            StoreError: If the folder of temporary files has no room, or cannot be written.
        """
        hits = hits[np.argsort(hits["one"], kind="stable")]
        with _naming_the_folder():
            self._file.write(hits.tobytes())
        self._bounds.append(np.searchsorted(hits["one"], self._edges) + self._kept)
        self._kept += len(hits)

    def by_rows(self) -> Iterator[Hits]:
        """Take all out, those of the lowest rows first, and of some rows in the order in which they came."""
        for begin in range(len(self._edges) - 1):
            pieces = [self._read(*bounds[begin : begin + 2].tolist()) for bounds in self._bounds]
            yield np.concatenate([np.zeros(0, dtype=HIT), *pieces])

    def _read(self, begin: int, end: int) -> Hits:
        with _naming_the_folder():
            self._file.seek(begin * HIT.itemsize)
            return np.frombuffer(self._file.read((end - begin) * HIT.itemsize), dtype=HIT)


@contextmanager
def _naming_the_folder() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            tempfile.tempdir or "the folder of temporary files",
            error.strerror or str(error),
            "room for what is found while copies are searched, 4 kB a record",
            "Free space there, or name another folder with TMPDIR.",
        ) from error
