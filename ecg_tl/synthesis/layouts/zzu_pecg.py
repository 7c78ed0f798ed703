"""ZZU pECG: a table of packed, quoted cells, and records of twelve or nine leads.

The simulator knows adults alone: the layout is that of the children's set, the hearts are not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ecg_tl.datasets.aha import AHA_STATEMENTS
from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import SOME_RETURN, Case
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.layouts.challenge import WIDE_GROUPS
from ecg_tl.synthesis.layouts.sph import aha_statements
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 500
ABSENT = ("V2", "V4", "V6")
"""In the records of nine leads."""

COLUMNS = (
    *("Filename", "ECG_ID", "Patient_ID", "Age", "Gender", "Acquisition_date", "Sampling_point", "Lead"),
    *("AHA_code", "CHN_code", "ICD-10 code", "pSQI", "basSQI", "bSQI"),
)
"""Of `AttributesDictionary.csv`."""

_STYLE = HeaderStyle(gain="{gain:.6f}({baseline})/mV")
_DISEASES = ("'(FO) Q21.1'", "'I40.0'", "'I42.0';'I47.1'", "'M30.3'", "Null")


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `AttributesDictionary.csv` and `Child_ecg/P00/P00001/P00001_E01.hea` and so on."""
    visits: dict[int, int] = {}
    with (folder / "AttributesDictionary.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for case in cases:
            rng = case.details()
            visits[case.patient_index] = visits.get(case.patient_index, 0) + 1
            person = f"P{case.patient_index + 1:05d}"
            name = f"{person[:3]}/{person}/{person}_E{visits[case.patient_index]:02d}"
            absent = ABSENT if rng.random() < 0.13 else ()
            leads = [lead for lead in LEADS if lead not in absent]
            signal = case.signal(SAMPLING_RATE, float(rng.choice([5, 10, 30], p=[0.1, 0.7, 0.2])))
            _write_record(folder / "Child_ecg" / name, signal[[LEADS.index(lead) for lead in leads]], leads)
            findings = [_finding(code) for code in aha_statements(case.labels)]
            disease = _DISEASES[int(rng.integers(len(_DISEASES)))]
            row = [name, Path(name).name, person, f"{round(case.patient.age * 365.25)}d"]
            row += ["'Female'" if case.patient.sex == "F" else "'Male'", "2020-01-01"]
            row += [str(signal.shape[1]), str(len(leads)), ";".join(findings), "Null", disease]
            table.writerow([*row, *["Null"] * 3])
            yield


def _finding(code: str) -> str:
    """Return `'L145+Modifier362'` for a deviation of ST, `'C22'` for a bradycardia."""
    _, category, _ = AHA_STATEMENTS[code]
    return f"'{category}{code}{'+Modifier362' if code == '145' else ''}'"


def _write_record(path: Path, signal: np.ndarray, leads: Sequence[str]) -> None:
    """Write a record whose leads have a gain and a baseline each, so that each fills the converter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    gain = np.round(60_000 / np.maximum(np.ptp(signal, axis=1), 0.1).astype(np.float64), 6)
    middle = (signal.max(axis=1) + signal.min(axis=1)) / 2
    baseline = -np.rint(middle * gain).astype(np.int64)
    steps = to_steps(signal, gain[:, None], baseline[:, None])
    write_samples(path.with_suffix(".dat"), steps)
    names = [lead.upper() for lead in leads]
    lines = signal_lines(f"{path.name}.dat", names, steps, _STYLE, gain.tolist(), baseline.tolist())
    write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines)


LAYOUT = Layout(WIDE_GROUPS, write, SOME_RETURN)
