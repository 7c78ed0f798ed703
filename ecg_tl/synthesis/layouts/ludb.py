"""LUDB: a table of statements in words, and records whose leads have a gain and a baseline each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 500
DURATION = 10
STEPS_PER_MILLIVOLT = 1000.0

_STYLE = HeaderStyle(gain="{gain:.0f}({baseline})/mV", resolution=0)
_LEAD_NAMES = tuple(lead.lower() for lead in LEADS)

COLUMNS: tuple[str, ...] = (
    "ID",
    "Sex",
    "Age",
    "Rhythms",
    "Electric axis of the heart",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
)
"""Of `ludb.csv`."""

STATEMENTS: dict[str, tuple[str, str]] = {
    "AF": ("Rhythms", "Atrial fibrillation"),
    "SB": ("Rhythms", "Sinus bradycardia"),
    "STACH": ("Rhythms", "Sinus tachycardia"),
    "SARRH": ("Rhythms", "Sinus arrhythmia"),
    "LAD": ("Electric axis of the heart", "Electric axis of the heart: left axis deviation"),
    "IAVB": ("Conduction abnormalities", "I degree av block"),
    "LBBB": ("Conduction abnormalities", "Complete left bundle branch block"),
    "RBBB": ("Conduction abnormalities", "Complete right bundle branch block"),
    "IRBBB": ("Conduction abnormalities", "Incomplete right bundle branch block"),
    "LAFB": ("Conduction abnormalities", "Left anterior hemiblock"),
    "IVCD": ("Conduction abnormalities", "Non-specific intravintricular conduction delay"),
    "PAC": ("Extrasystolies", "Atrial extrasystole: undefined"),
    "PVC": ("Extrasystolies", "Ventricular extrasystole, type: single pvc"),
    "LAE": ("Hypertrophies", "Left atrial hypertrophy"),
    "LVH": ("Hypertrophies", "Left ventricular hypertrophy"),
    "STE": ("Ischemia", "Stemi: anterior wall"),
    "STD": ("Ischemia", "Ischemia: lateral wall"),
    "TINV": ("Ischemia", "Ischemia: inferior wall"),
    "AMI": ("Ischemia", "Scar formation: anterior wall"),
    "IMI": ("Ischemia", "Scar formation: inferior wall"),
    "LMI": ("Ischemia", "Scar formation: lateral wall"),
    "TAB": (
        "Non-specific repolarization abnormalities",
        "Non-specific repolarization abnormalities: lateral wall",
    ),
}
"""Column and statement of each condition, in the published words."""

_BESIDE = {"LAD": 0.18, "LVH": 0.25, "LAE": 0.25, "IAVB": 0.06, "TAB": 0.10}

GROUPS = {
    "NORM": PatientGroup(0.22, {("NORM",): 0.8, ("NORM", "SARRH"): 0.2}, {}, 40.0),
    "rhythm": PatientGroup(0.26, {("SB",): 0.45, ("AF",): 0.45, ("STACH",): 0.10}, _BESIDE, 58.0),
    "hypertrophy": PatientGroup(
        0.18, {("LVH",): 0.4, ("LVH", "LAE"): 0.4, ("LAE",): 0.2}, {"LAD": 0.35}, 58.0
    ),
    "conduction": PatientGroup(
        0.20, {("IRBBB",): 0.42, ("LAFB", "LAD"): 0.40, ("RBBB",): 0.1, ("LBBB",): 0.08}, _BESIDE, 58.0
    ),
    "ischemia": PatientGroup(0.14, {("AMI",): 0.4, ("IMI",): 0.4, ("STD",): 0.2}, _BESIDE, 63.0),
}
"""Patients by what stands out; most have more than one statement, as published."""


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `ludb.csv` and `data/1.hea`, `data/1.dat` and so on."""
    (folder / "data").mkdir()
    with (folder / "ludb.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        table.writeheader()
        for case in cases:
            path = folder / "data" / f"{case.index + 1}"
            steps = to_steps(case.signal(SAMPLING_RATE, DURATION), STEPS_PER_MILLIVOLT)
            # As published: what the header calls a gain is the extent of that very lead.
            gain = np.maximum(np.ptp(steps.astype(np.float64), axis=1), 1.0)
            baseline = case.details().integers(-6, 7, size=12)
            write_samples(path.with_suffix(".dat"), steps)
            lines = signal_lines(
                f"{path.name}.dat", _LEAD_NAMES, steps, _STYLE, gain.tolist(), baseline.tolist()
            )
            row = _row(case)
            said = [line for column in COLUMNS[3:] for line in row[column].splitlines()]
            comments = [f"#<age>: {case.patient.age:.0f}", f"#<sex>: {case.patient.sex}", "#<diagnoses>:"]
            comments += [f"#{line}." for line in said]
            write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines, comments)
            table.writerow(row)
            yield


def _row(case: Case) -> dict[str, str]:
    """Return one row of `ludb.csv`; a cell holds its statements one a line."""
    said: dict[str, list[str]] = {column: [] for column in COLUMNS}
    for label, (column, statement) in STATEMENTS.items():
        if label in case.labels:
            said[column].append(statement)
    said["Rhythms"] = said["Rhythms"] or ["Sinus rhythm"]
    axis = "Electric axis of the heart"
    said[axis] = said[axis] or [f"{axis}: {'vertical' if case.patient.axis > 70 else 'normal'}"]
    row = {column: "\n".join(lines) for column, lines in said.items()}
    # The published table ends these two with a line break inside the cell.
    return {
        **row,
        "ID": str(case.index + 1),
        "Sex": f"{case.patient.sex}\n",
        "Age": f"{case.patient.age:.0f}\n",
    }


LAYOUT = Layout(GROUPS, write)
