"""Signals in CSV and NumPy files, which say less of themselves than WFDB records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datasets.wfdb_header import comment_fields
from ecg_tl.errors import RecordError
from ecg_tl.signals import LEADS, standard_lead

_DELIMITERS = (";", "\t", ",")
"""In this order: a comma may be a decimal one."""

_WITH_UNIT = re.compile(r"(.*?)\s*[\[(]\s*(\S+?)\s*[\])]", re.DOTALL)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
_EVEN = 0.75  # of a time step
_ROUNDED = 1e-3
"""Of a rate: times are written with few digits, 0.004 and 0.008 mean 250 Hz."""


@dataclass(frozen=True)
class ArrayFile:
    """What such a file holds; None for what it does not say.

    Attributes:
        values: In the file's unit, as the file has them: `(samples, leads)` or `(leads, samples)`.
        leads: Names, in the file's spelling.
        sampling_rate: In Hz.
        units: Of the values.
        samples_first: Whether rows are samples; None if the file does not say.
    """

    values: NDArray[np.float64]
    leads: tuple[str, ...] | None = None
    sampling_rate: float | None = None
    units: str | None = None
    samples_first: bool | None = None


def read_csv(path: Path, names: Sequence[str] | None = None) -> ArrayFile:
    """Read a CSV file: a column a lead, a row a sample; without a header a row may also be a lead.

    A header names the leads, with their unit if it is written behind them (`II (uV)`), and a column `time`
    (`time (ms)`) gives the sampling rate. Comments `# sampling_rate: 500` and `# units: uV` are understood.
    The delimiter may be a comma, a semicolon (with decimal commas too), a tab, or blanks.

    Args:
        path: The file.
        names: What the columns hold if the header does not name leads.

    Raises:
        RecordError: If it is empty, is no table of numbers, or says things that contradict each other.
    """
    head = _head(path)
    separator = next((delimiter for delimiter in _DELIMITERS if delimiter in head.line), None)
    line = head.line if separator else re.sub(r"\s+(?=[\[(])", "", head.line.strip())  # `II (mV)` is one cell
    header = [
        cell.strip().strip('"').strip() for cell in (line.split(separator) if separator else line.split())
    ]
    has_header = not all(_is_number(cell) for cell in header)
    columns = _columns(header, names) if has_header else None
    values = _numbers(
        path,
        separator or r"\s+",
        skip=head.number if has_header else 0,
        count=len(header),
        wanted=range(len(header)) if columns is None else [column for column, _, _ in columns],
    )
    fields = comment_fields(head.comments)
    rate = _positive(path, "sampling_rate", fields.get("sampling_rate"))
    if columns is None:
        return ArrayFile(values, None, rate, fields.get("units"))
    if not columns:
        raise RecordError(
            path,
            f"the columns {', '.join(header)[:200]}",
            f"columns named after leads ({' '.join(LEADS)})",
            "Name them in the header, or in their order with --leads (`-` for a column that is no lead).",
        )
    is_time = [name is None for _, name, _ in columns]
    if any(is_time):
        scale = next(unit for _, name, unit in columns if name is None)
        rate = _rate_of(path, values[:, is_time.index(True)] * _SECONDS[str(scale)])
        values = values[:, [not time for time in is_time]]
    units = {unit for _, name, unit in columns if name is not None and unit is not None}
    if len(units) > 1:
        raise RecordError(path, f"units {', '.join(sorted(units))}", "one for all leads", "Convert them.")
    leads = tuple(name for _, name, _ in columns if name is not None)
    return ArrayFile(values, leads, rate, next(iter(units), fields.get("units")), samples_first=True)


def read_numpy(path: Path) -> ArrayFile:
    """Read `.npy`, or `.npz` with `signal` and, if they are there, `leads`, `sampling_rate` and `units`.

    Nothing is unpickled.

    Raises:
        RecordError: If it is damaged, or holds no signal.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        content: Mapping[str, Any] = (
            {"signal": loaded}
            if isinstance(loaded, np.ndarray)
            else {name: loaded[name] for name in loaded.files}
        )
    except Exception as error:  # the reader fails in any way that the bytes of a damaged file make it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordError(
            path, f"a file that NumPy cannot read ({reason})", "an array of numbers", "Write it again."
        ) from error
    signal = content.get("signal", next(iter(content.values())) if len(content) == 1 else None)
    if signal is None:
        raise RecordError(
            path,
            f"arrays named {', '.join(content) or 'nothing'}",
            "one called signal",
            "Name the signal so, and beside it leads, sampling_rate and units.",
        )
    if signal.dtype.kind not in "fiu":
        raise RecordError(path, f"an array of {signal.dtype}", "an array of numbers", "Write it again.")
    leads, rate, units = (content.get(name) for name in ("leads", "sampling_rate", "units"))
    return ArrayFile(
        np.atleast_2d(np.asarray(signal, dtype=np.float64)),
        None if leads is None else tuple(str(lead) for lead in np.atleast_1d(leads)),
        None if rate is None else _positive(path, "sampling_rate", np.ravel(rate)[:1].tolist()),
        None if units is None else str(np.ravel(units)[0]),
    )


