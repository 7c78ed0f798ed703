"""MIMIC-IV-ECG with the labels of Ext-ICD: leads in another order, gaps, and lists of codes as text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ecg_tl.recordings.fillers import NOT_MEASURED
from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import SOME_RETURN, Case
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.layouts.challenge import WIDE_GROUPS
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

SAMPLING_RATE = 500
DURATION = 10
GAIN = 200.0
LEAD_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
"""Of the files; not the standard one."""

ICD_OF: Mapping[str, str] = {
    "AF": "I4891",
    "SB": "R001",
    "STACH": "R000",
    "PAC": "I491",
    "PVC": "I493",
    "IAVB": "I440",
    "LBBB": "I447",
    "RBBB": "I4510",
    "IRBBB": "I4519",
    "LAFB": "I444",
    "LVH": "I517",
    "LQT": "I4581",
    "STD": "I249",
    "TINV": "I2510",
    "AMI": "I2109",
    "IMI": "I2119",
    "LMI": "I2129",
}
"""Codes of discharge that go with the conditions that the simulator knows."""

_STYLE = HeaderStyle(gain="{gain:.1f}({baseline})/mV")
_DIAGNOSES = ("ed_diag_ed", "ed_diag_hosp", "hosp_diag_hosp", "all_diag_hosp", "all_diag_all")
_COLUMNS = (
    *("file_name", "study_id", "subject_id", "ecg_time", *_DIAGNOSES),
    *("gender", "age", "fold", "strat_fold"),
)


def write(folder: Path, cases: Sequence[Case]) -> Iterator[None]:
    """Write `record_list.csv`, `machine_measurements.csv`, `records_w_diag_icd10.csv` and `files/`.

    Of a third of the records nothing was coded; some have gaps, and some a lead of zeros.
    """
    order = [LEADS.index(lead) for lead in LEAD_ORDER]
    with (
        (folder / "record_list.csv").open("w", newline="", encoding="utf-8") as listed,
        (folder / "machine_measurements.csv").open("w", newline="", encoding="utf-8") as measured,
        (folder / "records_w_diag_icd10.csv").open("w", newline="", encoding="utf-8") as coded,
    ):
        records, machine, labels = (csv.writer(s, lineterminator="\n") for s in (listed, measured, coded))
        records.writerow(["subject_id", "study_id", "file_name", "ecg_time", "path"])
        machine.writerow(["subject_id", "study_id", "report_0", "rr_interval", "p_onset", "t_axis"])
        labels.writerow(_COLUMNS)
        for case in cases:
            rng = case.details()
            subject, study = 10_000_032 + 7 * case.patient_index, 40_689_238 + 13 * case.index
            name = f"files/p{subject // 10_000}/p{subject}/s{study}/{study}"
            path = folder / name
            path.parent.mkdir(parents=True)
            steps = to_steps(case.signal(SAMPLING_RATE, DURATION, mains_frequency=60.0)[order], GAIN)
            if rng.random() < 0.15:
                steps[int(rng.integers(12))] = 0
            if rng.random() < 0.3:
                start = int(rng.integers(4000))
                steps[int(rng.integers(12)), start : start + 5] = NOT_MEASURED
            write_samples(path.with_suffix(".dat"), steps)
            lines = signal_lines(f"{study}.dat", LEAD_ORDER, steps, _STYLE, [GAIN] * 12, [0] * 12)
            write_header(path.with_suffix(".hea"), SAMPLING_RATE, steps.shape[1], lines)
            time = "2180-07-23 08:44:00"
            records.writerow([subject, study, study, time, name])
            machine.writerow([subject, study, "Sinus rhythm", 32767, 29999, 65535])
            codes = [code for label, code in ICD_OF.items() if label in case.labels] or ["Z0000"]
            codes += ["I10"] * (case.patient_index % 3 == 0)
            told = codes if rng.random() < 2 / 3 else []
            fold = case.patient_index % 20
            row = [name, study, subject, time, *[str(told)] * len(_DIAGNOSES), case.patient.sex]
            labels.writerow([*row, f"{case.patient.age:.1f}", fold, fold])
            yield


LAYOUT = Layout(WIDE_GROUPS, write, SOME_RETURN)
