"""Brugada-HUCA: a folder a person, and a table of three columns of numbers.

The simulator knows no Brugada pattern: a right bundle branch block with raised ST stands for it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 100
DURATION = 12
GAIN = 1000.0

GROUPS = {
    "0": PatientGroup(0.70, {("NORM",): 0.8, ("IRBBB",): 0.2}, {}, 45.0),
    "1": PatientGroup(0.22, {("RBBB", "STE"): 1.0}, {}, 45.0),
    "2": PatientGroup(0.08, {("IRBBB", "STE"): 1.0}, {}, 45.0),
}
"""By the column `brugada`; the rare ones are less rare than published."""

_STYLE = HeaderStyle(gain="{gain:.0f}({baseline})/mV")


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `metadata.csv`, `RECORDS` (with a record twice) and `files/100000/100000.hea` and so on."""
    names = [str(100_000 + 7 * case.index) for case in cases]
    listed = [f"files/{name}/{name}" for name in names]
    (folder / "RECORDS").write_text("\n".join([*listed, listed[0]]) + "\n", encoding="utf-8")
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["patient_id", "basal_pattern", "sudden_death", "brugada"])
        for case, name in zip(cases, names, strict=True):
            path = folder / "files" / name / name
            path.parent.mkdir(parents=True)
            steps = to_steps(case.signal(SAMPLING_RATE, DURATION), GAIN)
            write_samples(path.with_suffix(".dat"), steps)
            lines = signal_lines(f"{name}.dat", LEADS, steps, _STYLE, [GAIN] * 12, [0] * 12)
            write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines)
            dead = case.details().random() < 0.1 * (case.group == "1")
            table.writerow([name, int("STE" in case.labels), int(dead), case.group])
            yield


LAYOUT = Layout(GROUPS, write)
