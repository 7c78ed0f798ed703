"""CODE test: the 827 Brazilian ECGs on which Ribeiro et al. tested their network.

Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications
11, 1760 (2020).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.hdf5_signals import SignalArray
from ecg_tl.datasets.tables import cell_fault, read_text_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError
from ecg_tl.limits import RECORDS, require
from ecg_tl.signals import Recording

_TRACINGS = "ecg_tracings.hdf5"
_GOLD_STANDARD = "annotations/gold_standard.csv"
_ATTRIBUTES = "attributes.csv"
SAMPLING_RATE = 400.0
TRACINGS = SignalArray("tracings", ("records", "samples", "leads"))

ABNORMALITIES = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
"""The six abnormalities, as the columns of the tables are called."""
# Not the standard order: the augmented leads are rotated (CODE-15% has them in the standard order).
_LEADS = ("I", "II", "III", "aVL", "aVF", "aVR", "V1", "V2", "V3", "V4", "V5", "V6")

CODE = Vocabulary(
    "code",
    {
        "1dAVb": "IAVB",
        "RBBB": "RBBB",
        "LBBB": "LBBB",
        "SB": "SB",
        "AF": "AF",
        "ST": "STach",
        "normal_ecg": "NORM",
    },
)


class CodeTest(EcgDataset):
    """CODE test in its published layout: `ecg_tracings.hdf5`, `annotations/` and `attributes.csv`.

    The files may lie in the root or in `data/` below it. Their rows carry no names and match by position, so
    all of them must have the published number of rows. Tracings are in millivolts whatever the bundled text
    says; 7 s recordings are padded with zeros on both sides to 4096 samples, which is why the centre is kept;
    14 records have an all-zero lead as published.

    Args:
        expected_records: Number of rows that every file must have; None for any number, the same in all.
    """

    name = "code_test"
    title = "CODE test"
    records = "827"
    licence = "CC BY 4.0"
    citation = "Ribeiro et al., Nature Communications 11, 1760 (2020)"
    source = "https://doi.org/10.5281/zenodo.3765780"
    vocabulary = CODE
    crop = "center"
    published_records = 827

    def __init__(self, expected_records: int | None = published_records) -> None:
        if expected_records is not None:
            where = "expected_records of code_test"
            require(RECORDS, expected_records, where, remedy="Correct the option.")
        self.expected_records = expected_records

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the tracings and both tables."""
        return [_find(root, name) for name in (_GOLD_STANDARD, _ATTRIBUTES, _TRACINGS)]

    def scan(self, root: Path) -> Scan:
        """Match the rows of the gold standard, the attributes and the tracings."""
        labels_path = _find(root, _GOLD_STANDARD)
        labels = read_text_table(labels_path, ABNORMALITIES, self.title)
        attributes_path = _find(root, _ATTRIBUTES)
        attributes = read_text_table(attributes_path, ("age", "sex"), self.title)
        tracings_path = _find(root, _TRACINGS)
        shape = TRACINGS.shape(tracings_path)
        count, length = shape["records"], shape["samples"]
        expected = count if self.expected_records is None else self.expected_records
        for path, found in (
            (labels_path, len(labels)),
            (attributes_path, len(attributes)),
            (tracings_path, count),
        ):
            if found != expected:
                raise DatasetError(
                    path,
                    f"{found} rows",
                    f"{expected}: rows of tracings, labels and attributes match by position",
                    "Fetch the file again; never drop or reorder its rows.",
                )
        relative = tracings_path.relative_to(root).as_posix()
        rows: list[dict[str, object]] = []
        for number in range(count):
            cells = {name: labels[name][number] for name in ABNORMALITIES}
            for name, cell in cells.items():
                if cell not in ("0", "1"):
                    raise cell_fault(labels_path, number, name, cell, "0 or 1")
            rows.append(
                {
                    "record_id": str(number),
                    "patient_id": None,
                    "path": f"{relative}#{number}",
                    "sampling_rate": SAMPLING_RATE,
                    "length": length,
                    "fold": None,
                    "age": parse_age(attributes["age"][number]),
                    "sex": parse_sex(attributes["sex"][number]),
                    "codes": tuple(name for name, cell in cells.items() if cell == "1"),
                }
            )
        return make_scan(rows, root, notes=people_notes(attributes["age"], attributes["sex"]))

    def read(self, root: Path, path: str) -> Recording:
        """Read one row of the tracings; `path` is `ecg_tracings.hdf5#17`."""
        file_name, _, row = path.partition("#")
        return Recording(TRACINGS.read(root / file_name, int(row)), _LEADS, SAMPLING_RATE)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the paper's seven classes; NORM is none of the other six."""
        self.check_task(task)
        abnormal = (LabelClass(name, frozenset({name})) for name in ABNORMALITIES)
        return LabelRule((LabelClass("NORM", frozenset()), *abnormal), negative="NORM")


def _find(root: Path, file_name: str) -> Path:
    """Return the file in `root` or in its folder `data`, as the archive on Zenodo unpacks."""
    for path in (root / file_name, root / "data" / file_name):
        if path.is_file():
            return path
    raise DatasetError(
        root / file_name,
        "no such file, nor in data/",
        f"a file of {CodeTest.title}",
        f"Fetch it from {CodeTest.source}.",
    )
