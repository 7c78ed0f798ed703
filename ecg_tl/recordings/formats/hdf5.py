"""Signals in HDF5 files, one recording a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecg_tl.errors import RecordError
from ecg_tl.limits import VALUES, require, require_growth
from ecg_tl.recordings.contents import ArrayFile, ReadRecord, complete, stated_rate
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_START = b"\x89HDF\r\n\x1a\n"

_FAULTS = (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What h5py raises of damaged files."""

_SIGNAL = "signal"
_LEADS = ("leads", "lead_names", "channels")
_RATE = ("sampling_rate", "sampling_frequency", "fs")
_UNITS = ("units", "unit")
_MOST_DATASETS = 1000
_LONGEST_LIST = 1000


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording; see `read_hdf5`."""
    return complete(path, read_hdf5(path), settings)


def read_hdf5(path: Path) -> ArrayFile:
    """Read the dataset `signal`, or the only array of numbers with two axes.

    `leads`, `sampling_rate` and `units` may stand beside it as datasets, or as attributes of it or of the
    file. Links into other files are not followed.

    Raises:
        RecordError: If the file is damaged, holds no such array or several, or keeps its samples elsewhere.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            datasets = dict(_datasets(path, file))
            signal = _signal(path, datasets)
            shape = tuple(map(int, signal.shape))
            require(VALUES, max(1, math.prod(shape)), path, RecordError)
            require_growth(signal.dtype.itemsize * math.prod(shape), path.stat().st_size, path, RecordError)
            chunk = math.prod(signal.chunks or (0,)) * signal.dtype.itemsize
            require_growth(chunk, path.stat().st_size, path, RecordError)
            _require_written(path, signal)
            values = np.asarray(signal[()])
            said = [datasets, dict(signal.attrs), dict(file.attrs)]
            leads, rate, units = (_said(said, names) for names in (_LEADS, _RATE, _UNITS))
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordError(
            path, f"a file that cannot be read as HDF5 ({reason})", "an intact HDF5 file", "Write it again."
        ) from error
    return ArrayFile(
        values,
        None if leads is None else tuple(map(_text, leads)),
        None if rate is None else stated_rate(path, "sampling_rate", rate[:1]),
        None if units is None else _text(units[0]) if units else "",
    )


def _datasets(path: Path, file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the datasets of a file and of its groups by their names, as far as they are in this file."""
    import h5py

    groups = [("", file, 0)]
    count = 0
    while groups:
        prefix, group, depth = groups.pop()
        for name in group:
            count += 1
            if count > _MOST_DATASETS or depth > 8:
                raise ValueError(f"more than {_MOST_DATASETS} objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            one = group[name]
            if isinstance(one, h5py.Group):
                groups.append((f"{prefix}{name}/", one, depth + 1))
            elif isinstance(one, h5py.Dataset):
                yield f"{prefix}{name}", one


def _signal(path: Path, datasets: dict[str, Any]) -> Any:
    numeric = {
        name: one
        for name, one in datasets.items()
        if one.dtype.kind in "fiu" and one.shape is not None and len(one.shape) > 1
    }
    found = [name for name in numeric if name.rpartition("/")[2] == _SIGNAL] or list(numeric)
    if len(found) != 1:
        names = ", ".join(found[:5]) or ", ".join(list(datasets)[:5]) or "nothing"
        raise RecordError(
            path,
            f"the arrays {names}"[:300] if found else f"no array with two axes among {names}"[:300],
            f"one, or one called {_SIGNAL}",
            f"Name it {_SIGNAL}, and beside it leads, sampling_rate and units.",
        )
    signal = numeric[found[0]]
    if len(signal.shape) != 2:
        raise RecordError(
            path,
            f"an array {found[0]} of shape {tuple(signal.shape)}",
            "one recording, (leads, samples) or (samples, leads)",
            "Write a file for each recording.",
        )
    if signal.is_virtual or signal.external:
        raise RecordError(
            path, "samples that lie in another file", "all of them in this file", "Write it again."
        )
    return signal


def _require_written(path: Path, signal: Any) -> None:
    """Refuse an array of which parts were never written: HDF5 reads zeros there."""
    if signal.chunks is None:
        stored, announced = signal.id.get_storage_size(), math.prod(signal.shape) * signal.dtype.itemsize
    else:
        stored = signal.id.get_num_chunks()
        announced = math.prod(
            -(-size // chunk) for size, chunk in zip(signal.shape, signal.chunks, strict=True)
        )
    if stored < announced:
        raise RecordError(
            path,
            f"{stored:,} of the {announced:,} parts that its array of shape {tuple(signal.shape)} takes",
            "an array that was written to its end",
            "Write it again.",
        )


def _said(places: Iterable[dict[str, Any]], names: Iterable[str]) -> list[Any] | None:
    """Return what a file says under one of some names: of a dataset its values, of an attribute itself."""
    for place in places:
        by_name = {name.rpartition("/")[2].lower(): value for name, value in place.items()}
        for name in names:
            if name in by_name:
                value = by_name[name]
                if hasattr(value, "chunks"):  # a dataset
                    if math.prod(value.shape or ()) > _LONGEST_LIST:
                        raise ValueError(f"{name} with more than {_LONGEST_LIST} values")
                    value = value[()]
                listed = np.ravel(np.asarray(value)).tolist()
                if len(listed) == 1 and name in _LEADS and isinstance(listed[0], str | bytes):
                    return [part for part in _text(listed[0]).replace(",", " ").split() if part]
                return listed
    return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


register(
    Format(
        "hdf5",
        "HDF5",
        lambda head: head.startswith(_START),
        _read,
        suffixes=(".h5", ".hdf5"),
        certain=False,
    )
)
