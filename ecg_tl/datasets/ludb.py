"""LUDB: 200 ECGs of the Lobachevsky University with statements in words.

Kalyakulina et al., "LUDB: A New Open-Access Validation Tool for Electrocardiogram Delineation Algorithms",
IEEE Access 8, 186181 (2020).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import get_args

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_path, read_text_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError, RecordError, SettingError
from ecg_tl.limits import COUNT, require
from ecg_tl.recordings.wfdb_header import header_path, read_header
from ecg_tl.recordings.wfdb_recording import Amplitude, read_wfdb
from ecg_tl.signals import Recording

_TABLE = "ludb.csv"
_PERSON = ("ID", "Sex", "Age")
_STATEMENT_COLUMNS = (
    "Rhythms",
    "Electric axis of the heart",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
)
_WALLS = ("anterior wall", "apical", "inferior wall", "lateral wall", "posterior wall", "septal")
_ISCHEMIAS = ("Ischemia", "Stemi", "Scar formation", "Undefined ischemia/scar/supp.nstemi")

LUDB_CLASSES: tuple[LabelClass, ...] = (
    LabelClass("SB", frozenset({"Sinus bradycardia"})),
    LabelClass("AF", frozenset({"Atrial fibrillation"})),
    LabelClass("LVH", frozenset({"Left ventricular hypertrophy"})),
    LabelClass("LAH", frozenset({"Left atrial hypertrophy"})),
    LabelClass("LAD", frozenset({"Electric axis of the heart: left axis deviation"})),
    LabelClass("IRBBB", frozenset({"Incomplete right bundle branch block"})),
    LabelClass("LAFB", frozenset({"Left anterior hemiblock"})),
    LabelClass("IAVB", frozenset({"I degree av block"})),
    LabelClass("ISCH", frozenset(f"{kind}: {wall}" for kind, wall in product(_ISCHEMIAS, _WALLS))),
)
"""Classes with the statements that make them, in the words of `ludb.csv`."""

LUDB = Vocabulary(
    "ludb",
    {
        "Sinus rhythm": "NSR",
        "Sinus bradycardia": "SB",
        "Sinus tachycardia": "STach",
        "Sinus arrhythmia": "SA",
        "Atrial fibrillation": "AF",
        "Atrial flutter, typical": "AFL",
        "Wandering atrial pacemaker": "WAP",
        "Electric axis of the heart: left axis deviation": "LAD",
        "Electric axis of the heart: right axis deviation": "RAD",
        "Incomplete right bundle branch block": "IRBBB",
        "Incomplete left bundle branch block": "ILBBB",
        "Complete right bundle branch block": "RBBB",
        "Complete left bundle branch block": "LBBB",
        "Left anterior hemiblock": "LAnFB",
        "Non-specific intravintricular conduction delay": "NSIVCB",
        "I degree av block": "IAVB",
        "Iii degree av-block": "CHB",
        "Sinoatrial blockade, undefined": "SAB",
        "Left ventricular hypertrophy": "LVH",
        "Right ventricular hypertrophy": "RVH",
        "Left atrial hypertrophy": "LAE",
        "Right atrial hypertrophy": "RAE",
        "Early repolarization syndrome": "ERe",
    },
)


class Ludb(EcgDataset):
    """LUDB in its published layout: `ludb.csv` and `data/1.hea`; one record a patient.

    The codes of a record are its statements; a cell of the table lists several of them, one a line.

    The published gains are no gains: in all 200 records each lead's gain is the peak-to-peak extent of that
    very lead in steps, so that the header's millivolts are a min-max scaling, in which III is not II - I (off
    by half of the signal in the median record). The steps themselves obey the relations of the limb leads
    exactly, and with 1 µV a step the median record peaks at 1.1 mV. They are what is read by default.

    Args:
        min_records: Classes with fewer records than this in the folder are left out.
        amplitude: `steps` takes a step as 1 µV; `header` applies each lead's published gain and baseline.
    """

    name = "ludb"
    title = "Lobachevsky University Database 1.0.1"
    records = "200"
    licence = "ODC-By 1.0"
    citation = "Kalyakulina et al., IEEE Access 8, 186181 (2020)"
    source = "https://physionet.org/content/ludb/1.0.1/"
    vocabulary = LUDB

    def __init__(self, min_records: int = 10, amplitude: Amplitude = "steps") -> None:
        if amplitude not in get_args(Amplitude):
            raise SettingError(
                "amplitude of ludb", repr(amplitude), "'steps' or 'header'", "Choose one of these."
            )
        require(COUNT, min_records, "min_records of ludb", remedy="Correct the option.")
        self.min_records = min_records
        self.amplitude = amplitude

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """How steps become millivolts."""
        return {"amplitude": self.amplitude}

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name `ludb.csv` and the header of each of its rows."""
        table = root / _TABLE
        yield table
        for number, (person, _) in enumerate(_read_statements(table)):
            yield header_path(root / f"data/{cell_path(table, number, 'ID', person['ID'])}")

    def scan(self, root: Path) -> Scan:
        """List the rows of `ludb.csv` with what their headers say."""
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        statements = _read_statements(root / _TABLE)
        for number, (person, codes) in enumerate(statements):
            path = f"data/{cell_path(root / _TABLE, number, 'ID', person['ID'])}"
            try:
                header = read_header(root / path)
            except RecordError as error:
                left_out.append(LeftOut.because(person["ID"], error))
                continue
            rows.append(
                {
                    "record_id": person["ID"],
                    "patient_id": person["ID"],
                    "path": path,
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": None,
                    "age": parse_age(person["Age"]),
                    "sex": parse_sex(person["Sex"]),
                    "codes": codes,
                }
            )
        people = [person for person, _ in statements]
        notes = people_notes((person["Age"] for person in people), (person["Sex"] for person in people))
        return make_scan(rows, root / _TABLE, left_out, notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 leads."""
        return read_wfdb(root / path, self.amplitude)

    @classmethod
    def known_classes(cls, task: str) -> tuple[str, ...]:
        """Name all classes; a folder's are those with enough records in it."""
        return cls(min_records=0).label_rule(task).class_names

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the classes that at least `min_records` rows of `root`'s `ludb.csv` have.

        Raises:
            SettingError: If `root` is None although classes must be counted.
            DatasetError: If `ludb.csv` is missing or malformed, or no class has enough records.
        """
        self.check_task(task)
        if self.min_records <= 0:
            return LabelRule(LUDB_CLASSES)
        if root is None:
            raise SettingError(
                "label rule of ludb",
                "no root",
                f"the folder of LUDB, to count classes of fewer than {self.min_records} records",
                "Give the root, or set min_records to 0.",
            )
        statements = [codes for _, codes in _read_statements(root / _TABLE)]
        counts = Counter(
            c.name for codes in statements for c in LUDB_CLASSES if not c.codes.isdisjoint(codes)
        )
        classes = tuple(c for c in LUDB_CLASSES if counts[c.name] >= self.min_records)
        if not classes:
            raise DatasetError(
                root / _TABLE,
                f"no class with {self.min_records} records",
                "at least one",
                "Fetch the dataset again, or lower min_records.",
            )
        every_statement = frozenset(code for codes in statements for code in codes)
        idle = frozenset().union(*(c.codes for c in LUDB_CLASSES if c not in classes))
        return LabelRule(classes, every_statement | idle)


def _read_statements(path: Path) -> list[tuple[dict[str, str], tuple[str, ...]]]:
    """Return of each row the person's cells and the statements, each once."""
    table = read_text_table(path, (*_PERSON, *_STATEMENT_COLUMNS), Ludb.title)
    people = []
    for row in table.to_dict("records"):
        lines = (line.strip() for column in _STATEMENT_COLUMNS for line in str(row[column]).splitlines())
        person = {column: str(row[column]) for column in _PERSON}
        person["ID"] = identifier(person["ID"]) or person["ID"]
        people.append(
            (
                person,
                tuple(dict.fromkeys(line for line in lines if line)),
            )
        )
    return people
