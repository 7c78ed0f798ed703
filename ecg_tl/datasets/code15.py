"""CODE-15%: 345,779 Brazilian ECGs with six abnormalities, an open part of the CODE cohort.

Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications
11, 1760 (2020); Ribeiro et al., Zenodo 4916206 (2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ecg_tl.datasets.base import UNANSWERED, EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.code import ABNORMALITIES, CODE, SAMPLING_RATE, TRACINGS
from ecg_tl.datasets.demographics import parse_age, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, parse_patient, read_text_table
from ecg_tl.errors import DatasetError
from ecg_tl.signals import LEADS, Recording

_EXAMS = "exams.csv"
_PARTS = tuple(f"exams_part{number}.hdf5" for number in range(18))
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_FILLER = 0
"""The exam_id of the row of zeros at the end of every part."""


class Code15(EcgDataset):
    """CODE-15% in its published layout: `exams.csv` and `exams_part0.hdf5` to `exams_part17.hdf5`.

    The table is not in the order of the files, and every part ends with a row of zeros with exam_id 0: exams
    are joined by `exam_id`. Some parts alone will do; exams of the others are counted. Tracings are in
    millivolts, 4096 samples with zeros on both sides of the recording, which is why the centre is kept. They
    have, unlike CODE test's, the leads in the standard order. Over 5 mV is common.

    No flag is not normal: 308,004 exams have none of the six, 134,657 are `normal_ecg`. `abnormalities` has
    the six, `abnormalities_normal` the publisher's flag for normal ones as well. `death` is whether the
    patient died while they were followed: for 112,132 exams, of patients who were not followed, a question
    without an answer.
    """

    name = "code15"
    title = "CODE-15%"
    records = "345,779 of 233,770 patients"
    licence = "CC BY 4.0"
    citation = "Ribeiro et al., Nature Communications 11, 1760 (2020)"
    source = "https://doi.org/10.5281/zenodo.4916206"
    vocabulary = CODE
    tasks = ("abnormalities", "abnormalities_normal", "death")
    crop = "center"

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the table and all parts, of which some may not be there."""
        return [root / _EXAMS, *(root / part for part in _PARTS)]

    def scan(self, root: Path) -> Scan:
        """Join the table with the identifiers in the parts; no tracing is read."""
        row_of, length_of = _rows(root)
        path = root / _EXAMS
        flags = (*ABNORMALITIES, "normal_ecg")
        required = ("exam_id", "age", "is_male", "patient_id", "trace_file", "death", *flags)
        table = read_text_table(path, required, self.title, others=False)
        columns = {column: table[column].tolist() for column in required}
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        elsewhere: dict[str, int] = {}
        used: list[str] = []
        for number, cell in enumerate(columns["exam_id"]):
            exam = identifier(cell)
            if exam is None or not (exam.isascii() and exam.isdigit()):
                raise cell_fault(path, number, "exam_id", cell, "a whole number")
            found = row_of.get(int(exam))
            part = columns["trace_file"][number]
            if found is None:
                if (root / part).name in length_of:
                    left_out.append(LeftOut(exam, f"{root / part}: no exam {exam}"))
                else:
                    elsewhere[part] = elsewhere.get(part, 0) + 1
                continue
            values = {flag: columns[flag][number] for flag in flags}
            died = columns["death"][number]
            if died and _truth(path, number, "death", died):
                values["death"] = "True"
            male = _truth(path, number, "is_male", columns["is_male"][number])
            used.append(columns["age"][number])
            rows.append(
                {
                    "record_id": exam,
                    "patient_id": parse_patient(path, number, "patient_id", columns["patient_id"][number]),
                    "path": f"{found[0]}#{found[1]}",
                    "sampling_rate": SAMPLING_RATE,
                    "length": length_of[found[0]],
                    "fold": None,
                    "age": parse_age(used[-1]),
                    "sex": {True: "M", False: "F"}[male],
                    "codes": tuple(f for f, cell in values.items() if _truth(path, number, f, cell)),
                    UNANSWERED: () if died else ("death",),
                }
            )
        notes = people_notes(used, ())
        if elsewhere:
            parts = ", ".join(sorted(elsewhere)[:3]) + (", ..." if len(elsewhere) > 3 else "")
            notes.append(f"{sum(elsewhere.values()):,} exam(s) lie in parts that are not here: {parts}.")
        unnamed = len(row_of) - len(rows)
        if unnamed:
            notes.append(f"{unnamed:,} exam(s) of the parts have no row in {_EXAMS} and are not used.")
        return make_scan(rows, root, left_out, notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one row of a part; `path` is `exams_part3.hdf5#417`."""
        file_name, _, row = path.partition("#")
        return Recording(TRACINGS.read(root / file_name, int(row)), LEADS, SAMPLING_RATE)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the six abnormalities, these and what the publisher flags as normal, or death."""
        task = self.check_task(task)
        known = frozenset({*ABNORMALITIES, "normal_ecg", "death"})
        if task == "death":
            return LabelRule((LabelClass("death", frozenset({"death"})),), known)
        classes = tuple(LabelClass(name, frozenset({name})) for name in ABNORMALITIES)
        if task == "abnormalities_normal":
            classes = (LabelClass("NORM", frozenset({"normal_ecg"})), *classes)
        return LabelRule(classes, known)


def _rows(root: Path) -> tuple[dict[int, tuple[str, int]], dict[str, int]]:
    """Return part and row of every exam, and the length in samples of each part's tracings.

    Raises:
        DatasetError: If there is no part, one is damaged, or an exam lies twice in them.
    """
    row_of: dict[int, tuple[str, int]] = {}
    length_of: dict[str, int] = {}
    for part in _PARTS:
        path = root / part
        if not path.is_file():
            continue
        length_of[part] = TRACINGS.shape(path)["samples"]
        exams = TRACINGS.identifiers(path, "exam_id")
        before = len(row_of)
        own = np.flatnonzero(exams != _FILLER)
        row_of.update(
            (exam, (part, row)) for exam, row in zip(exams[own].tolist(), own.tolist(), strict=True)
        )
        if len(row_of) < before + len(own):
            raise DatasetError(
                path, "an exam_id that came before", "each exam once in all parts", "Fetch the parts again."
            )
    if not length_of:
        raise DatasetError(
            root / _PARTS[0],
            "no such file, nor any other part",
            f"the parts of {Code15.title}, or some of them",
            f"Fetch them from {Code15.source}, and unpack each.",
        )
    return row_of, length_of


def _truth(path: Path, number: int, column: str, cell: str) -> bool:
    truth = _TRUTH.get(cell.lower())
    if truth is None:
        raise cell_fault(path, number, column, cell, "True or False")
    return truth
