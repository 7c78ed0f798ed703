"""What the columns of a table are: which names the recordings, which the patients, which are classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.datasets.custom_labels import USUAL_NAMES
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.named_records import NamedRecords
from ecg_tl.datasets.tables import column_key
from ecg_tl.errors import DatasetError
from ecg_tl.paths import path_below

LEAST_SHARE = 0.5
"""Of a column's cells that name recordings: with fewer, the column is of something else."""

_SAMPLED_ROWS = 200
_YES = frozenset({"1", "true"})
_YES_OR_NO = _YES | {"0", "false"}
_CODE_NAMES = (
    *("code", "codes", "label", "labels", "class", "classes", "dx", "diagnosis", "diagnoses"),
    *("finding", "findings", "statement", "statements", "rhythm", "snomed", "snomed_codes", "interpretation"),
)
_CODE_KEYS = frozenset(map(column_key, _CODE_NAMES))
_SITE_KEYS = frozenset(map(column_key, ("site", "hospital", "centre", "center", "clinic", "institution")))
_SEPARATORS = (";", "|", ",")


@dataclass(frozen=True)
class ColumnsFound:
    """What the columns of a table are.

    Attributes:
        record: Names the recordings.
        patient: Names the patients; None if none is called so.
        fold: Of folds, as
        age: of ages,
        sex: of sexes,
        site: of sites.
        labels: How many rows have each class of those columns that hold 0 and 1 alone.
        constant: Columns of 0 and 1 that say the same in each row.
        empty: How many cells of the classes are empty.
        codes: The column of codes, if there are no classes.
        separator: Between the codes of one row.
        code_counts: How many rows have each code.
        classes_by_row: How many rows have no class, one, two, and so on.
        candidates: Columns that may be of codes as well.
        others: Columns that are none of these.
    """

    record: str
    patient: str | None
    fold: str | None
    age: str | None
    sex: str | None
    site: str | None
    labels: Mapping[str, int]
    constant: tuple[str, ...]
    empty: int
    codes: str | None
    separator: str
    code_counts: Mapping[str, int]
    classes_by_row: Mapping[int, int]
    candidates: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def have_one_class(self) -> bool:
        """Whether each row has exactly one class, of several that there are."""
        return len(self.labels or self.code_counts) > 1 and set(self.classes_by_row) == {1}


@dataclass(frozen=True)
class ColumnsSaid:
    """What the user says of a table's columns; None for what is to be found."""

    record: str | None = None
    patient: str | None = None
    fold: str | None = None
    age: str | None = None
    sex: str | None = None
    site: str | None = None
    labels: tuple[str, ...] = ()
    codes: str | None = None
    separator: str | None = None

    def names(self) -> tuple[str, ...]:
        """Return the columns that are named."""
        single = (self.record, self.patient, self.fold, self.age, self.sex, self.site, self.codes)
        return (*(name for name in single if name is not None), *self.labels)


def record_shares(table: pd.DataFrame, records: NamedRecords, known: frozenset[str]) -> dict[str, float]:
    """Return, of each column, which share of its cells names recordings, each another.

    Args:
        table: Cells as text, under the names of their columns.
        records: Of the folder.
        known: The recordings that were found there.
    """
    chosen = np.unique(np.linspace(0, len(table) - 1, min(len(table), _SAMPLED_ROWS)).round().astype(int))
    shares = {}
    for name in table.columns:
        cells = [cell for cell in table[name].iloc[chosen] if cell]
        found = {
            record for cell in cells if (path := path_below(cell)) and (record := records.find(path)) in known
        }
        shares[str(name)] = len(found) / len(chosen)
    return shares


def survey_columns(
    path: Path, table: pd.DataFrame, shares: Mapping[str, float], said: ColumnsSaid
) -> ColumnsFound:
    """Find out what a table's columns are.

    Args:
        path: Of the table, for errors.
        table: Cells as text, under the names of their columns.
        shares: What `record_shares` returned.
        said: What the user says.

    Raises:
        DatasetError: If a column is missing that the user names, or two may be what one must be.
    """
    columns = [str(name) for name in table.columns]
    missing = [name for name in said.names() if name not in columns]
    if missing:
        raise DatasetError(
            path,
            f"no column {', '.join(missing)} among {', '.join(columns)}"[:400],
            "each column that is named",
            "Correct the name.",
        )
    record = said.record or _record_column(path, shares)
    taken = {record, *said.names()}
    patient, fold, age, sex = (
        _usual(path, columns, meaning, given, taken)
        for meaning, given in (
            ("patient_id", said.patient),
            ("fold", said.fold),
            ("age", said.age),
            ("sex", said.sex),
        )
    )
    taken |= {name for name in (patient, fold, age, sex) if name is not None}
    sites = [name for name in columns if column_key(name) in _SITE_KEYS and name not in taken]
    site = said.site or (sites[0] if len(sites) == 1 else None)
    if site is not None:
        taken.add(site)
    free = [name for name in columns if name and (name not in taken)]
    asked = said.labels or (tuple(free) if said.codes is None else ())
    answers = {name: counts for name in asked if (counts := _answers(table[name])) is not None}
    labels = {name: counts for name, counts in answers.items() if said.labels or len(counts) == 2}
    constant = tuple(name for name in answers if name not in labels)
    rest = [name for name in free if name not in labels and name not in constant]
    candidates = [name for name in rest if column_key(name) in _CODE_KEYS]
    codes = said.codes
    if codes is None and not labels and len(candidates) == 1:
        codes = candidates[0]
    if codes is None and not said.labels and (not labels or candidates):
        _refuse_unclear(path, columns, tuple(labels), candidates)
    separator = said.separator or (";" if codes is None else _separator(table[codes]))
    code_counts: Counter[str] = Counter()
    by_row: Counter[int] = Counter()
    if codes is not None:
        for cell in table[codes]:
            found = {code for part in cell.split(separator) if (code := identifier(part))}
            code_counts.update(found)
            by_row[len(found)] += 1
    else:
        by_row.update(_present(table[name] for name in labels))
    return ColumnsFound(
        record=record,
        patient=patient,
        fold=fold,
        age=age,
        sex=sex,
        site=site,
        labels={name: sum(counts.get(word, 0) for word in ("1", "true")) for name, counts in labels.items()},
        constant=constant,
        empty=sum(int((table[name] == "").sum()) for name in labels),
        codes=codes,
        separator=separator,
        code_counts=dict(code_counts.most_common()),
        classes_by_row=dict(sorted(by_row.items())),
        candidates=tuple(candidates),
        others=tuple(name for name in rest if name != codes),
    )


