"""Brugada-HUCA: 363 ECGs of people who were examined for Brugada syndrome in Oviedo.

Costa Cortez and Garcia Iglesias, "Brugada-HUCA: 12-Lead ECG Recordings for the Study of Brugada Syndrome",
PhysioNet (2026).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecg_tl.datasets.base import UNANSWERED, EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, cell_path, read_text_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import RecordError
from ecg_tl.recordings.wfdb_header import header_path, read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

_TABLE = "metadata.csv"
_CODES: dict[str, dict[str, tuple[str, ...]]] = {
    "brugada": {"0": (), "1": ("brugada",), "2": ("atypical",)},
    "basal_pattern": {"0": (), "1": ("basal_pattern",)},
    "sudden_death": {"0": (), "1": ("sudden_death",)},
}
"""The columns, and what their numbers stand for."""

BRUGADA = Vocabulary("brugada_huca", {"brugada": "BRU"})


class BrugadaHuca(EcgDataset):
    """Brugada-HUCA in its published layout: `metadata.csv` and `files/188981/188981.hea`.

    One record a person. All were suspected of the syndrome: 0 is "examined and not diagnosed", and no sample
    of healthy people. Of 363, 69 are confirmed (1) and 7 atypical (2). `brugada` has no answer for the
    atypical ones; `brugada_or_atypical` joins them with the confirmed.
    """

    name = "brugada_huca"
    title = "Brugada-HUCA 1.0.0"
    records = "363, one a person"
    licence = "CC BY-SA 4.0"
    citation = "Costa Cortez and Garcia Iglesias, PhysioNet (2026)"
    source = "https://physionet.org/content/brugada-huca/1.0.0/"
    vocabulary = BRUGADA
    tasks = ("brugada", "brugada_or_atypical", "all")

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the table and the header of each of its rows."""
        path = root / _TABLE
        yield path
        table = read_text_table(path, ("patient_id",), self.title, others=False)
        for number, cell in enumerate(table["patient_id"]):
            yield header_path(root / _record(path, number, cell))

    def scan(self, root: Path) -> Scan:
        """List the rows of the table with what their headers say."""
        path = root / _TABLE
        table = read_text_table(path, ("patient_id", *_CODES), self.title, others=False)
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        for number, row in enumerate(table.to_dict("records")):
            cells = {str(column): str(cell) for column, cell in row.items()}
            record = _record(path, number, cells["patient_id"])
            person = identifier(cells["patient_id"]) or cells["patient_id"]
            codes: tuple[str, ...] = ()
            unanswered = ("brugada",) if identifier(cells["brugada"]) == "2" else ()
            for column, meaning in _CODES.items():
                value = identifier(cells[column])
                if value not in meaning:
                    raise cell_fault(path, number, column, cells[column], f"one of {', '.join(meaning)}")
                codes += meaning[value]
            try:
                header = read_header(root / record)
            except RecordError as error:
                left_out.append(LeftOut.because(person, error))
                continue
            rows.append(
                {
                    "record_id": person,
                    "patient_id": person,
                    "path": record,
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": None,
                    "age": float("nan"),
                    "sex": None,
                    "codes": codes,
                    UNANSWERED: unanswered,
                }
            )
        return make_scan(rows, path, left_out)

    def read(self, root: Path, path: str) -> Recording:
        """Read one record of 12 leads."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the diagnosis, alone or with its atypical form, or all three columns."""
        task = self.check_task(task)
        known = frozenset({"brugada", "atypical", "basal_pattern", "sudden_death"})
        if task == "brugada_or_atypical":
            return LabelRule((LabelClass("BRU", frozenset({"brugada", "atypical"})),), known)
        classes: tuple[LabelClass, ...] = (LabelClass("BRU", frozenset({"brugada"})),)
        if task == "all":
            classes += tuple(
                LabelClass(name, frozenset({name})) for name in ("basal_pattern", "sudden_death")
            )
        return LabelRule(classes, known)


def _record(path: Path, number: int, cell: str) -> str:
    person = cell_path(path, number, "patient_id", identifier(cell) or cell)
    return f"files/{person}/{person}"
