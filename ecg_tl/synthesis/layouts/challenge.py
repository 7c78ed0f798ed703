"""CPSC2018 and Georgia as the PhysioNet/CinC Challenges 2020 and 2021 publish them.

WFDB headers with MATLAB v4 files, a thousand records to a folder:
`training/cpsc_2018/g1/A0001.hea`, `A0001.mat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import Case, PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_matlab

SAMPLING_RATE = 500
GAIN = 1000.0
RECORDS_PER_FOLDER = 1000

_STYLE = HeaderStyle(storage="16+24", gain="{gain:.0f}/mV")

SNOMED_OF: Mapping[str, str] = {
    "NORM": "426783006",
    "AF": "164889003",
    "SB": "426177001",
    "STACH": "427084000",
    "SARRH": "427393009",
    "PAC": "284470004",
    "PVC": "427172004",
    "IAVB": "270492004",
    "LBBB": "164909002",
    "RBBB": "59118001",
    "IRBBB": "713426002",
    "IVCD": "698252002",
    "LAD": "39732003",
    "LAFB": "445118002",
    "LVH": "164873001",
    "LAE": "67741000119109",
    "STD": "429622005",
    "STE": "164931005",
    "TINV": "59931005",
    "TAB": "164934002",
    "LQT": "111975006",
    "AMI": "164865005",
    "IMI": "164865005",
    "LMI": "164865005",
}
"""SNOMED CT code of each condition, from the challenges' tables of diagnoses."""

CPSC2018_SNOMED_OF = {
    **{label: SNOMED_OF[label] for label in ("NORM", "AF", "IAVB", "LBBB", "RBBB", "PAC", "STD", "STE")},
    "PVC": "164884008",
}
"""CPSC2018 publishes nine codes alone, and its ventricular extrasystoles under another one."""

# What hearts have besides, and CPSC2018 has no code for.
_UNNAMED = {"TAB": 0.14, "TINV": 0.05, "LVH": 0.08, "LAFB": 0.06, "IMI": 0.04, "STACH": 0.06, "SB": 0.08}

CPSC2018_GROUPS = {
    "NORM": PatientGroup(0.15, {("NORM",): 0.86, ("NORM", "SB"): 0.08, ("NORM", "SARRH"): 0.06}, {}, 45.0),
    "AF": PatientGroup(0.16, {("AF",): 1.0}, {"RBBB": 0.10, "STD": 0.05, "PVC": 0.03, **_UNNAMED}, 70.0),
    "IAVB": PatientGroup(0.11, {("IAVB",): 1.0}, {"RBBB": 0.05, "PAC": 0.03, **_UNNAMED}, 66.0),
    "LBBB": PatientGroup(0.06, {("LBBB",): 1.0}, {"AF": 0.08, "IAVB": 0.04}, 69.0),
    "RBBB": PatientGroup(0.18, {("RBBB",): 1.0}, {"PAC": 0.06, "PVC": 0.04, **_UNNAMED}, 60.0),
    "PAC": PatientGroup(0.10, {("PAC",): 1.0}, {"STD": 0.04, **_UNNAMED}, 66.0),
    "PVC": PatientGroup(0.10, {("PVC",): 1.0}, {"STD": 0.04, **_UNNAMED}, 58.0),
    "STD": PatientGroup(0.10, {("STD",): 1.0}, _UNNAMED, 60.0),
    "STE": PatientGroup(0.06, {("STE",): 1.0}, {}, 52.0),
}
"""The nine classes; rare ones are less rare than published, so that a small cohort holds them."""

