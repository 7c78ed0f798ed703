"""The collections that the PhysioNet/CinC Challenges 2020 and 2021 publish in one layout, with its traps.

WFDB headers with MATLAB v4 files, a thousand records to a folder:
`training/cpsc_2018/g1/A0001.hea`, `A0001.mat`. Chapman-Shaoxing and Ningbo lie as in `ecg-arrhythmia`:
`WFDBRecords/01/010/JS00001.hea`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ecg_tl.recordings.fillers import NOT_MEASURED
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

WIDE_GROUPS = {
    "NSR": PatientGroup(0.16, {("NORM",): 1.0}, {}, 48.0),
    "AF": PatientGroup(0.10, {("AF",): 1.0}, {"TAB": 0.15, "RBBB": 0.08, "LAD": 0.08}, 70.0),
    "SB": PatientGroup(0.16, {("SB",): 1.0}, {"TAB": 0.10, "LVH": 0.04}, 56.0),
    "STach": PatientGroup(0.12, {("STACH",): 1.0}, {"TAB": 0.12, "TINV": 0.06}, 54.0),
    "SA": PatientGroup(0.07, {("NORM", "SARRH"): 1.0}, {}, 30.0),
    "IAVB": PatientGroup(0.06, {("IAVB",): 1.0}, {"SB": 0.10, "RBBB": 0.06}, 66.0),
    "LBBB": PatientGroup(0.05, {("LBBB",): 1.0}, {"STACH": 0.06}, 68.0),
    "RBBB": PatientGroup(0.07, {("RBBB",): 1.0}, {"PAC": 0.05}, 60.0),
    "LAD": PatientGroup(0.06, {("LAD",): 1.0}, {"TAB": 0.10}, 64.0),
    "TAb": PatientGroup(0.08, {("TAB",): 1.0}, {"LVH": 0.06}, 62.0),
    "TInv": PatientGroup(0.05, {("TINV",): 1.0}, {"AMI": 0.05}, 62.0),
    "PAC": PatientGroup(0.05, {("PAC",): 1.0}, {}, 66.0),
    "PVC": PatientGroup(0.05, {("PVC",): 1.0}, {}, 60.0),
}
"""What is found in a hospital, the commonest of it; rare findings are less rare than published."""

CHAPMAN_GROUPS = {name: group for name, group in WIDE_GROUPS.items() if name != "SA"} | {
    # The headers of these cannot be read, as that of JS01052.
    "unknown": PatientGroup(0.05, {("LVH",): 0.5, ("IRBBB",): 0.5}, {}, 60.0)
}
NINGBO_GROUPS = {name: group for name, group in WIDE_GROUPS.items() if name != "AF"}
CPSC_EXTRA_GROUPS = {name: group for name, group in WIDE_GROUPS.items() if name not in ("LAD", "TInv")} | {
    "other": PatientGroup(0.12, {("LVH",): 0.5, ("TINV",): 0.5}, {}, 62.0)
}
INCART_GROUPS = {
    "STach": PatientGroup(0.3, {("STACH",): 1.0}, {"PVC": 0.3, "PAC": 0.2}, 58.0),
    "Brady": PatientGroup(0.2, {("SB",): 1.0}, {"PVC": 0.3}, 58.0),
    "PVC": PatientGroup(0.3, {("PVC",): 1.0}, {"STD": 0.2}, 58.0),
    "AF": PatientGroup(0.2, {("AF",): 1.0}, {"PVC": 0.2}, 66.0),
}


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


@dataclass(frozen=True)
class _Collection:
    """How one collection is published.

    Attributes:
        folder: Of a record by its number, from 1.
        name: Of its files.
        code_of: SNOMED CT code of each condition.
        draw_duration: In seconds.
        mains_frequency: In Hz.
        sampling_rate: In Hz.
        style: Of the headers' lines.
        mark: Before a comment's field.
        flat_leads: Share of the records in which one lead is zero throughout.
        missing_samples: How many samples of a lead were not measured.
        unknown_ages: Share of the records whose age is `NaN`.
    """

    folder: Callable[[int], str]
    name: Callable[[int], str]
    code_of: Mapping[str, str] = field(default_factory=lambda: SNOMED_OF)
    draw_duration: Callable[[np.random.Generator], float] = lambda rng: 10.0
    mains_frequency: float = 50.0
    sampling_rate: int = SAMPLING_RATE
    style: HeaderStyle = _STYLE
    mark: str = "#"
    flat_leads: float = 0.0
    missing_samples: int = 0
    unknown_ages: float = 0.0


def _training(name: str) -> Callable[[int], str]:
    return lambda number: f"training/{name}/g{(number - 1) // RECORDS_PER_FOLDER + 1}"


def _arrhythmia(number: int) -> str:
    """Return the folder of `ecg-arrhythmia`: a hundred records in each, ten of these in one above."""
    above, below = divmod((number - 1) // 100, 10)
    return f"WFDBRecords/{above + 1:02d}/{above + 1:02d}{below}"


FIRST_OF_NINGBO = 10_647

_CPSC2018 = _Collection(
    _training("cpsc_2018"),
    lambda number: f"A{number:04d}",
    code_of=CPSC2018_SNOMED_OF,
    draw_duration=_cpsc2018_duration,
)
_GEORGIA = _Collection(
    _training("georgia"), "E{:05d}".format, draw_duration=_georgia_duration, mains_frequency=60.0
)
_CHAPMAN = _Collection(_arrhythmia, "JS{:05d}".format, unknown_ages=0.1)
_NINGBO = _Collection(
    lambda number: _arrhythmia(number + FIRST_OF_NINGBO - 1),
    lambda number: f"JS{number + FIRST_OF_NINGBO - 1:05d}",
    style=HeaderStyle(storage="16x1+24", gain="{gain:.1f}({baseline})/mV"),
    mark="# ",
    flat_leads=0.1,
    unknown_ages=0.1,
)
_CPSC_EXTRA = _Collection(
    _training("cpsc_2018_extra"), "Q{:04d}".format, draw_duration=lambda rng: float(rng.integers(8, 30))
)
_INCART = _Collection(
    _training("st_petersburg_incart"),
    "I{:04d}".format,
    code_of={**SNOMED_OF, "SB": "426627000"},  # bradycardia, not said to be of the sinus
    draw_duration=lambda rng: 60.0,  # 1800 s as published
    sampling_rate=257,
    missing_samples=9,
)
_PTB = _Collection(
    _training("ptb"),
    "S{:04d}".format,
    draw_duration=lambda rng: 32.0,
    sampling_rate=1000,
    style=HeaderStyle(storage="16+24", gain="{gain:.0f}/mv"),
)
_PTBXL = _Collection(_training("ptb-xl"), "HR{:05d}".format)


def _below_training(collection: _Collection, name: str) -> _Collection:
    return replace(collection, folder=_training(name))


_CINC2021 = (
    *(_CPSC2018, _CPSC_EXTRA, _INCART, _PTB, _PTBXL, _GEORGIA),
    _below_training(_CHAPMAN, "chapman_shaoxing"),
    _below_training(_NINGBO, "ningbo"),
)
"""A record of each in turn."""


def write_cpsc2018(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/cpsc_2018/g1/A0001.hea` and so on."""
    return _write(folder, cases, _CPSC2018)


