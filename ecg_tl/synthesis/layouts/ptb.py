"""PTB Diagnostic: a folder a patient, twelve leads in `.dat`, Frank's three in `.xyz`, 1000 Hz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 1000
DURATION = 32
GAIN = 2000.0

_STYLE = HeaderStyle(gain="{gain:g}", newline="\r\n")
_LEAD_NAMES = tuple(lead.lower() for lead in LEADS)
_FRANK_NAMES = ("vx", "vy", "vz")

GROUPS = {
    "Myocardial infarction": PatientGroup(
        0.60,
        {("AMI",): 0.42, ("IMI",): 0.38, ("AMI", "LMI"): 0.10, ("IMI", "LMI"): 0.10},
        {"PVC": 0.06, "TAB": 0.12, "LAFB": 0.06},
        60.0,
    ),
    "Healthy control": PatientGroup(0.24, {("NORM",): 0.92, ("NORM", "SB"): 0.08}, {}, 43.0),
    "other": PatientGroup(
        0.12, {("LBBB",): 0.2, ("RBBB",): 0.2, ("LVH",): 0.25, ("AF",): 0.2, ("PVC",): 0.15}, {}, 60.0
    ),
    "unknown": PatientGroup(0.04, {("NORM",): 0.5, ("TAB",): 0.5}, {}, 60.0),
}
"""Reasons for admission; a few records have none, as published."""


def reason_for_admission(case: Case) -> str:
    """Return the header's field for what the reader wrote."""
    if case.group == "unknown":
        return "n/a"
    if case.labels & {"AMI", "IMI", "LMI"}:
        return "Myocardial infarction"
    if case.labels & {"LBBB", "RBBB"}:
        return "Bundle branch block"
    if "LVH" in case.labels:
        return "Hypertrophy"
    if case.labels & {"AF", "PVC"}:
        return "Dysrhythmia"
    return "Healthy control"


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `patient001/s0001_re.hea`, `.dat` and `.xyz`, and so on."""
    for case in cases:
        home = folder / f"patient{case.patient_index + 1:03d}"
        home.mkdir(exist_ok=True)
        path = home / f"s{case.index + 1:04d}_re"
        steps = to_steps(case.signal(SAMPLING_RATE, DURATION, frank=True), GAIN)
        lines = []
        for suffix, names, part in ((".dat", _LEAD_NAMES, steps[:12]), (".xyz", _FRANK_NAMES, steps[12:])):
            write_samples(path.with_suffix(suffix), part)
            count = len(names)
            lines += signal_lines(path.name + suffix, names, part, _STYLE, [GAIN] * count, [0] * count)
        write_header(
            path.with_suffix(".hea"),
            SAMPLING_RATE,
            steps.shape[1],
            lines,
            _comments(case),
            newline=_STYLE.newline,
        )
        yield


def _comments(case: Case) -> tuple[str, ...]:
    """Return the clinical fields as published headers set them, of which the first eight serve here."""
    sites = [
        name
        for label, name in (("AMI", "antero"), ("IMI", "infero"), ("LMI", "lateral"))
        if label in case.labels
    ]
    return (
        "",
        f"# age: {case.patient.age:.0f}",
        f"# sex: {'female' if case.patient.sex == 'F' else 'male'}",
        "# ECG date: 01/10/1990",
        "",
        "# Diagnose:",
        f"# Reason for admission: {reason_for_admission(case)}",
        f"# Acute infarction (localization): {'-'.join(sites) or 'no'}",
        "# Former infarction (localization): no",
        "# Additional diagnoses: n/a",
        "# Smoker: n/a",
    )


LAYOUT = Layout(GROUPS, write, records_per_patient=(0.6, 0.25, 0.15))
