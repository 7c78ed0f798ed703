"""ZZU pECG: 14,190 ECGs of children in hospital, some of them in nine leads.

Tan et al., "A pediatric ECG database with disease diagnosis covering 11643 children", Scientific Data 12
(2025).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.aha import AHA, AHA_STATEMENTS, statement_classes
from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.icd10 import CATEGORIES, category_of
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, cell_path, parse_patient, read_text_table
from ecg_tl.limits import SAMPLES
from ecg_tl.recordings.wfdb_header import header_path
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

_TABLE = "AttributesDictionary.csv"
_FOLDER = "Child_ecg"
_SAMPLING_RATE = 500.0
_STATEMENT = re.compile(r"[A-N](\d{1,3})(?:\+[A-Za-z].*)?")
_DISEASES = (
    LabelClass("congenital", frozenset(f"Q{number}" for number in range(20, 29))),
    LabelClass("myocarditis", frozenset({"I40", "I41"})),
    LabelClass("cardiomyopathy", frozenset({"I42", "I43"})),
    LabelClass("Kawasaki", frozenset({"M30"})),
)
"""What the publication studies, by ICD-10's categories: Q20-Q28 is a block, Kawasaki disease is M30.3."""


class ZzuPecg(EcgDataset):
    """ZZU pECG in its published layout: `AttributesDictionary.csv` and `Child_ecg/P00/P00001/P00001_E01.hea`.

    1,856 of the records have nine leads, without V2, V4 and V6: a store of all twelve leaves these out and
    says so, one of the other nine has all. Ages are in days (`572d`), sexes in quotes. A cell lists findings
    as AHA codes with modifiers (`'L145+Modifier362'`), or in words where that vocabulary has no code: words
    are kept as codes. Diagnoses are ICD-10 codes, some behind a mark of the study (`(FO) Q21.1`); kept are
    their categories (`Q21`).
    """

    name = "zzu_pecg"
    title = "ZZU pECG, children"
    records = "14,190 of 11,643 patients"
    licence = "CC BY 4.0"
    citation = "Tan et al., Scientific Data 12 (2025)"
    source = "https://doi.org/10.6084/m9.figshare.27078763"
    vocabulary = AHA
    tasks = ("statements", "diseases")

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the table and the header of each of its rows."""
        path = root / _TABLE
        yield path
        table = read_text_table(path, ("Filename",), self.title, others=False)
        for number, cell in enumerate(table["Filename"]):
            yield header_path(root / _record(path, number, cell))

    def scan(self, root: Path) -> Scan:
        """List the rows of the table; whether their files are there is seen when they are read."""
        path = root / _TABLE
        people = ("Patient_ID", "Age", "Gender")
        required = ("Filename", "ECG_ID", *people, "Sampling_point", "Lead", "AHA_code", "ICD-10 code")
        table = read_text_table(path, required, self.title, others=False)
        rows: list[dict[str, object]] = []
        for number, row in enumerate(table.to_dict("records")):
            cells = {str(column): str(cell) for column, cell in row.items()}
            length = _whole(path, number, "Sampling_point", cells["Sampling_point"])
            if not SAMPLES.holds(length):
                raise cell_fault(path, number, "Sampling_point", cells["Sampling_point"], str(SAMPLES))
            rows.append(
                {
                    "record_id": cells["ECG_ID"].strip("'"),
                    "patient_id": parse_patient(path, number, "Patient_ID", cells["Patient_ID"].strip("'")),
                    "path": _record(path, number, cells["Filename"]),
                    "sampling_rate": _SAMPLING_RATE,
                    "length": length,
                    "fold": None,
                    "age": parse_age(cells["Age"]),
                    "sex": parse_sex(cells["Gender"].strip("'")),
                    "codes": _codes(cells["AHA_code"], cells["ICD-10 code"]),
                    "leads": _whole(path, number, "Lead", cells["Lead"]),
                }
            )
        sexes = [cell.strip("'") for cell in table["Gender"]]
        return make_scan(rows, path, notes=people_notes(table["Age"], sexes))

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 or 9 leads."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the AHA statements that adults' sets have as well, or four groups of diseases."""
        known = CATEGORIES | AHA_STATEMENTS.keys()
        return LabelRule(statement_classes() if self.check_task(task) == "statements" else _DISEASES, known)


def _record(path: Path, number: int, cell: str) -> str:
    return f"{_FOLDER}/{cell_path(path, number, 'Filename', cell.strip(chr(39)).lstrip('/'))}"


def _whole(path: Path, number: int, column: str, cell: str) -> int:
    text = identifier(cell) or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise cell_fault(path, number, column, cell, "a whole number")
    return int(text)


def _codes(findings: str, diseases: str) -> tuple[str, ...]:
    codes: dict[str, None] = {}
    for finding in _listed(findings):
        statement = _STATEMENT.fullmatch(finding)
        codes[statement[1] if statement else finding] = None
    for disease in _listed(diseases):
        codes[category_of(disease.rpartition(") ")[2]) or disease] = None
    return tuple(codes)


def _listed(cell: str) -> list[str]:
    """Return the entries of `'Left ventricular high voltage';'L147'`."""
    entries = (entry.strip().strip("'").strip() for entry in cell.split(";"))
    return [entry for entry in entries if entry and entry != "Null"]