GEORGIA_GROUPS = {
    "NORM": PatientGroup(0.18, {("NORM",): 1.0}, {}, 50.0),
    "AF": PatientGroup(0.07, {("AF",): 1.0}, {"TAB": 0.15, "LQT": 0.10, "LAD": 0.10}, 70.0),
    "IAVB": PatientGroup(0.08, {("IAVB",): 1.0}, {"SB": 0.15, "LAD": 0.15, "TAB": 0.10}, 68.0),
    "SB": PatientGroup(0.14, {("SB",): 1.0}, {"TAB": 0.10, "IAVB": 0.05, "LVH": 0.04}, 62.0),
    "LAD": PatientGroup(0.09, {("LAD",): 1.0}, {"TAB": 0.15, "LVH": 0.08, "IRBBB": 0.05}, 66.0),
    "STach": PatientGroup(0.12, {("STACH",): 1.0}, {"TAB": 0.15, "LQT": 0.10}, 56.0),
    "TAb": PatientGroup(0.12, {("TAB",): 1.0}, {"LQT": 0.10, "LVH": 0.05, "LAE": 0.05}, 60.0),
    "TInv": PatientGroup(0.08, {("TINV",): 1.0}, {"LQT": 0.12, "AMI": 0.06}, 62.0),
    "LQT": PatientGroup(0.08, {("LQT",): 1.0}, {"SB": 0.10}, 60.0),
    "PAC": PatientGroup(0.06, {("PAC",): 1.0}, {"TAB": 0.10}, 68.0),
    "other": PatientGroup(0.06, {("RBBB",): 0.4, ("LBBB",): 0.2, ("PVC",): 0.2, ("LVH",): 0.2}, {}, 66.0),
}
"""The paper's ten classes, and records that carry none of them."""


def _cpsc2018_duration(rng: np.random.Generator) -> float:
    """Return a length in seconds: most are 10 to 15 s, the rest reach 60 s; some are under 10 s."""
    kind = rng.random()
    if kind < 0.35:
        return 10.0
    if kind < 0.40:
        return float(rng.uniform(6.0, 9.9))
    if kind < 0.85:
        return float(rng.integers(10, 16))
    return float(min(15.0 + rng.exponential(12.0), 60.0))


def _georgia_duration(rng: np.random.Generator) -> float:
    """Return a length in seconds: 10 s but for a few."""
    return float(rng.integers(5, 10)) if rng.random() < 0.02 else 10.0


def write_cpsc2018(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/cpsc_2018/g1/A0001.hea` and so on."""
    below = folder / "training" / "cpsc_2018"
    return _write(below, "A{:04d}", cases, CPSC2018_SNOMED_OF, _cpsc2018_duration, 50.0)


def write_georgia(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/georgia/g1/E00001.hea` and so on."""
    return _write(folder / "training" / "georgia", "E{:05d}", cases, SNOMED_OF, _georgia_duration, 60.0)


def _write(
    below: Path,
    name: str,
    cases: Sequence[Case],
    code_of: Mapping[str, str],
    draw_duration: Callable[[np.random.Generator], float],
    mains_frequency: float,
) -> Iterator[None]:
    for case in cases:
        folder = below / f"g{case.index // RECORDS_PER_FOLDER + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name.format(case.index + 1)
        duration = draw_duration(case.details())
        steps = to_steps(case.signal(SAMPLING_RATE, duration, mains_frequency=mains_frequency), GAIN)
        write_matlab(path.with_suffix(".mat"), steps)
        codes = dict.fromkeys(code for label, code in code_of.items() if label in case.labels)
        # Whoever overlooked the only finding that has a code called the ECG normal.
        named = ",".join(codes) or code_of["NORM"]
        comments = (
            f"#Age: {case.patient.age:.0f}",
            f"#Sex: {'Female' if case.patient.sex == 'F' else 'Male'}",
            f"#Dx: {named}",
            "#Rx: Unknown",
            "#Hx: Unknown",
            "#Sx: Unknown",
        )
        lines = signal_lines(f"{path.name}.mat", LEADS, steps, _STYLE, [GAIN] * 12, [0] * 12)
        write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines, comments)
        yield


CPSC2018 = Layout(CPSC2018_GROUPS, write_cpsc2018)
GEORGIA = Layout(GEORGIA_GROUPS, write_georgia)
