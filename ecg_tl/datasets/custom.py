"""Your own records: a folder of WFDB records and one `labels.csv`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args
from unicodedata import normalize

import pandas as pd

from ecg_tl.datasets.base import (
    UNANSWERED,
    EcgDataset,
    LabelClass,
    LabelRule,
    LeftOut,
    Scan,
    make_scan,
)
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import READ_AS, cell_fault, cell_path, column_key, parse_patient, read_text_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError, RecordError, SettingError
from ecg_tl.limits import shown
from ecg_tl.recordings.wfdb_header import header_path, read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

EmptyCells = Literal["error", "unanswered"]
"""What an empty cell of a class can be."""

_LABELS = "labels.csv"
_RECORD = "record"
_OPTIONAL = ("patient_id", "fold", "age", "sex")
_RESERVED = (_RECORD, *_OPTIONAL)
_USUAL_NAMES = {
    _RECORD: ("record_id", "record_name", "file", "filename", "path", "ecg_id", "study_id"),
    "patient_id": (
        "patient",
        "patient_no",
        "patient_number",
        "pid",
        "mrn",
        "subject",
        "subject_id",
        "person_id",
    ),
    "fold": ("strat_fold", "split"),
    "age": ("age_years", "age_at_recording"),
    "sex": ("gender", "male", "female", "is_male", "is_female"),
}
_MEANT = {column_key(name): column for column, names in _USUAL_NAMES.items() for name in names}
"""Names under which others keep what is reserved here: such a column is hardly a class."""

_LARGEST_FOLD = 1_000_000


class Custom(EcgDataset):
    """A folder of WFDB records with `labels.csv`.

    The column `record` names each record by its path relative to the folder, without extension. `patient_id`,
    `fold`, `age` and `sex` are optional. Case, blanks, `_`, `-` and dots do not matter in these five names
    (`Patient ID` is `patient_id`). Every other column is a class, with 0 or 1 in each row.

    Args:
        empty_cells: What an empty cell of a class is: an `error`, or a question that is `unanswered`, so that
            the record is neither trained nor scored on that class.

    Raises:
        SettingError: If `empty_cells` is neither.
    """

    name = "custom"
    title = "Your own records"
    records = "any"
    licence = "yours"
    citation = "yours"
    source = "a folder of WFDB records with labels.csv"
    vocabulary = Vocabulary("custom", concepts=None)

    def __init__(self, empty_cells: EmptyCells = "error") -> None:
        if empty_cells not in get_args(EmptyCells):
            raise SettingError(
                "empty_cells",
                shown(empty_cells),
                f"one of {', '.join(get_args(EmptyCells))}",
                "Choose one of these.",
            )
        self.empty_cells = empty_cells

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """Name what is not the default, so that stores of earlier versions keep their names."""
        return {} if self.empty_cells == "error" else {"empty_cells": self.empty_cells}

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name `labels.csv` and the header of each of its rows."""
        path = root / _LABELS
        table, _ = _read_labels(path)
        yield path
        for number, cell in enumerate(table[_RECORD]):
            yield header_path(root / _find_record(root, _parse_record(path, number, cell)))

    def scan(self, root: Path) -> Scan:
        """List the rows of `labels.csv` with what their headers say."""
        path = root / _LABELS
        table, class_names = _read_labels(path)
        notes = [f"Column {text!r} is read as `{name}`." for name, text in table.attrs.pop(READ_AS).items()]
        notes += people_notes(*([*table[name]] if name in table else [] for name in ("age", "sex")))
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        for number, row in enumerate(table.to_dict("records")):
            cells = {str(name): str(cell) for name, cell in row.items()}
            record = _find_record(root, _parse_record(path, number, cells[_RECORD]))
            labels = {
                name: None
                if not cells[name] and self.empty_cells == "unanswered"
                else _parse_label(path, number, name, cells[name])
                for name in class_names
            }
            fold = _parse_fold(path, number, cells["fold"]) if "fold" in cells else None
            patient = parse_patient(path, number, "patient_id", cells.get("patient_id", ""))
            try:
                header = read_header(root / record)
            except RecordError as error:
                left_out.append(LeftOut.because(record, error))
                continue
            rows.append(
                {
                    "record_id": record,
                    "patient_id": patient,
                    "path": record,
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": fold,
                    "age": parse_age(cells.get("age")),
                    "sex": parse_sex(cells.get("sex")),
                    "codes": tuple(name for name, label in labels.items() if label),
                    UNANSWERED: tuple(name for name, label in labels.items() if label is None),
                }
            )
        return make_scan(rows, path, left_out, notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record."""
        return read_wfdb(root / path)

    @classmethod
    def known_classes(cls, task: str) -> tuple[str, ...]:
        """Name none: they are the columns of `labels.csv`."""
        return ()

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return one class for every class column of `root`'s `labels.csv`, in the file's order.

        Raises:
            SettingError: If `root` is None.
            DatasetError: If `labels.csv` is missing or malformed.
        """
        self.check_task(task)
        if root is None:
            raise SettingError(
                "label rule of custom", "no root", f"the folder of {_LABELS}", "Give the root."
            )
        _, class_names = _read_labels(root / _LABELS)
        return LabelRule(tuple(LabelClass(name, frozenset({name})) for name in class_names))


def _read_labels(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    table = read_text_table(path, (_RECORD,), "records of your own", optional=_OPTIONAL)
    class_names = tuple(str(column) for column in table.columns if column not in _RESERVED)
    for name in class_names:
        if column_key(name) in _MEANT:
            column = _MEANT[column_key(name)]
            raise DatasetError(
                path,
                f"a column {name!r} where every column but {', '.join(_RESERVED)} is a class",
                "a class, or a reserved name",
                f"Is it the {column}? Rename it to `{column}`, or remove it; a class needs another name.",
            )
    if not class_names or "" in class_names:
        raise DatasetError(
            path,
            "a column without a name" if class_names else f"the columns {', '.join(table.columns)}",
            f"a column of 0 and 1 for each class, beside {', '.join(_RESERVED)}",
            "Name it or remove it." if class_names else "Add a column for each class.",
        )
    return table, class_names


def _find_record(root: Path, record: str) -> str:
    """Return the spelling of a record's path under which its header is there; `record` itself if none is.

    Programs that write tables spell a name otherwise than the disk does: `7.0` for `7`, and the other of
    Unicode's ways to write `é`.
    """
    spellings = (record, identifier(record) or record, *(normalize(form, record) for form in ("NFC", "NFD")))
    return next((spelling for spelling in spellings if header_path(root / spelling).is_file()), record)


def _parse_record(path: Path, number: int, cell: str) -> str:
    """Return the record's path in its shortest form, so that `a` and `./a` are the same record."""
    record = cell_path(path, number, "record", cell)
    if record.endswith(".hea"):
        raise cell_fault(path, number, "record", cell, "a path without extension")
    return record


def _parse_label(path: Path, number: int, name: str, cell: str) -> bool:
    label = identifier(cell)
    if label not in ("0", "1"):
        expected = f"0 or 1 (any column but {', '.join(_RESERVED)} is a class)"
        if not cell:
            expected += "; `empty_cells: unanswered` takes an empty cell for a question without an answer"
        raise cell_fault(path, number, name, cell, expected)
    return label == "1"


def _parse_fold(path: Path, number: int, cell: str) -> int:
    fold = identifier(cell) or ""
    if not (fold.isascii() and fold.isdigit()) or len(fold) > 9 or int(fold) > _LARGEST_FOLD:
        expected = f"a whole number up to {_LARGEST_FOLD:,} in every row, or no such column"
        raise cell_fault(path, number, "fold", cell, expected)
    return int(fold)