def write_georgia(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/georgia/g1/E00001.hea` and so on."""
    return _write(folder, cases, _GEORGIA)


def write_chapman(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `WFDBRecords/01/010/JS00001.hea` and so on; some headers have merged lines."""
    _write_names(folder / "ConditionNames_SNOMED-CT.csv")
    for case in cases:
        path = _write_case(folder, case, case.index + 1, _CHAPMAN)
        if case.group == "unknown":
            header = path.with_suffix(".hea")
            header.write_bytes(header.read_bytes().replace(b"\n", b"", 1))
        yield


def write_ningbo(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `WFDBRecords/11/116/JS10647.hea` and so on, and the table of names."""
    _write_names(folder / "ConditionNames_SNOMED-CT.csv")
    yield from _write(folder, cases, _NINGBO)


def write_cpsc_extra(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/cpsc_2018_extra/g1/Q0001.hea` and so on."""
    return _write(folder, cases, _CPSC_EXTRA)


def write_incart(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `training/st_petersburg_incart/g1/I0001.hea` and so on, a minute each."""
    return _write(folder, cases, _INCART)


def write_cinc2021(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write a record of each of the eight collections in turn."""
    for case in cases:
        number, which = divmod(case.index, len(_CINC2021))
        _write_case(folder, case, number + 1, _CINC2021[which])
        yield


def _write(folder: Path, cases: Sequence[Case], collection: _Collection) -> Iterator[None]:
    for case in cases:
        _write_case(folder, case, case.index + 1, collection)
        yield


def _write_case(root: Path, case: Case, number: int, collection: _Collection) -> Path:
    """Write one record, and return its path without extension."""
    folder = root / collection.folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / collection.name(number)
    rng = case.details()
    rate = collection.sampling_rate
    signal = case.signal(rate, collection.draw_duration(rng), mains_frequency=collection.mains_frequency)
    steps = to_steps(signal, GAIN)
    if rng.random() < collection.flat_leads:
        steps[rng.integers(12)] = 0
    gaps = rng.integers(steps.shape[1], size=collection.missing_samples)
    steps[rng.integers(12), gaps] = NOT_MEASURED
    write_matlab(path.with_suffix(".mat"), steps)
    code_of = collection.code_of
    codes = dict.fromkeys(code for label, code in code_of.items() if label in case.labels)
    # Whoever overlooked the only finding that has a code called the ECG normal.
    named = ",".join(codes) or code_of["NORM"]
    age = "NaN" if rng.random() < collection.unknown_ages else f"{case.patient.age:.0f}"
    fields = {
        "Age": age,
        "Sex": "Female" if case.patient.sex == "F" else "Male",
        "Dx": named,
        **dict.fromkeys(("Rx", "Hx", "Sx"), "Unknown"),
    }
    comments = [f"{collection.mark}{name}: {value}" for name, value in fields.items()]
    lines = signal_lines(f"{path.name}.mat", LEADS, steps, collection.style, [GAIN] * 12, [0] * 12)
    write_header(path.with_suffix(".hea"), rate, steps.shape[1], lines, comments)
    return path


def _write_names(path: Path) -> None:
    """Write the table of `ecg-arrhythmia`: with a byte order mark, and 698252002 in two rows."""
    rows = ["Acronym Name,Full Name,Snomed_CT"]
    rows += [f"{name},{name},{code}" for name, code in SNOMED_OF.items()]
    path.write_text("\n".join([*rows, "VPE,the same code again,698252002"]) + "\n", encoding="utf-8-sig")


CPSC2018 = Layout(CPSC2018_GROUPS, write_cpsc2018)
GEORGIA = Layout(GEORGIA_GROUPS, write_georgia)
CHAPMAN = Layout(CHAPMAN_GROUPS, write_chapman)
NINGBO = Layout(NINGBO_GROUPS, write_ningbo)
CPSC_EXTRA = Layout(CPSC_EXTRA_GROUPS, write_cpsc_extra)
INCART = Layout(INCART_GROUPS, write_incart)
CINC2021 = Layout(WIDE_GROUPS, write_cinc2021)
