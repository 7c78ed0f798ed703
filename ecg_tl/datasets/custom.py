"""Your own records: a folder of WFDB records and one `labels.csv`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex
from ecg_tl.datasets.tables import cell_fault, read_table
from ecg_tl.datasets.wfdb_header import read_header
from ecg_tl.datasets.wfdb_recording import read_recording
from ecg_tl.errors import DatasetError, RecordError, SettingError
from ecg_tl.signals import Recording

_LABELS = "labels.csv"
_RESERVED = ("record", "patient_id", "fold", "age", "sex")
_TRUE = frozenset({"1", "1.0"})
_FALSE = frozenset({"0", "0.0"})


class Custom(EcgDataset):
    """A folder of WFDB records with `labels.csv`.

    The column `record` names each record by its path relative to the folder, without extension. `patient_id`,
    `fold`, `age` and `sex` are optional. Every other column is a class, with 0 or 1 in each row.
    """

    name = "custom"
    title = "Your own records"
    records = "any"
    licence = "yours"
    citation = "yours"
    source = "a folder of WFDB records with labels.csv"
    code_system = "custom"
    source_suffixes = (".csv", ".hea", ".dat", ".mat")

    def scan(self, root: Path) -> Scan:
        """List the rows of `labels.csv` with what their headers say."""
        path = root / _LABELS
        table, class_names = _read_labels(path)
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        for number in range(len(table)):
            cells = {str(name): str(cell) for name, cell in table.iloc[number].items()}
            record = _parse_record(path, number, cells["record"])
            codes = tuple(name for name in class_names if _parse_label(path, number, name, cells[name]))
            fold = _parse_fold(path, number, cells["fold"]) if "fold" in cells else None
            try:
                header = read_header(root / record)
            except RecordError as error:
                left_out.append(LeftOut(record, str(error)))
                continue
            rows.append(
                {
                    "record_id": record,
                    "patient_id": cells.get("patient_id") or None,
                    "path": record,
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": fold,
                    "age": parse_age(cells.get("age")),
                    "sex": parse_sex(cells.get("sex")),
                    "codes": codes,
                }
            )
        return make_scan(rows, path, left_out)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record."""
        return read_recording(root / path)

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
    table = read_table(path, ("record",), "records of your own")
    class_names = tuple(str(column) for column in table.columns if column not in _RESERVED)
    if not class_names or "" in class_names:
        raise DatasetError(
            path,
            "a column without a name" if class_names else f"the columns {', '.join(table.columns)}",
            f"a column of 0 and 1 for each class, beside {', '.join(_RESERVED)}",
            "Name it or remove it." if class_names else "Add a column for each class.",
        )
    return table, class_names


def _parse_record(path: Path, number: int, cell: str) -> str:
    """Return the record's path in its shortest form, so that `a` and `./a` are the same record."""
    record = PurePosixPath(cell)
    if not record.name or record.is_absolute() or ".." in record.parts or record.suffix == ".hea":
        raise cell_fault(
            path, number, "record", cell, "a path below the folder, relative to it, without extension"
        )
    return record.as_posix()


def _parse_label(path: Path, number: int, name: str, cell: str) -> bool:
    if cell not in _TRUE | _FALSE:
        raise cell_fault(
            path, number, name, cell, f"0 or 1 (any column but {', '.join(_RESERVED)} is a class)"
        )
    return cell in _TRUE


def _parse_fold(path: Path, number: int, cell: str) -> int:
    fold = cell.removesuffix(".0")
    if not (fold.isascii() and fold.isdigit()):
        raise cell_fault(path, number, "fold", cell, "a whole number in every row, or no such column")
    return int(fold)
