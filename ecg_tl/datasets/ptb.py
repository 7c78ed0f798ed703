"""PTB Diagnostic: 549 ECGs of 290 patients in 15 leads, with the reason for each admission.

Bousseljot et al., "Nutzung der EKG-Signaldatenbank CARDIODAT der PTB über das Internet", Biomedizinische
Technik 40, S317 (1995).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import RecordError
from ecg_tl.recordings.folders import list_dataset_files
from ecg_tl.recordings.wfdb_header import read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

_PATIENT_FOLDER = re.compile(r"patient\d+")
_CLASSES = (
    LabelClass("NORM", frozenset({"Healthy control"})),
    LabelClass("MI", frozenset({"Myocardial infarction"})),
)
_OTHER_REASONS = frozenset(
    {
        "Bundle branch block",
        "Cardiomyopathy",
        "Dysrhythmia",
        "Heart failure (NYHA 2)",
        "Heart failure (NYHA 3)",
        "Heart failure (NYHA 4)",
        "Hypertrophy",
        "Myocarditis",
        "Palpitation",
        "Stable angina",
        "Unstable angina",
        "Valvular heart disease",
    }
)

PTB = Vocabulary(
    "ptb", {"Healthy control": "NORM", "Myocardial infarction": "MI", "Bundle branch block": "BBB"}
)


class Ptb(EcgDataset):
    """PTB Diagnostic in its published layout: `patient001/s0010_re.hea` with `.dat` (12 leads) and `.xyz`.

    The code of a record is its reason for admission. As in the paper, any other reason than infarction and
    health makes a record a negative of both classes, and records without a reason are left out (27 of 549).
    The patient is the folder.
    """

    name = "ptb"
    title = "PTB Diagnostic ECG Database 1.0.0"
    records = "549 of 290 patients"
    licence = "ODC-By 1.0"
    citation = "Bousseljot et al., Biomedizinische Technik 40, S317 (1995)"
    source = "https://physionet.org/content/ptbdb/1.0.0/"
    vocabulary = PTB

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the headers in folders named like patients, anywhere below `root`."""
        headers = list_dataset_files(root, (".hea",))
        return [path for path in headers if _PATIENT_FOLDER.fullmatch(path.parent.name)]

    def scan(self, root: Path) -> Scan:
        """List the headers in folders named like patients, anywhere below `root`."""
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        people: list[tuple[str | None, str | None]] = []
        for path in self.source_files(root):
            record_id = f"{path.parent.name}/{path.stem}"
            try:
                header = read_header(path.with_suffix(""))
            except RecordError as error:
                left_out.append(LeftOut.because(record_id, error))
                continue
            reason = header.comment("Reason for admission") or "n/a"
            if reason.lower() == "n/a":
                left_out.append(LeftOut(record_id, f"{path}: no reason for admission"))
                continue
            people.append((header.comment("age"), header.comment("sex")))
            rows.append(
                {
                    "record_id": record_id,
                    "patient_id": path.parent.name,
                    "path": path.relative_to(root).with_suffix("").as_posix(),
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": None,
                    "age": parse_age(people[-1][0]),
                    "sex": parse_sex(people[-1][1]),
                    "codes": (reason,),
                }
            )
        notes = people_notes(*zip(*people, strict=True)) if people else []
        return make_scan(rows, root, left_out, notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record: the 12 standard leads and Frank's `vx`, `vy`, `vz`."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the paper's rule: NORM, MI, anything else neither."""
        self.check_task(task)
        return LabelRule(_CLASSES, _OTHER_REASONS)
