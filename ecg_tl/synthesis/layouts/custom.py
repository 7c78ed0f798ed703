"""A folder of WFDB records with `labels.csv`, as a laboratory would lay out its own."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import SOME_RETURN, Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 500
DURATION = 10
GAIN = 1000.0

_STYLE = HeaderStyle()

CLASS_OF: dict[str, frozenset[str]] = {
    "NORM": frozenset({"NORM"}),
    "AF": frozenset({"AF"}),
    "BBB": frozenset({"LBBB", "RBBB"}),
    "LVH": frozenset({"LVH"}),
    "MI": frozenset({"AMI", "IMI", "LMI"}),
}
"""Columns of `labels.csv`, and the conditions any of which makes a 1."""

GROUPS = {
    "NORM": PatientGroup(0.32, {("NORM",): 1.0}, {}, 50.0),
    "AF": PatientGroup(0.16, {("AF",): 1.0}, {"LVH": 0.10}, 70.0),
    "BBB": PatientGroup(0.17, {("LBBB",): 0.4, ("RBBB",): 0.6}, {"AF": 0.06}, 68.0),
    "LVH": PatientGroup(0.15, {("LVH",): 1.0}, {"IMI": 0.10}, 64.0),
    "MI": PatientGroup(0.20, {("AMI",): 0.45, ("IMI",): 0.45, ("LMI",): 0.10}, {}, 66.0),
}
"""Five classes, some of them together."""


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `labels.csv` and `records/00001.hea`, `records/00001.dat` and so on."""
    (folder / "records").mkdir()
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["record", "patient_id", "age", "sex", *CLASS_OF])
        for case in cases:
            path = folder / "records" / f"{case.index + 1:05d}"
            steps = to_steps(case.signal(SAMPLING_RATE, DURATION), GAIN)
            write_samples(path.with_suffix(".dat"), steps)
            lines = signal_lines(f"{path.name}.dat", LEADS, steps, _STYLE, [GAIN] * 12, [0] * 12)
            write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines)
            labels = [int(bool(conditions & case.labels)) for conditions in CLASS_OF.values()]
            person = [f"P{case.patient_index + 1:05d}", f"{case.patient.age:.0f}", case.patient.sex]
            table.writerow([f"records/{path.name}", *person, *labels])
            yield


LAYOUT = Layout(GROUPS, write, SOME_RETURN)