@dataclass(frozen=True)
class _Head:
    """The first line that is no comment, its number (from 1), and the comments before it."""

    line: str
    number: int
    comments: list[str]


def _head(path: Path) -> _Head:
    comments = []
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith("#"):
                comments.append(line[1:].strip())
            elif line.strip():
                return _Head(line.rstrip("\n"), number, comments)
    raise RecordError(path, "an empty file", "a column a lead and a row a sample", "Write it again.")


def _numbers(path: Path, separator: str, skip: int, count: int, wanted: Sequence[int]) -> NDArray[np.float64]:
    """Read the wanted columns of a table of `count` columns, `(rows, wanted)`."""
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            names=list(range(count)),
            skiprows=skip,
            comment="#",
            # Where semicolons part the columns, commas are decimal ones, unless there are points.
            decimal="," if separator == ";" and "." not in _line_after(path, skip) else ".",
            dtype=dict.fromkeys(wanted, np.float64),
            skipinitialspace=True,
            encoding_errors="replace",
        )
        if not isinstance(table.index, pd.RangeIndex):  # what pandas makes of the first of too many columns
            raise ValueError(f"more than {count} columns")
    except Exception as error:  # whatever the parser makes of a file that is no table of numbers
        reason = " ".join(str(error).split())[:200]
        raise RecordError(
            path,
            f"a file that is no table of numbers ({reason})",
            "a column a lead and a row a sample",
            "Correct the file.",
        ) from error
    return np.asarray(table[list(wanted)].to_numpy(), dtype=np.float64)


def _line_after(path: Path, skip: int) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        later = (line for number, line in enumerate(lines) if number >= skip)
        return next((line for line in later if line.strip() and not line.startswith("#")), "")


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return not cell  # a missing value, also in a first row
    return True


def _columns(header: Sequence[str], names: Sequence[str] | None) -> list[tuple[int, str | None, str | None]]:
    """Return position, name (None for the time) and unit of each column that is wanted."""
    found: list[tuple[int, str | None, str | None]] = []
    others = []
    for position, cell in enumerate(header):
        match = _WITH_UNIT.fullmatch(cell)
        name, unit = (match[1], match[2]) if match else (cell, None)
        word, _, suffix = name.lower().partition("_")
        if word in ("time", "t") and (unit or suffix or "s").lower() in _SECONDS:
            found.append((position, None, (unit or suffix or "s").lower()))
        elif standard_lead(name) in LEADS:
            found.append((position, name, unit))
        else:
            others.append(position)
    has_leads = any(name is not None for _, name, _ in found)
    if not has_leads and names is not None and len(names) == len(others):
        found += [(position, name, None) for position, name in zip(others, names, strict=True)]
        return sorted(found)
    return found if has_leads else []


def _rate_of(path: Path, seconds: NDArray[np.float64]) -> float:
    steps = len(seconds) - 1
    duration = float(seconds[-1] - seconds[0]) if steps > 0 else 0.0
    # How far each time is from where it would be at a constant rate; rounded times are near it.
    even = np.linspace(seconds[0], seconds[-1], len(seconds)) if steps > 0 else seconds
    if not (duration > 0 and np.abs(seconds - even).max() < _EVEN * duration / steps):
        raise RecordError(
            path,
            "times that do not go on evenly",
            "a constant sampling rate, without pauses",
            "Correct the column of times, or resample the signal.",
        )
    rate = steps / duration
    return float(round(rate)) if abs(rate - round(rate)) < _ROUNDED * rate else rate


def _positive(path: Path, field: str, value: object) -> float | None:
    if value is None:
        return None
    text = value[0] if isinstance(value, list) and value else value
    try:
        number = float(str(text).lower().removesuffix("hz"))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise RecordError(path, f"{field} {text}", "a positive number of Hz", "Correct it.")
    return number
