"""What a dataset is: what lies on disk, turned into a table of records, labels and signals.

A dataset knows its layout and its codes and nothing of torch. `scan` reads labels and sizes, never samples;
`read` reads one record. Labels are kept in the table as the codes that were published, so that one prepared
store serves every task: a `LabelRule` turns codes into targets when they are needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datasets.identifiers import look_alikes
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError, RecordError, SettingError
from ecg_tl.mistaken import clearer
from ecg_tl.signals import Recording

if TYPE_CHECKING:  # the plan of a study knows datasets by name, and reads none
    import pandas as pd

RECORD_COLUMNS: tuple[str, ...] = (
    "record_id",  # str, unique
    "patient_id",  # str, or None where the dataset does not say
    "path",  # str, relative to the root; without extension for WFDB records
    "sampling_rate",  # float, Hz, as recorded
    "length",  # int, samples, as recorded
    "fold",  # int, or None where the dataset publishes no folds
    "age",  # float, years; NaN if unknown
    "sex",  # "F", "M" or None
    "codes",  # tuple[str, ...], as published, each once
)
"""Columns of every record table, in this order; a dataset may append others of its own (`site`, ...)."""

UNANSWERED = "unanswered"
"""An optional column of a record table, `tuple[str, ...]`: codes that nobody asked about in this record.