def _record_column(path: Path, shares: Mapping[str, float]) -> str:
    best = max(shares.values(), default=0.0)
    found = [name for name, share in shares.items() if share == best and share >= LEAST_SHARE]
    if len(found) > 1:
        usual = [name for name in found if column_key(name) in _keys("record")]
        found = usual if len(usual) == 1 else found
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            path,
            f"the columns {', '.join(found)}, which all name recordings of the folder",
            "one that does",
            f"Say which: --record_column {found[0]}",
        )
    closest = max(shares, key=lambda name: shares[name], default="none")
    raise DatasetError(
        path,
        f"no column that names the folder's recordings (the nearest, {closest}: {best:.0%} of its cells)",
        "names of files, with or without their endings",
        "Check that table and folder belong together, or say which: --record_column NAME.",
    )


def _keys(meaning: str) -> frozenset[str]:
    return frozenset(map(column_key, (meaning, *USUAL_NAMES[meaning])))


def _usual(
    path: Path, columns: Sequence[str], meaning: str, given: str | None, taken: set[str]
) -> str | None:
    """Return the column that is called as such columns are."""
    if given is not None:
        return given
    own = [name for name in columns if column_key(name) == column_key(meaning) and name not in taken]
    found = own or [name for name in columns if column_key(name) in _keys(meaning) and name not in taken]
    if meaning == "sex":  # a column `male` of 0 and 1 has another meaning than one of M and F
        found = [name for name in found if not re.fullmatch(r"(?i)(is[ _]?)?(fe)?male", name)]
    if len(found) > 1:
        option = {"patient_id": "patient_column"}.get(meaning, f"{meaning}_column")
        raise DatasetError(
            path,
            f"the columns {', '.join(found)}, each of which may be the {meaning}",
            "one",
            f"Say which: --{option} {found[0]}",
        )
    return found[0] if found else None


def _answers(cells: pd.Series[Any]) -> Counter[str] | None:
    """Count the answers of a column that holds 0 and 1, or false and true, alone; None if it holds others."""
    counts = Counter((identifier(cell) or "").casefold() for cell in cells)
    counts.pop("", None)
    if not counts or not set(counts) <= _YES_OR_NO:
        return None
    yes, no = counts["1"] + counts["true"], counts["0"] + counts["false"]
    return Counter({word: count for word, count in (("1", yes), ("0", no)) if count})


def _present(columns: Iterable[pd.Series[Any]]) -> list[int]:
    """Count the classes of each row."""
    answers = [[(identifier(cell) or "").casefold() in _YES for cell in column] for column in columns]
    return [sum(row) for row in zip(*answers, strict=True)]


def _separator(cells: pd.Series[Any]) -> str:
    """Return what parts the codes: that of the usual separators which most cells hold."""
    counts = {one: sum(one in cell for cell in cells) for one in _SEPARATORS}
    return max(_SEPARATORS, key=lambda one: counts[one])


def _refuse_unclear(
    path: Path, columns: Sequence[str], labels: Sequence[str], candidates: Sequence[str]
) -> None:
    if labels and candidates:
        raise DatasetError(
            path,
            f"columns of 0 and 1 ({', '.join(labels[:5])}) and of codes ({', '.join(candidates)})",
            "one way to say the classes",
            f"Say which: --label_columns {','.join(labels[:5])}, or --codes_column {candidates[0]}.",
        )
    found = (
        f"the columns {', '.join(candidates)}, each of which may list codes"
        if candidates
        else f"no column of 0 and 1, nor one called as columns of codes are, among {', '.join(columns)}"
    )
    raise DatasetError(
        path,
        found[:400],
        "the classes",
        "Say which: --label_columns A,B for columns of 0 and 1, --codes_column NAME for one of codes.",
    )
