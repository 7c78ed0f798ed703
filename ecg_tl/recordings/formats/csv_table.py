"""Signals in tables of text, which say less of themselves than WFDB records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.limits import VALUES, require
from ecg_tl.recordings.contents import ArrayFile, ReadRecord, complete, stated_rate
from ecg_tl.recordings.first_line import are_column_numbers, first_line_of, is_number
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.remarks import Remark
from ecg_tl.recordings.settings import ReadSettings
from ecg_tl.recordings.times import SECONDS, clock_seconds, rate_of_times
from ecg_tl.recordings.wfdb_header import comment_fields
from ecg_tl.signals import LEADS, standard_lead

LONGEST_LINE = 2**24
"""Bytes of a CSV file: 2,000,000 samples of a lead a row. Longer is no table."""

MOST_NAMES = 10_000
"""Columns with names in a header: a sleep laboratory has a few hundred."""

_WIDE = 1000
"""Columns from which on a table is read line by line: a row a lead, for which pandas is not made."""

_TAIL = 2**16
"""Bytes at the end of a file in which its last row is looked for."""

_LINES_BELOW = 200
"""That are looked at to decide what the first one is."""

_DELIMITERS = (";", "\t", ",")
"""In this order: a comma may be a decimal one."""

_WITH_UNIT = re.compile(r"(.*?)\s*[\[(]\s*(\S+?)\s*[\])]", re.DOTALL)


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording; see `read_csv`."""
    return complete(path, read_csv(path, settings), settings)


def read_csv(path: Path, said: ReadSettings | None = None) -> ArrayFile:
    """Read a CSV file: a column a lead, a row a sample; without a header a row may also be a lead.

    A header names the leads, with their unit if it is written behind them (`II (uV)`), and a column `time`
    (`time (ms)`) gives the sampling rate. Comments `# sampling_rate: 500` and `# units: uV` are understood.
    The delimiter may be a comma, a semicolon (with decimal commas too), a tab, or blanks. A first line of
    column numbers, as pandas writes it, names nothing and is no sample.

    Args:
        path: The file.
        said: What the user says of it.

    Raises:
        RecordError: If it is empty, is no table of numbers, or says things that contradict each other.
    """
    said = said or ReadSettings()
    _refuse_endless_lines(path)
    head = _head(path)
    separator = next((delimiter for delimiter in _DELIMITERS if delimiter in head.line), None)
    line = head.line if separator else re.sub(r"\s+(?=[\[(])", "", head.line.strip())  # `II (mV)` is one cell
    first = _cells(line, separator)
    kind = first_line_of(path, first, [_cells(below, separator) for below in head.below], said.first_line)
    row = head.below[0] if head.below else head.line
    fields = comment_fields(head.comments)
    rate = stated_rate(path, "sampling_rate", fields.get("sampling_rate"))
    units = fields.get("units")
    skip = head.number if kind == "names" else 0
    if kind == "values" or are_column_numbers(first) or not any(map(_is_word, first)):
        values = _numbers(path, separator, skip, len(first), range(len(first)))
        _refuse_cut_off(path, separator, row)
        has_index = kind == "names" and not first[0] and len(first) > 1
        if has_index and (said.leads is None or len(said.leads) != len(first)):
            values = values[:, 1:]
        return ArrayFile(values, None, rate, units, has_first_line=True)
    columns = _columns(first, said.leads) if len(first) <= MOST_NAMES else []
    if not columns:
        raise RecordError(
            path,
            f"the columns {', '.join(first[:50])[:200]}",
            f"columns named after leads ({' '.join(LEADS)})",
            "Name them in the header, or in their order with --leads (`-` for a column that is no lead).",
        )
    # The times, if they are numbers, are read with the signals; those of a clock by themselves.
    time = next(((position, unit) for position, name, unit in columns if name is None), None)
    signals = [column for column in columns if column[1] is not None]
    of_clock = time is not None and _is_clock(head.below, separator, time[0])
    wanted = [position for position, _, _ in signals]
    if time is not None and not of_clock:
        wanted.append(time[0])
    values = _numbers(path, separator, skip, len(first), wanted)
    _refuse_cut_off(path, separator, row)
    remarks: tuple[Remark, ...] = ()
    if time is not None:
        unit = "s" if of_clock else time[1]
        times = _clock(path, separator, skip, len(first), time[0]) if of_clock else values[:, -1]
        in_comment = rate is not None
        given, given_by = (rate, "its comment") if in_comment else (said.sampling_rate, "--sampling_rate")
        found = rate_of_times(path, times, unit, given, given_by)
        rate, remarks = found.value, found.remarks
        values = values[:, : len(signals)]
    spoken = {unit for _, _, unit in signals if unit is not None}
    if len(spoken) > 1:
        raise RecordError(path, f"units {', '.join(sorted(spoken))}", "one for all leads", "Convert them.")
    leads = tuple(str(name) for _, name, _ in signals)
    return ArrayFile(values, leads, rate, next(iter(spoken), units), True, remarks, has_first_line=True)


