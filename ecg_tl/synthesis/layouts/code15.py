"""CODE-15%: tracings in several HDF5 files, and one table that is not in their order."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import SOME_RETURN, Case
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.layouts.code_test import CLASS_OF, GROUPS, SAMPLES, SAMPLING_RATE

PARTS = 3
"""18 as published, of 20,000 exams each."""

COLUMNS = (
    *("exam_id", "age", "is_male", "nn_predicted_age", *CLASS_OF, "patient_id", "death", "timey"),
    *("normal_ecg", "trace_file"),
)
"""Of `exams.csv`."""


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `exams.csv` and `exams_part0.hdf5` and so on.

    In a part the exams lie the other way round than in the table, and a row of zeros with exam_id 0 ends it.
    """
    per_part = -(-len(cases) // PARTS)
    with (folder / "exams.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        table.writeheader()
        for number in range(PARTS):
            part = cases[number * per_part : (number + 1) * per_part]
            if not part:
                return
            name = f"exams_part{number}.hdf5"
            with h5py.File(folder / name, "w") as file:
                exams = [_exam(case) for case in reversed(part)]
                file["exam_id"] = np.array([*exams, 0], dtype=np.int64)
                tracings = file.create_dataset("tracings", (len(part) + 1, SAMPLES, len(LEADS)), dtype="f4")
                tracings[len(part)] = 0.0
                for row, case in enumerate(part):
                    tracings[len(part) - 1 - row] = _tracing(case)
                    table.writerow(_row(case, name))
                    yield


def _exam(case: Case) -> int:
    return 1_000_000 + 37 * case.index


def _tracing(case: Case) -> np.ndarray:
    """Return `float32 (samples, leads)`: 10 s, or 7 s of a tenth of them, between zeros."""
    signal = case.signal(SAMPLING_RATE, 7 if case.details().random() < 0.1 else 10, mains_frequency=60.0)
    start = (SAMPLES - signal.shape[1]) // 2
    tracing = np.zeros((SAMPLES, len(LEADS)), dtype=np.float32)
    tracing[start : start + signal.shape[1]] = signal.T
    return tracing


def _row(case: Case, part: str) -> dict[str, object]:
    rng = case.details()
    rng.random()  # the tracing's length
    followed = rng.random() < 2 / 3
    return {
        "exam_id": _exam(case),
        "age": f"{case.patient.age:.0f}",
        "is_male": case.patient.sex == "M",
        "nn_predicted_age": f"{case.patient.age + rng.normal(0.0, 8.0):.4f}",
        **{column: condition in case.labels for column, condition in CLASS_OF.items()},
        "patient_id": 500_000 + case.patient_index,
        "death": bool(rng.random() < 0.04) if followed else "",
        "timey": f"{rng.uniform(0.0, 6.0):.4f}" if followed else "",
        "normal_ecg": case.labels == {"NORM"},
        "trace_file": part,
    }


LAYOUT = Layout(GROUPS, write, SOME_RETURN)
