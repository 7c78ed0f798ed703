"""Signals in `.npy` and `.npz` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.limits import VALUES, require, require_archive_growth
from ecg_tl.recordings.contents import ArrayFile, ReadRecord, complete, stated_rate
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_ZIP_START = b"PK"
_NPY_START = b"\x93NUMPY"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording; see `read_numpy`."""
    return complete(path, read_numpy(path), settings)


def read_numpy(path: Path) -> ArrayFile:
    """Read `.npy`, or `.npz` with `signal` and, if they are there, `leads`, `sampling_rate` and `units`.

    Nothing is unpickled, and nothing is made that is larger than what the file holds.

    Raises:
        RecordError: If it is damaged, or holds no signal.
    """
    try:
        content = _entries(path) if _first_bytes(path) == _ZIP_START else {"signal": _mapped(path)}
    except RecordError:
        raise
    except Exception as error:  # the reader fails in any way that the bytes of a damaged file make it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordError(
            path, f"a file that NumPy cannot read ({reason})", "an array of numbers", "Write it again."
        ) from error
    signal = content.get("signal", next(iter(content.values())) if len(content) == 1 else None)
    if signal is None:
        raise RecordError(
            path,
            f"arrays named {', '.join(content)[:200] or 'nothing'}",
            "one called signal",
            "Name the signal so, and beside it leads, sampling_rate and units.",
        )
    if signal.dtype.kind not in "fiu":
        raise RecordError(
            path, f"an array of {str(signal.dtype)[:60]}", "an array of numbers", "Write it again."
        )
    leads, rate, units = (content.get(name) for name in ("leads", "sampling_rate", "units"))
    return ArrayFile(
        np.atleast_2d(signal),
        None if leads is None else tuple(str(lead) for lead in np.atleast_1d(leads).ravel()),
        None if rate is None else stated_rate(path, "sampling_rate", np.ravel(rate)[:1].tolist()),
        None if units is None else str(np.ravel(units)[:1].tolist()[0]) if np.size(units) else "",
    )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_ZIP_START))


def _mapped(path: Path) -> NDArray[Any]:
    """Map a `.npy` file: a shape that the file does not hold is an error, not an allocation."""
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    require(VALUES, max(1, mapped.size), path, RecordError)
    return mapped


def _entries(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a `.npz` file."""
    content = {}
    with ZipFile(path) as archive:
        require_archive_growth(archive, path.stat().st_size, path, RecordError)
        for entry in archive.infolist():
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            values = 1
            for size in shape:
                values *= size
            require(VALUES, max(1, values), path, RecordError)
            if values * dtype.itemsize > entry.file_size:
                raise ValueError(f"{entry.filename[:60]} is truncated")
            with archive.open(entry) as file:
                content[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(
                    file, allow_pickle=False
                )
    return content


def _is_numpy(head: bytes) -> bool:
    return head.startswith(_NPY_START) or (head.startswith(_ZIP_START) and b".npy" in head)


register(Format("numpy", "NumPy arrays", _is_numpy, _read, suffixes=(".npy", ".npz"), certain=False))
