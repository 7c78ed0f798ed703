"""Your own records: a folder of recordings of any format and one table of labels."""

from __future__ import annotations

import csv
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pandas as pd

from ecg_tl import limits
from ecg_tl.datasets.base import UNANSWERED, EcgDataset, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.custom_labels import (
    RESERVED,
    EmptyCells,
    Labels,
    labels_of_codes,
    labels_of_columns,
    rule_of_columns,
)
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.named_records import NamedRecords, first_few
from ecg_tl.datasets.table_files import NOTES, read_cells
from ecg_tl.datasets.tables import READ_AS, cell_fault, cell_path, name_columns, parse_patient
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError, RecordError, SettingError
from ecg_tl.recordings import read_record
from ecg_tl.recordings.finding import is_wfdb
from ecg_tl.recordings.settings import recorded
from ecg_tl.recordings.wfdb_header import header_path
from ecg_tl.recordings.wfdb_segments import wfdb_extent
from ecg_tl.signals import Recording

TABLE_NAMES = ("labels.csv", "labels.tsv", "labels.xlsx", "labels.parquet")
"""Where labels are looked for, if it is not said."""

_RECORD, *_OPTIONAL = RESERVED
_LARGEST_FOLD = 1_000_000


class Custom(EcgDataset):
    """A folder of recordings with a table of labels.

    A column names each record: by its path below the folder, with or without its ending, or by the name of
    its file alone. Patient, fold, age and sex are optional. Case, blanks, `_`, `-` and dots do not matter in
    these columns' names (`Patient ID` is `patient_id`). Every other column is a class, with 0 or 1, or true
    or false, in each row; or the classes are named (`label_columns`), or are codes in one column
    (`codes_column`).

    Args:
        empty_cells: What an empty cell of a class, or of `codes_column`, is: an `error` (of codes: none), or
            a question that is `unanswered`, so that the record is neither trained nor scored on that class.
        table: Name of the table in the folder; that of `TABLE_NAMES` which is there if None.
        record_column: That names the recordings.
        patient_column: Of patients, whose records stay together in a split.
        fold_column: Of folds.
        age_column: Of ages.
        sex_column: Of sexes.
        site_column: That is kept as `site`, for `query`.
        extra_columns: Others to keep for `query`, with commas between.
        label_columns: That are classes, with commas between; all that have no other meaning if None.
        codes_column: That lists the codes of each record, in place of columns of 0 and 1.
        code_separator: Between the codes of one record.
        code_names: Name of a table in the folder whose first two columns are codes and their classes. Codes
            with the same class are one; codes that it does not list are in no class.
        patient_pattern: A regular expression that finds the patient in a record's path: its first group, or
            all that it matches.
        recorded_leads: Names of the leads, with commas between, of files that do not name them.
        recorded_rate: In Hz, of files that do not say it.
        recorded_units: Of files that do not say them.

    Raises:
        SettingError: If settings contradict each other, or cannot be understood.
    """

    name = "custom"
    title = "Your own records"
    records = "any"
    licence = "yours"
    citation = "yours"
    source = "a folder of recordings with a table of labels"
    vocabulary = Vocabulary("custom", concepts=None)

    def __init__(
        self,
        empty_cells: EmptyCells = "error",
        table: str | None = None,
        record_column: str = _RECORD,
        patient_column: str = "patient_id",
        fold_column: str = "fold",
        age_column: str = "age",
        sex_column: str = "sex",
        site_column: str | None = None,
        extra_columns: str | None = None,
        label_columns: str | None = None,
        codes_column: str | None = None,
        code_separator: str = ";",
        code_names: str | None = None,
        patient_pattern: str | None = None,
        recorded_leads: str | None = None,
        recorded_rate: float | None = None,
        recorded_units: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _DEFAULTS}
        self._changed = {name: value for name, value in given.items() if value != _DEFAULTS[name]}
        if empty_cells not in get_args(EmptyCells):
            raise SettingError(
                "empty_cells",
                limits.shown(empty_cells),
                f"one of {', '.join(get_args(EmptyCells))}",
                "Choose one of these.",
            )
        self.empty_cells = empty_cells
        self.table, self.code_names = table, code_names
        self.called = {
            _RECORD: record_column,
            "patient_id": patient_column,
            "fold": fold_column,
            "age": age_column,
            "sex": sex_column,
        }
        self.kept = {name: name for name in listed(extra_columns)} | (
            {"site": site_column} if site_column else {}
        )
        self.label_columns = listed(label_columns)
        self.codes_column, self.code_separator = codes_column, code_separator
        self.patient_pattern = _pattern(patient_pattern)
        self.reading = recorded(listed(recorded_leads) or None, recorded_rate, recorded_units)
        if self.label_columns and codes_column is not None:
            found = "both, which say the classes in two ways"
            raise SettingError("label_columns and codes_column", found, "one of them", "Leave one out.")
        if code_names is not None and codes_column is None:
            found = f"{code_names} without codes_column"
            raise SettingError("code_names", found, "the column whose codes it names", "Add codes_column.")
        if not code_separator:
            raise SettingError("code_separator", "nothing", "what parts the codes, such as ;", "Correct it.")

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """Name what is not the default, so that stores of earlier versions keep their names."""
        return dict(self._changed)

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the tables, and the header or the file of each record."""
        path, table = self._read_table(root)
        yield path
        if self.code_names is not None:
            yield root / self.code_names
        records = NamedRecords(root)
        for cell in _record_names(path, table):
            record = root / records.find(cell)
            yield record if record.is_file() else header_path(record)

    def scan(self, root: Path) -> Scan:
        """List the rows of the table with what their recordings say."""
        path, table = self._read_table(root)
        labels = self._labels(root, path, table)
        notes = [f"Column {text!r} is read as `{name}`." for name, text in table.attrs.pop(READ_AS).items()]
        notes += [f"{path.name}: {note}." for note in table.attrs.pop(NOTES, ())]
        notes += people_notes(*([*table[name]] if name in table else [] for name in ("age", "sex")))
        records = NamedRecords(root)
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        without_patient: list[str] = []
        named: list[str] = []
        for number, cell in enumerate(_record_names(path, table)):
            cells = {str(name): str(value) for name, value in table.iloc[number].items()}
            record = records.find(cell)
            named.append(record)
            fold = _parse_fold(path, number, cells["fold"]) if "fold" in cells else None
            patient = parse_patient(path, number, "patient_id", cells.get("patient_id", ""))
            if self.patient_pattern is not None:
                match = self.patient_pattern.search(record)
                patient = identifier(match[1 if match.re.groups else 0]) if match else None
                if patient is None:
                    without_patient.append(record)
            try:
                rate, length = self._measure(root, records, cell, record)
            except RecordError as error:
                left_out.append(LeftOut.because(record, error))
                continue
            rows.append(
                {
                    "record_id": record,
                    "patient_id": patient,
                    "path": record,
                    "sampling_rate": rate,
                    "length": length,
                    "fold": fold,
                    "age": parse_age(cells.get("age")),
                    "sex": parse_sex(cells.get("sex")),
                    "codes": labels.codes[number],
                    UNANSWERED: labels.unanswered[number],
                    **{name: identifier(cells[name]) for name in self.kept},
                }
            )
        if without_patient:
            count, which = len(without_patient), first_few(without_patient)
            notes.append(f"patient_pattern finds no patient in {count} record(s): {which}.")
        unnamed = records.unnamed(named)
        if unnamed:
            count = len(unnamed)
            notes.append(
                f"{count} recording(s) in the folder are in no row of {path.name}: {first_few(unnamed)}."
            )
        scan = make_scan(rows, path, left_out, [*notes, *labels.notes])
        for name in self.kept:
            column = scan.records[name].astype(object)
            scan.records[name] = column.where(column.notna(), None)
        return scan

    def read(self, root: Path, path: str) -> Recording:
        """Read one record."""
        return read_record(root / path, self.reading).recording

    @classmethod
    def known_classes(cls, task: str) -> tuple[str, ...]:
        """Name none: they are in the table of labels."""
        return ()

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the classes of `root`'s table, in its order; those of a column of codes by their names.

        Raises:
            SettingError: If `root` is None.
            DatasetError: If the table is missing or malformed.
        """
        self.check_task(task)
        if root is None:
            raise SettingError(
                "label rule of custom", "no root", f"the folder of {TABLE_NAMES[0]}", "Give the root."
            )
        path, table = self._read_table(root)
        if self.codes_column is None:
            return self._rule_of_columns(path, table)
        return self._labels(root, path, table).rule

    def _measure(self, root: Path, records: NamedRecords, cell: str, record: str) -> tuple[float, int]:
        """Return the rate and the length of a record.

        Raises:
            RecordError: If it is not there, or cannot be read.
        """
        path = root / record
        if not path.is_file() and (several := records.ambiguous(cell)):
            raise RecordError(
                path,
                f"{len(several)} files of this name ({first_few(several)})",
                "one",
                "Name them by their paths.",
            )
        if not path.is_file() and not is_wfdb(path):
            raise RecordError(
                path,
                "no such file, nor one of this name below the folder",
                "a recording",
                "Restore it, or remove the row.",
            )
        if is_wfdb(path):
            return wfdb_extent(path)
        recording = read_record(path, self.reading).recording
        return recording.sampling_rate, recording.values.shape[1]

    def _read_table(self, root: Path) -> tuple[Path, pd.DataFrame]:
        """Return the table of labels, its columns under the names that they have here."""
        path = self._table_path(root)
        called = self.called | self.kept
        optional = (*_OPTIONAL, *self.kept)
        layout = "records of your own"
        table = name_columns(path, read_cells(path), (_RECORD,), layout, optional, called=called)
        wanted = [*self.label_columns, *([] if self.codes_column is None else [self.codes_column])]
        missing = [name for name in wanted if name not in table]
        missing += [usual for name, usual in self.kept.items() if name not in table]
        missing += [usual for name, usual in self.called.items() if name not in table and usual != name]
        if missing:
            raise DatasetError(
                path,
                f"no column {', '.join(missing)} among {', '.join(table.columns)}"[:400],
                "each column that the settings name",
                "Correct the settings or the table.",
            )
        if self.patient_pattern is not None and "patient_id" in table:
            raise DatasetError(
                path,
                f"a column {self.called['patient_id']} beside patient_pattern",
                "one of them to say who the patient is",
                "Leave patient_pattern out, or name another patient_column.",
            )
        return path, table

    def _labels(self, root: Path, path: Path, table: pd.DataFrame) -> Labels:
        if self.codes_column is None:
            others = ", ".join((*RESERVED, *self.kept))
            which = "label_columns names it" if self.label_columns else f"any column but {others} is a class"
            rule = self._rule_of_columns(path, table)
            return labels_of_columns(path, table, rule, which, self.empty_cells)
        names = None if self.code_names is None else root / self.code_names
        cells = list(table[self.codes_column])
        return labels_of_codes(path, cells, self.code_separator, names, self.empty_cells)

    def _rule_of_columns(self, path: Path, table: pd.DataFrame) -> LabelRule:
        return rule_of_columns(path, table, self.label_columns, (*RESERVED, *self.kept))

    def _table_path(self, root: Path) -> Path:
        if self.table is not None:
            return root / self.table
        found = [name for name in TABLE_NAMES if (root / name).exists()]  # a folder of that name is said
        if len(found) > 1:
            raise DatasetError(
                root, " and ".join(found), "one table of labels", "Name it in the setting `table`."
            )
        if not found:
            raise DatasetError(
                root,
                "no table of labels",
                " or ".join(TABLE_NAMES),
                "Check that the root is the right folder, or name the table in the setting `table`.",
            )
        return root / found[0]


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(Custom.__init__).parameters.items()
    if name != "self"
}


def listed(text: str | None) -> tuple[str, ...]:
    """Return the names in a setting, with commas between and quotes around those that hold one."""
    if text is None:
        return ()
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    return tuple(name for name in names if name)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingError(
            "patient_pattern", f"{text!r} ({error})", "a regular expression", "Correct it."
        ) from None


def _record_names(path: Path, table: pd.DataFrame) -> list[str]:
    """Return each record's path in its shortest form, so that `a` and `./a` are the same record."""
    return [cell_path(path, number, "record", cell) for number, cell in enumerate(table[_RECORD])]


def _parse_fold(path: Path, number: int, cell: str) -> int:
    fold = identifier(cell) or ""
    if not (fold.isascii() and fold.isdigit()) or len(fold) > 9 or int(fold) > _LARGEST_FOLD:
        expected = f"a whole number up to {_LARGEST_FOLD:,} in every row, or no such column"
        raise cell_fault(path, number, "fold", cell, expected)
    return int(fold)