A cell that was left empty, a questionnaire of another year, a collection that does not annotate a rhythm: the
record then neither has such a code nor is without it, and its target is NaN.
"""


@dataclass(frozen=True)
class LabelClass:
    """One class: its short name and the published codes any of which makes a record a positive."""

    name: str
    codes: frozenset[str]


@dataclass(frozen=True)
class LabelRule:
    """Which published codes make which class: a table, not code.

    Attributes:
        classes: In the order of the targets' columns.
        known_codes: Codes that the dataset's vocabulary holds beyond those of `classes`. A code in neither
            is unknown, and counted as such.
        negative: Classes that hold where none of the others does (CODE test's NORM).
    """

    classes: tuple[LabelClass, ...]
    known_codes: frozenset[str] = frozenset()
    negative: str | None = None

    def __post_init__(self) -> None:
        names = self.class_names
        if len(set(names)) < len(names) or (self.negative is not None and self.negative not in names):
            raise ValueError(f"class names {names} with the negative class {self.negative}")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Short names, in the order of the targets' columns."""
        return tuple(label_class.name for label_class in self.classes)

    def targets(
        self, codes: Sequence[Iterable[str]], unanswered: Sequence[Iterable[str]] | None = None
    ) -> NDArray[np.float32]:
        """Encode the codes of each record as `float32 (records, classes)`: 1, 0, or NaN for no answer.

        A class is 1 where any of its codes is present; else NaN where nobody asked about one of them; else 0.
        The negative class is NaN where none of the others is present and one of them has no answer.

        Args:
            codes: Of each record.
            unanswered: Codes that nobody asked about, of each record; all were asked about if None.
        """
        column_of: dict[str, list[int]] = {}
        for column, label_class in enumerate(self.classes):
            for code in label_class.codes:
                column_of.setdefault(code, []).append(column)
        targets = np.zeros((len(codes), len(self.classes)), dtype=np.float32)
        for row, record_codes in enumerate(unanswered or ()):
            for code in record_codes:
                targets[row, column_of.get(code, [])] = np.nan
        for row, record_codes in enumerate(codes):
            for code in record_codes:
                targets[row, column_of.get(code, [])] = 1.0
        if self.negative is not None:
            column = self.class_names.index(self.negative)
            none_present: NDArray[np.bool_] = np.asarray(~(targets > 0).any(axis=1))
            unknown: NDArray[np.bool_] = np.asarray(np.isnan(np.delete(targets, column, axis=1)).any(axis=1))
            targets[none_present, column] = np.where(unknown[none_present], np.nan, 1.0)
        return targets

    def targets_of(self, records: pd.DataFrame) -> NDArray[np.float32]:
        """Encode a record table's `codes`, and its column `UNANSWERED` where it has one; see `targets`."""
        unanswered = records[UNANSWERED].tolist() if UNANSWERED in records else None
        return self.targets(records["codes"].tolist(), unanswered)

    def unknown_codes(self, codes: Iterable[Iterable[str]]) -> Counter[str]:
        """Count, by record, the codes that neither a class nor the vocabulary names."""
        known = self.known_codes.union(*(label_class.codes for label_class in self.classes))
        return Counter(code for record_codes in codes for code in set(record_codes) if code not in known)


@dataclass(frozen=True)
class LeftOut:
    """A record that cannot be used, and why."""

    record_id: str
    reason: str

    @classmethod
    def because(cls, record_id: str, error: RecordError) -> LeftOut:
        """Give an error as the reason, or what lies under the file's name if it is none of its kind."""
        return cls(record_id, str(clearer(error)))


@dataclass(frozen=True)
class Scan:
    """The records that a dataset's folder holds.

    Attributes:
        records: One row a record, with `RECORD_COLUMNS` first, ordered as the dataset publishes them.
        left_out: Records whose header or row cannot be used.
        notes: What a user should know of these files, as sentences (gains corrected, codes merged).
    """

    records: pd.DataFrame
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


class EcgDataset(ABC):
    """One collection of ECGs as its authors published it.

    Attributes:
        name: What the command line and the store's folder call it.
        title: Its full name.
        records: Published size, for people (`"21,799 of 18,869 patients"`).
        licence: SPDX name or the licence's own.
        citation: Whom to cite, one line.
        source: Where it can be had.
        tasks: Names of the label rules it offers; the first is the default.
        vocabulary: The codes that the table holds.
        crop: Which part of a longer record the store keeps, `"start"` or `"center"`.
        drop_unlabelled: Whether records without any class of the task are left out by default.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    records: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    source: ClassVar[str]
    vocabulary: ClassVar[Vocabulary]
    tasks: ClassVar[tuple[str, ...]] = ("default",)
    crop: ClassVar[str] = "start"
    drop_unlabelled: ClassVar[bool] = False

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """The settings of this instance that change its records or signals, for the store's hash.

        Settings that only change what the codes mean (`label_rule`) are not among them.
        """
        return {}

    @abstractmethod
    def source_files(self, root: Path) -> Iterable[Path | str]:
        """Name the files that `scan`, `read` and `label_rule` read, whether they are there or not.

        A change in any of them, and in no other file, makes a prepared store out of date. Tables and headers
        are named; the signal files that a header names (`*.hea`) follow by themselves.

        Raises:
            DatasetError: As `scan`.
        """

    @abstractmethod
    def scan(self, root: Path) -> Scan:
        """List the records below `root` with their labels, without reading samples.

        Raises:
            DatasetError: If a table or folder that the layout requires is missing or malformed, or there
                are no records.
        """

    @abstractmethod
    def read(self, root: Path, path: str) -> Recording:
        """Read the record that a scanned row's `path` names, in millivolts, whole and at its own rate.

        Raises:
            RecordError: If the record cannot be read, or its checksum is not the published one.
        """

    @abstractmethod
    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the rule of `task` (the default task if None).

        Args:
            task: One of `tasks`.
            root: Needed only where the classes depend on the files (LUDB, custom).

        Raises:
            SettingError: If the task does not exist.
            DatasetError: If the classes depend on files that are missing.
        """

    @classmethod
    def known_classes(cls, task: str) -> tuple[str, ...]:
        """Name the classes of a task as far as they are known without the files; empty if these decide."""
        return cls().label_rule(task).class_names

    def check_task(self, task: str | None) -> str:
        """Return `task`, or the default one.

        Raises:
            SettingError: If this dataset does not offer it.
        """
        if task is None:
            return self.tasks[0]
        if task not in self.tasks:
            raise SettingError(
                f"task of {self.name}", repr(task), f"one of {', '.join(self.tasks)}", "Choose one of these."
            )
        return task


def make_scan(
    rows: Sequence[Mapping[str, object]],
    where: Path,
    left_out: Iterable[LeftOut] = (),
    notes: Iterable[str] = (),
) -> Scan:
    """Put a scan together.

    Raises:
        DatasetError: If no record is usable, or two rows name the same record.
    """
    left_out = tuple(left_out)
    if left_out and not rows:
        raise DatasetError(
            where,
            f"{len(left_out)} record(s), none usable; the first: {left_out[0].reason}",
            "usable records",
            "Check that the root is the right folder and the dataset complete.",
        )
    table = record_table(rows, where)
    return Scan(table, left_out, (*notes, *_patient_notes(table)))


def _patient_notes(table: pd.DataFrame) -> list[str]:
    alike = look_alikes(patient for patient in table["patient_id"] if patient is not None)
    if not alike:
        return []
    named = "; ".join(" = ".join(map(repr, group)) for group in alike[:5])
    more = f" and {len(alike) - 5} more" if len(alike) > 5 else ""
    return [
        f"{len(alike)} patient(s) are written in more than one way ({named}{more}): "
        "a split keeps them in one part."
    ]


def record_table(rows: Sequence[Mapping[str, object]], where: Path) -> pd.DataFrame:
    """Make a record table with `RECORD_COLUMNS` first.

    Raises:
        DatasetError: If there are no rows, or two rows name the same record.
    """
    if not rows:
        raise DatasetError(
            where,
            "no records",
            "at least one record of this dataset",
            "Check that the root is the right folder.",
        )
    import pandas as pd

    table = pd.DataFrame(list(rows))
    extra = [column for column in table.columns if column not in RECORD_COLUMNS]
    if UNANSWERED in table and not any(table[UNANSWERED]):
        extra.remove(UNANSWERED)
    table = table[[*RECORD_COLUMNS, *extra]]
    for column in ("patient_id", "fold", "sex"):
        values = table[column].astype(object)
        table[column] = values.where(values.notna(), None)
    repeated = table.loc[table["record_id"].duplicated(), "record_id"].unique()
    if len(repeated):
        raise DatasetError(
            where,
            f"{len(repeated)} record(s) named twice: {', '.join(map(str, repeated[:5]))}",
            "one row a record",
            "Remove the repeated rows or files.",
        )
    return table.reset_index(drop=True)
