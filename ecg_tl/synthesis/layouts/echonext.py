"""EchoNext: standardised signals in an array a split, and flags that read 0 where nothing was measured.

The simulator knows no echocardiogram: each finding goes with a finding of the ECG.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datasets.echonext import COMPOSITE, MEASURED_BY
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.layouts.challenge import WIDE_GROUPS

SAMPLING_RATE = 250
DURATION = 10

CONDITION_OF = dict(
    zip(
        MEASURED_BY,
        ("LBBB", "LVH", "LVH", "LAE", "AF", "AF", "RBBB", "RBBB", "STACH", "AF", "TAB"),
        strict=True,
    )
)
"""What stands for each finding."""

GROUPS = {**WIDE_GROUPS, "unknown": PatientGroup(0.03, {("NORM",): 0.5, ("TAB",): 0.5}, {}, 60.0)}
"""The last are those that the publisher put into no split."""


def echo_split(case: Case) -> str:
    """Return the split of a patient."""
    if case.group == "unknown":
        return "no_split"
    return ("train", "val", "train", "test", "train")[case.patient_index % 5]


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `echonext_metadata_100k.csv` and an array a split."""
    arrays: dict[str, list[np.ndarray]] = {split: [] for split in ("train", "val", "test", "no_split")}
    values = [column for columns in MEASURED_BY.values() for column in columns]
    flags = [f"{finding}_flag" for finding in (*MEASURED_BY, COMPOSITE)]
    with (folder / "echonext_metadata_100k.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["ecg_key", "patient_key", "split", "age_at_ecg", "sex", *flags, *values])
        for case in cases:
            arrays[echo_split(case)].append(standardised(case))
            rng = case.details()
            measured = {column: rng.random() < 0.6 for column in values}
            present = {
                finding: CONDITION_OF[finding] in case.labels and all(measured[column] for column in columns)
                for finding, columns in MEASURED_BY.items()
            }
            people = [9_000 + case.index, 500 + case.patient_index, echo_split(case)]
            people += [f"{case.patient.age:.0f}", "Female" if case.patient.sex == "F" else "Male"]
            told = [int(value) for value in (*present.values(), any(present.values()))]
            table.writerow([*people, *told, *("1.0" if measured[column] else "" for column in values)])
            yield
    for split, signals in arrays.items():
        stacked = np.stack(signals)[:, None] if signals else np.zeros((0, 1, 2500, 12), np.float32)
        np.save(folder / f"EchoNext_{split}_waveforms.npy", stacked)


def standardised(case: Case) -> NDArray[np.float32]:
    """Return `float32 (samples, leads)` with mean 0 and deviation 1 in every lead."""
    signal = case.signal(SAMPLING_RATE, DURATION, mains_frequency=60.0)
    scaled = (signal - signal.mean(axis=1, keepdims=True)) / signal.std(axis=1, keepdims=True)
    return np.asarray(scaled.T, dtype=np.float32)


LAYOUT = Layout(GROUPS, write)
