"""SPH: an HDF5 file a record in half precision, and a table of AHA statements."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from ecg_tl.datasets.aha import AHA_STATEMENTS
from ecg_tl.synthesis.cohort import SOME_RETURN, Case
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.layouts.challenge import WIDE_GROUPS

SAMPLING_RATE = 500

AHA_OF: Mapping[str, str] = {
    "NORM": "1",
    "AF": "50",
    "SB": "22",
    "STACH": "21",
    "SARRH": "23",
    "PAC": "30",
    "PVC": "60",
    "IAVB": "82",
    "LBBB": "104",
    "RBBB": "106",
    "IRBBB": "105",
    "LAD": "121",
    "LAFB": "101",
    "LVH": "142",
    "LAE": "140",
    "STD": "145",
    "STE": "145",
    "TINV": "147",
    "TAB": "147",
    "LQT": "148",
    "AMI": "160",
    "IMI": "161",
}
"""The statement of each condition that the simulator knows; lateral infarction and IVCD have none here."""


def aha_statements(labels: frozenset[str]) -> list[str]:
    """Return the statements of what the reader of an ECG wrote, in the order of their numbers."""
    return sorted({AHA_OF[label] for label in labels & set(AHA_OF)}, key=int) or ["1"]


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `metadata.csv`, `code.csv` and `records/A00001.h5` and so on.

    Lengths are 10 s and more; some statements have modifiers, and some normal records say so twice.
    """
    (folder / "records").mkdir()
    _write_codes(folder / "code.csv")
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N", "Date"])
        for case in cases:
            rng = case.details()
            duration = 10.0 if rng.random() < 0.7 else float(rng.integers(11, 20))
            name = f"A{case.index + 1:05d}"
            signal = case.signal(SAMPLING_RATE, duration).astype(np.float16)
            with h5py.File(folder / "records" / f"{name}.h5", "w") as file:
                file["ecg"] = signal
            said = [f"{code}+310" if code == "60" else code for code in aha_statements(case.labels)]
            cell = "1;1" if said == ["1"] and rng.random() < 0.2 else ";".join(said)
            person = [f"S{case.patient_index + 1:05d}", f"{case.patient.age:.0f}", case.patient.sex]
            table.writerow([name, cell, *person, signal.shape[1], "2020-01-01"])
            yield


def _write_codes(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["Category", "Code", "Description"])
        table.writerows([category, code, words] for code, (_, category, words) in AHA_STATEMENTS.items())
        table.writerow(["Modifier", "310", "Frequent"])


LAYOUT = Layout(WIDE_GROUPS, write, SOME_RETURN)
