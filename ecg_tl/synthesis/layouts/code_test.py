"""CODE test: all tracings in one HDF5 file, labels and attributes in CSV files that match by position."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout

SAMPLING_RATE = 400
SAMPLES = 4096
LEAD_ORDER: tuple[str, ...] = ("I", "II", "III", "aVL", "aVF", "aVR", "V1", "V2", "V3", "V4", "V5", "V6")
"""Of the published file; not the standard one."""

CLASS_OF = {"1dAVb": "IAVB", "RBBB": "RBBB", "LBBB": "LBBB", "SB": "SB", "AF": "AF", "ST": "STACH"}
"""Columns of `gold_standard.csv` and the conditions that they stand for."""

GROUPS = {
    "NORM": PatientGroup(0.40, {("NORM",): 0.75, ("TAB",): 0.10, ("LVH",): 0.08, ("PVC",): 0.07}, {}, 50.0),
    "1dAVb": PatientGroup(0.10, {("IAVB",): 1.0}, {"RBBB": 0.10, "SB": 0.05}, 66.0),
    "RBBB": PatientGroup(0.11, {("RBBB",): 1.0}, {"AF": 0.04}, 66.0),
    "LBBB": PatientGroup(0.11, {("LBBB",): 1.0}, {"IAVB": 0.06}, 68.0),
    "SB": PatientGroup(0.09, {("SB",): 1.0}, {}, 55.0),
    "AF": PatientGroup(0.09, {("AF",): 1.0}, {"RBBB": 0.06}, 70.0),
    "ST": PatientGroup(0.10, {("STACH",): 1.0}, {"LBBB": 0.03}, 50.0),
}
"""The six abnormalities, about three times as frequent as published, and records with none of them."""


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `ecg_tracings.hdf5`, `attributes.csv` and `annotations/gold_standard.csv`.

    A recording of 10 s (a tenth of them: 7 s) lies in the middle of 4096 samples, zeros on both sides.
    """
    order = [LEADS.index(lead) for lead in LEAD_ORDER]
    (folder / "annotations").mkdir()
    with (
        h5py.File(folder / "ecg_tracings.hdf5", "w") as file,
        (folder / "annotations" / "gold_standard.csv").open("w", newline="", encoding="utf-8") as gold,
        (folder / "attributes.csv").open("w", newline="", encoding="utf-8") as attributes,
    ):
        tracings = file.create_dataset("tracings", (len(cases), SAMPLES, len(LEADS)), dtype="f4")
        labels = csv.writer(gold, lineterminator="\n")
        labels.writerow(CLASS_OF)
        people = csv.writer(attributes, lineterminator="\n")
        people.writerow(["age", "sex"])
        for case in cases:
            duration = 7 if case.details().random() < 0.1 else 10
            signal = case.signal(SAMPLING_RATE, duration, mains_frequency=60.0)
            start = (SAMPLES - signal.shape[1]) // 2
            row = np.zeros((SAMPLES, len(LEADS)), dtype=np.float32)
            row[start : start + signal.shape[1]] = signal[order].T
            tracings[case.index] = row
            labels.writerow([int(condition in case.labels) for condition in CLASS_OF.values()])
            people.writerow([f"{case.patient.age:.0f}", case.patient.sex])
            yield


LAYOUT = Layout(GROUPS, write)
