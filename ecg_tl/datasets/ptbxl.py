"""PTB-XL: 21,799 twelve-lead ECGs of 10 s with SCP-ECG statements and ten patient-wise folds.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 7, 154
(2020). The tasks are those of Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights
from PTB-XL", IEEE JBHI 25(5), 2021.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.scp_statements import SCP, SCP_STATEMENTS, SUPERCLASSES
from ecg_tl.datasets.tables import cell_fault, cell_path, parse_patient, read_text_table
from ecg_tl.errors import SettingError
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

_DATABASE = "ptbxl_database.csv"
_DURATION = 10  # seconds, of every record
_FILE_COLUMN = {500: "filename_hr", 100: "filename_lr"}
_SEX = {"0": "M", "1": "F"}  # as the paper's data records define the column
_FOLDS = frozenset(map(str, range(1, 11)))
_KIND_OF_TASK = {"diagnostic": "D", "form": "F", "rhythm": "R", "all": "DFR"}


class PtbXl(EcgDataset):
    """PTB-XL in its published layout: `ptbxl_database.csv`, `records500/` and `records100/`.

    A record has a class if any of its statements is one of the class's codes, whatever the statement's
    likelihood: form and rhythm statements carry the likelihood 0, which means "not stated".

    Args:
        source_rate: Which of the two published versions is read, 500 or 100 Hz.

    Raises:
        SettingError: If `source_rate` is neither.
    """

    name = "ptbxl"
    title = "PTB-XL 1.0.3"
    records = "21,799 of 18,869 patients"
    licence = "CC BY 4.0"
    citation = "Wagner et al., Scientific Data 7, 154 (2020)"
    source = "https://physionet.org/content/ptb-xl/1.0.3/"
    vocabulary = SCP
    tasks = ("superdiagnostic", "subdiagnostic", "diagnostic", "form", "rhythm", "all")
    drop_unlabelled = True

    def __init__(self, source_rate: int = 500) -> None:
        if source_rate not in _FILE_COLUMN:
            raise SettingError(
                "source_rate of ptbxl",
                str(source_rate),
                "500 or 100",
                "Choose a published version; prepare resamples.",
            )
        self.source_rate = source_rate

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """The version that is read: its signals are not those of the other."""
        return {"source_rate": self.source_rate}

    def source_files(self, root: Path) -> Iterable[Path | str]:
        """Name the table and the headers of the version that is read."""
        path = root / _DATABASE
        column = _FILE_COLUMN[self.source_rate]
        yield path
        prefix = os.path.join(root, "")  # noqa: PTH118  (`Path`s of 22,000 files take longer than all else)
        table = read_text_table(path, (column,), self.title, others=False)
        for number, cell in enumerate(table[column]):
            yield f"{prefix}{cell_path(path, number, column, cell)}.hea"

    def scan(self, root: Path) -> Scan:
        """List the rows of `ptbxl_database.csv`; whether their files are there is seen when they are read."""
        path = root / _DATABASE
        file_column = _FILE_COLUMN[self.source_rate]
        required = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", file_column)
        table = read_text_table(path, required, self.title, optional=("site", "device"), others=False)
        optional = [column for column in ("site", "device") if column in table.columns]
        rows: list[dict[str, object]] = []
        for number, row in enumerate(table.to_dict("records")):
            cells = {str(column): str(cell) for column, cell in row.items()}
            rows.append(
                {
                    "record_id": identifier(cells["ecg_id"]) or cells["ecg_id"],
                    "patient_id": _parse_patient(path, number, cells["patient_id"]),
                    "path": cell_path(path, number, file_column, cells[file_column]),
                    "sampling_rate": float(self.source_rate),
                    "length": self.source_rate * _DURATION,
                    "fold": _parse_fold(path, number, cells["strat_fold"]),
                    "age": parse_age(cells["age"]),
                    "sex": _SEX.get(identifier(cells["sex"]) or ""),
                    "codes": _parse_statements(path, number, cells["scp_codes"]),
                    **{column: cells[column] or None for column in optional},
                }
            )
        notes = people_notes(table["age"], ())
        return make_scan(rows, path, notes=notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 leads."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the rule of one of the benchmark's six tasks: 5, 23, 44, 19, 12 and 71 classes."""
        task = self.check_task(task)
        known = frozenset(statement.code for statement in SCP_STATEMENTS)
        if task == "superdiagnostic":
            groups = {
                superclass: [s.code for s in SCP_STATEMENTS if s.superclass == superclass]
                for superclass in SUPERCLASSES
            }
        elif task == "subdiagnostic":
            groups = {}
            for statement in SCP_STATEMENTS:
                if statement.subclass is not None:
                    groups.setdefault(statement.subclass, []).append(statement.code)
        else:
            kinds = set(_KIND_OF_TASK[task])
            groups = {s.code: [s.code] for s in SCP_STATEMENTS if kinds & set(s.kinds)}
        classes = tuple(LabelClass(name, frozenset(codes)) for name, codes in groups.items())
        return LabelRule(classes, known)


def _parse_patient(path: Path, number: int, cell: str) -> str | None:
    """Return `"15709"` for the published `15709.0`."""
    patient = parse_patient(path, number, "patient_id", cell)
    if patient is not None and not (patient.isascii() and patient.isdigit()):
        raise cell_fault(path, number, "patient_id", cell, "a whole number")
    return patient


def _parse_fold(path: Path, number: int, cell: str) -> int:
    fold = identifier(cell)
    if fold not in _FOLDS:
        raise cell_fault(path, number, "strat_fold", cell, "a fold from 1 to 10")
    return int(fold)


def _parse_statements(path: Path, number: int, cell: str) -> tuple[str, ...]:
    """Return the statements of `"{'NORM': 100.0, 'SR': 0.0}"`; the likelihoods are not used."""
    try:
        statements = ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        statements = None
    if not isinstance(statements, dict) or not all(isinstance(code, str) for code in statements):
        raise cell_fault(path, number, "scp_codes", cell, "a Python dict of statements and likelihoods")
    return tuple(statements)
