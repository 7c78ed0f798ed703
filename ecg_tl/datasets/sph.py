"""SPH: 25,770 ECGs of Shandong Provincial Hospital with AHA statements.

Liu et al., "A large-scale multi-label 12-lead electrocardiogram database with standardized diagnostic
statements", Scientific Data 9, 272 (2022).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.aha import (
    AHA,
    AHA_STATEMENTS,
    parse_statements,
    statement_classes,
    statement_group_classes,
)
from ecg_tl.datasets.base import EcgDataset, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.hdf5_signals import SignalArray
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, cell_path, parse_patient, read_text_table
from ecg_tl.limits import SAMPLES
from ecg_tl.signals import LEADS, Recording

_TABLE = "metadata.csv"
_SAMPLING_RATE = 500.0
_ECG = SignalArray("ecg", ("leads", "samples"))


class Sph(EcgDataset):
    """SPH in its published layout: `metadata.csv`, and a file a record, `records/A00001.h5`, in millivolts.

    A cell lists statements, each with modifiers: `60+310;147` is frequent ventricular premature complexes and
    an abnormal T wave. The codes kept are the statements; two records say `1;1` and count once. The
    publisher's test set shares patients with the rest, so that there are no folds: whole patients are drawn.
    `records.tar.gz` is a tar that is not compressed.
    """

    name = "sph"
    title = "Shandong Provincial Hospital ECG Database"
    records = "25,770 of 24,666 patients"
    licence = "CC BY 4.0"
    citation = "Liu et al., Scientific Data 9, 272 (2022)"
    source = "https://doi.org/10.6084/m9.figshare.c.5779802.v1"
    vocabulary = AHA
    tasks = ("statements", "categories")

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the table and the file of each of its rows."""
        path = root / _TABLE
        yield path
        table = read_text_table(path, ("ECG_ID",), self.title, others=False)
        for number, cell in enumerate(table["ECG_ID"]):
            yield root / _file(path, number, cell)

    def scan(self, root: Path) -> Scan:
        """List the rows of the table; whether their files are there is seen when they are read."""
        path = root / _TABLE
        required = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N")
        table = read_text_table(path, required, self.title, others=False)
        rows: list[dict[str, object]] = []
        for number, row in enumerate(table.to_dict("records")):
            cells = {str(column): str(cell) for column, cell in row.items()}
            length = identifier(cells["N"]) or ""
            if not (length.isascii() and length.isdigit() and SAMPLES.holds(int(length))):
                raise cell_fault(path, number, "N", cells["N"], "a number of samples")
            rows.append(
                {
                    "record_id": cells["ECG_ID"],
                    "patient_id": parse_patient(path, number, "Patient_ID", cells["Patient_ID"]),
                    "path": _file(path, number, cells["ECG_ID"]),
                    "sampling_rate": _SAMPLING_RATE,
                    "length": int(length),
                    "fold": None,
                    "age": parse_age(cells["Age"]),
                    "sex": parse_sex(cells["Sex"]),
                    "codes": parse_statements(cells["AHA_Code"]),
                }
            )
        return make_scan(rows, path, notes=people_notes(table["Age"], table["Sex"]))

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 leads."""
        return Recording(_ECG.read(root / path), LEADS, _SAMPLING_RATE)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the 44 statements that occur, or their 11 categories."""
        statements = self.check_task(task) == "statements"
        return LabelRule(
            statement_classes() if statements else statement_group_classes(), frozenset(AHA_STATEMENTS)
        )


def _file(path: Path, number: int, cell: str) -> str:
    return f"records/{cell_path(path, number, 'ECG_ID', cell)}.h5"