@dataclass(frozen=True)
class _Head:
    """The first line that is no comment, its number (from 1), the comments before it, and lines below."""

    line: str
    number: int
    comments: list[str]
    below: list[str]


def _refuse_endless_lines(path: Path) -> None:
    """Refuse a file with a line that no table has, before a parser takes it into memory."""
    longest = 0
    with path.open("rb") as file:
        while block := file.read(LONGEST_LINE):
            end = block.find(b"\n")
            if longest + (len(block) if end < 0 else end) >= LONGEST_LINE:
                raise RecordError(
                    path,
                    f"a line of {LONGEST_LINE:,} bytes or more",
                    "a table: a column a lead and a row a sample",
                    "Write a column a lead.",
                )
            longest = longest + len(block) if end < 0 else len(block) - block.rfind(b"\n") - 1


def _head(path: Path) -> _Head:
    comments = []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if line.startswith("#"):
                comments.append(line[1:].strip())
            elif line.strip():
                rest = (file.readline(LONGEST_LINE) for _ in range(_LINES_BELOW))
                below = [one for one in rest if one.strip() and not one.startswith("#")]
                return _Head(line.rstrip("\n"), number, comments, below)
    raise RecordError(path, "an empty file", "a column a lead and a row a sample", "Write it again.")


def _refuse_cut_off(path: Path, separator: str | None, row: str) -> None:
    """Refuse a table whose last row has fewer cells than its first, as of a file whose end did not come."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip() and not line.startswith("#")), "")
    found, expected = len(_cells(last, separator)), len(_cells(row, separator))
    if len(lines) > 1 and found < expected:
        raise RecordError(
            path,
            f"{found} cell(s) in the last row",
            f"{expected}, as in the first",
            "The file was cut off: copy or export it again.",
        )


def _cells(line: str, separator: str | None) -> list[str]:
    cells = line.rstrip("\r\n").split(separator) if separator else line.split()
    return [cell.strip().strip('"').strip() for cell in cells]


def _is_word(cell: str) -> bool:
    return bool(cell) and not is_number(cell)


def _is_clock(below: Sequence[str], separator: str | None, position: int) -> bool:
    cells = _cells(below[0], separator) if below else []
    return position < len(cells) and _is_word(cells[position]) and ":" in cells[position]


def _clock(path: Path, separator: str | None, skip: int, count: int, position: int) -> NDArray[np.float64]:
    column = _read_table(path, separator, skip, count, [position], str)[position]
    return clock_seconds(path, column.fillna("").tolist())


def _numbers(
    path: Path, separator: str | None, skip: int, count: int, wanted: Sequence[int]
) -> NDArray[np.float64]:
    """Read the wanted columns of a table of `count` columns, `(rows, wanted)`."""
    if count >= _WIDE:
        return _wide_numbers(path, separator, skip, count)[:, list(wanted)]
    table = _read_table(path, separator, skip, count, wanted, np.float64)
    return np.asarray(table[list(wanted)].to_numpy(), dtype=np.float64)


def _read_table(
    path: Path, separator: str | None, skip: int, count: int, wanted: Sequence[int], kind: Any
) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path,
            sep=separator or r"\s+",
            header=None,
            names=list(range(count)),
            skiprows=skip,
            comment="#",
            decimal=_decimal(path, separator, skip),
            dtype=dict.fromkeys(wanted, kind),
            skipinitialspace=True,
            encoding_errors="replace",
        )
        if not isinstance(table.index, pd.RangeIndex):  # what pandas makes of the first of too many columns
            raise ValueError(f"more than {count} columns")
        return table
    except Exception as error:  # whatever the parser makes of a file that is no table of numbers
        raise _no_table(path, error) from error


def _wide_numbers(path: Path, separator: str | None, skip: int, count: int) -> NDArray[np.float64]:
    rows: list[NDArray[np.float64]] = []
    comma = _decimal(path, separator, skip) == ","
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for _ in range(skip):
                file.readline(LONGEST_LINE)
            while line := file.readline(LONGEST_LINE):
                if line.startswith("#") or not line.strip():
                    continue
                require(VALUES, (len(rows) + 1) * count, path, RecordError)
                cells = _cells(line.replace(",", ".") if comma else line, separator)
                if len(cells) > count:
                    raise ValueError(f"more than {count} columns")
                row = np.full(count, np.nan)
                row[: len(cells)] = np.array([cell or "nan" for cell in cells], dtype=np.float64)
                rows.append(row)
    except ValueError as error:
        raise _no_table(path, error) from error
    return np.array(rows) if rows else np.zeros((0, count))


def _no_table(path: Path, error: Exception) -> RecordError:
    return RecordError(
        path,
        f"a file that is no table of numbers ({' '.join(str(error).split())[:200]})",
        "a column a lead and a row a sample",
        "Correct the file.",
    )


def _decimal(path: Path, separator: str | None, skip: int) -> str:
    # Where semicolons part the columns, commas are decimal ones, unless there are points.
    return "," if separator == ";" and "." not in _line_after(path, skip) else "."


def _line_after(path: Path, skip: int) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = iter(lambda: file.readline(LONGEST_LINE), "")
        return next((line for line in islice(lines, skip, None) if line.strip() and line[0] != "#"), "")


def _columns(header: Sequence[str], names: Sequence[str] | None) -> list[tuple[int, str | None, str | None]]:
    """Return position, name (None for the time) and unit of each column that is wanted."""
    found: list[tuple[int, str | None, str | None]] = []
    others = []
    for position, cell in enumerate(header):
        match = _WITH_UNIT.fullmatch(cell)
        name, unit = (match[1], match[2]) if match else (cell, None)
        word, _, suffix = name.lower().partition("_")
        spoken = (unit or suffix).lower()
        has_time = any(column[1] is None for column in found)
        if word in ("time", "t", "timestamp") and (not spoken or spoken in SECONDS) and not has_time:
            found.append((position, None, spoken or None))
        elif standard_lead(name) in LEADS:
            found.append((position, name, unit))
        else:
            others.append(position)
    if any(name is not None for _, name, _ in found):
        return found
    if names is not None:
        if header and not header[0] and len(names) == len(others) - 1:
            others = others[1:]  # an index
        if len(names) == len(others):
            found += [(position, name, None) for position, name in zip(others, names, strict=True)]
            return sorted(found, key=lambda column: column[0])
    return []


def _is_table(head: bytes) -> bool:
    """Tell text with a digit among its first bytes; anything at all may be a table."""
    return not any(byte < 9 or 13 < byte < 32 for byte in head) and any(48 <= byte < 58 for byte in head)


register(Format("csv", "a table of text", _is_table, _read, suffixes=(".csv",), certain=False))
