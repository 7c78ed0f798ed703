"""Records of the findings as rows of CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from ecg_tl.statistics.intervals import Interval

CsvRow = dict[str, object]
"""Value of each column, by its name. Nothing is rounded."""


def rows_of_parts(
    owners: Sequence[Any], keys: Sequence[str], name: str, prefix: str = ""
) -> Iterator[CsvRow]:
    """Give the parts of each owner, each beside what says whose it is."""
    for owner in owners:
        whose: CsvRow = {}
        for key in keys:
            whose |= {f"{prefix}{own}": value for own, value in _columns(key, getattr(owner, key)).items()}
        for part in getattr(owner, name):
            yield whose | row_of(part)


def row_of(record: Any, without: Sequence[str] = ()) -> CsvRow:
    """Lay a record out in columns: an interval in three, axes in one each, a list in one."""
    found: CsvRow = {}
    for field in fields(record):
        if field.name not in without:
            found |= _columns(field.name, getattr(record, field.name))
    return found


def _columns(name: str, value: Any) -> CsvRow:
    if isinstance(value, Interval):
        ends = {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        about = {"p": value.p, "seeds": value.seeds, "patients": value.patients, "reason": value.reason}
        return ends | {f"{name}_{key}": found for key, found in about.items()}
    if name == "axes":
        return {f"axis_{axis}": found for axis, found in value}
    if isinstance(value, tuple):
        assert not any(is_dataclass(part) for part in value), name
        return {name: "; ".join(str(part) for part in value)}
    return {name: value}
