"""MIMIC-IV-ECG: 800,035 ECGs of a hospital in Boston, with the ICD-10 codes of the patients' stays.

Gow et al., "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset", PhysioNet (2023). Labels: Strodthoff
et al., "MIMIC-IV-ECG-Ext-ICD: Diagnostic labels for MIMIC-IV-ECG", PhysioNet (2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from ecg_tl.datasets.base import UNANSWERED, EcgDataset, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex
from ecg_tl.datasets.icd10 import (
    CATEGORIES,
    CIRCULATORY_BLOCKS,
    HEART_CATEGORIES,
    ICD10,
    block_classes,
    category_classes,
    category_of,
)
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, cell_path, parse_patient, read_text_table
from ecg_tl.errors import SettingError
from ecg_tl.recordings.wfdb_header import header_path
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

Diagnoses = Literal["ed_diag_ed", "ed_diag_hosp", "hosp_diag_hosp", "all_diag_hosp", "all_diag_all"]
"""Of which stay: the emergency department's, the hospital's by two ways, both, or the best there is."""

_RECORDS = "record_list.csv"
_LABELS = "records_w_diag_icd10.csv"
_SAMPLING_RATE = 500.0
_LENGTH = 5000
_FOLDS = frozenset(map(str, range(20)))
_CODE = re.compile(r"'([^']*)'")
_NOT_ASKED = tuple(sorted({*HEART_CATEGORIES, *(min(codes) for codes in CIRCULATORY_BLOCKS.values())}))
"""Of every class of every task a code, for records whose patient has no stay that was coded."""


class MimicIvEcg(EcgDataset):
    """MIMIC-IV-ECG as published: `record_list.csv` and `files/p1000/p10000032/s40689238/40689238.hea`.

    Labels come from `records_w_diag_icd10.csv` of MIMIC-IV-ECG-Ext-ICD, laid beside it. It has the diagnoses
    of 468,005 records; of the others nobody asked, and all classes are without an answer. Codes are kept by
    their categories (`I48` of `I4891`). Its `strat_fold` is the fold: 18 validates, 19 tests, and no patient
    is in two.

    Without that table, as with the open demo of 659 records, there are no labels and no folds: records to
    pre-train on, or for `ecg-tl infer`.

    The leads lie in the order I II III aVR aVF aVL, and are taken by their names; 10,554 records have samples
    that were not measured, 1,950 a lead of zeros. Measurements of the machine are not read (29999, 32767 and
    65535 in them mean that there is none).

    Args:
        diagnoses: Which column of the table counts.

    Raises:
        SettingError: If there is no such column.
    """

    name = "mimic_iv_ecg"
    title = "MIMIC-IV-ECG 1.0"
    records = "800,035 of 161,352 patients"
    licence = "PhysioNet Credentialed Health Data License 1.5.0 (its demo: ODbL 1.0)"
    citation = "Gow et al., PhysioNet (2023); Strodthoff et al., PhysioNet (2024) for the labels"
    source = "https://physionet.org/content/mimic-iv-ecg/1.0/"
    vocabulary = ICD10
    tasks = ("blocks", "categories")

    def __init__(self, diagnoses: Diagnoses = "all_diag_all") -> None:
        if diagnoses not in get_args(Diagnoses):
            raise SettingError(
                "diagnoses of mimic_iv_ecg",
                repr(diagnoses),
                f"one of {', '.join(get_args(Diagnoses))}",
                "Choose one of these.",
            )
        self.diagnoses = diagnoses

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """Which diagnoses the table of records holds."""
        return {"diagnoses": self.diagnoses}

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name both tables and the header of each record."""
        path = root / _RECORDS
        yield path
        yield root / _LABELS
        table = read_text_table(path, ("path",), self.title, others=False)
        for number, cell in enumerate(table["path"]):
            yield header_path(root / cell_path(path, number, "path", cell))

    def scan(self, root: Path) -> Scan:
        """List the rows of `record_list.csv`; whether their files are there is seen when they are read."""
        path = root / _RECORDS
        required = ("subject_id", "study_id", "path")
        table = read_text_table(path, required, self.title, others=False)
        labels = self._labels(root / _LABELS)
        unlinked: dict[str, object] = {
            "fold": None,
            "age": float("nan"),
            "sex": None,
            "codes": (),
            UNANSWERED: _NOT_ASKED,
        }
        rows: list[dict[str, object]] = []
        asked = 0
        columns = (table[column].tolist() for column in required)
        for number, (subject, study, record) in enumerate(zip(*columns, strict=True)):
            known = labels.get(identifier(study) or study, unlinked)
            asked += not known[UNANSWERED]
            rows.append(
                {
                    "record_id": identifier(study) or study,
                    "patient_id": parse_patient(path, number, "subject_id", subject),
                    "path": cell_path(path, number, "path", record),
                    "sampling_rate": _SAMPLING_RATE,
                    "length": _LENGTH,
                    **known,
                }
            )
        notes = [f"{asked:,} of {len(rows):,} record(s) have diagnoses; of the others nobody asked."]
        if not labels:
            notes = [f"There is no {_LABELS} here: these records have no labels and no folds."]
        if labels and any(row["fold"] is None for row in rows):
            notes.append("Some records have no row in it, and no fold: whole patients are drawn.")
        return make_scan(rows, path, notes=notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 leads."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the blocks of ICD-10's chapter on the circulation, or categories of the heart."""
        blocks = self.check_task(task) == "blocks"
        return LabelRule(block_classes() if blocks else category_classes(), CATEGORIES)

    def _labels(self, path: Path) -> Mapping[str, Mapping[str, object]]:
        """Return what the table of diagnoses says of each study; nothing if there is no such table."""
        if not path.exists():
            return {}
        required = ("study_id", "gender", "age", "strat_fold", self.diagnoses)
        table = read_text_table(path, required, self.title, others=False)
        columns = (table[column].tolist() for column in required)
        labels: dict[str, Mapping[str, object]] = {}
        for number, (study, gender, age, fold, cell) in enumerate(zip(*columns, strict=True)):
            number_of_fold = identifier(fold)
            if number_of_fold not in _FOLDS:
                raise cell_fault(path, number, "strat_fold", fold, "a fold from 0 to 19")
            if not (cell.startswith("[") and cell.endswith("]")):
                raise cell_fault(path, number, self.diagnoses, cell[:80], "a list of ICD-10 codes")
            codes = _categories(cell)
            labels[identifier(study) or study] = {
                "fold": int(number_of_fold),
                "age": parse_age(age),
                "sex": parse_sex(gender),
                "codes": codes,
                UNANSWERED: () if codes else _NOT_ASKED,
            }
        return labels


@cache
def _category(code: str) -> str:
    return category_of(code) or code


def _categories(cell: str) -> tuple[str, ...]:
    """Return the categories of `['I4891', 'I2510']`, each once."""
    return tuple(dict.fromkeys(map(_category, _CODE.findall(cell))))
