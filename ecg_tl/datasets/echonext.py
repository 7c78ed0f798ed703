"""EchoNext: 100,000 ECGs of New York, with what an echocardiogram found near in time.

Poterucha et al., "Detecting structural heart disease from electrocardiograms using AI", Nature (2025).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ecg_tl.datasets.base import UNANSWERED, EcgDataset, LabelClass, LabelRule, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.datasets.tables import cell_fault, parse_patient, read_text_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import DatasetError, EcgTlError, RecordError
from ecg_tl.signals import LEADS, Recording

_TABLE = "echonext_metadata_100k.csv"
_SAMPLING_RATE = 250.0
_LENGTH = 2500
_FOLDS = {"train": 1, "val": 2, "test": 3}
_OUTSIDE = "no_split"

MEASURED_BY: dict[str, tuple[str, ...]] = {
    "lvef_lte_45": ("lvef_value",),
    "lvwt_gte_13": ("ivs_measurement", "lvpw_measurement"),
    "aortic_stenosis_moderate_or_greater": ("aortic_stenosis_value",),
    "aortic_regurgitation_moderate_or_greater": ("aortic_regurgitation_value",),
    "mitral_regurgitation_moderate_or_greater": ("mitral_regurgitation_value",),
    "tricuspid_regurgitation_moderate_or_greater": ("tricuspid_regurgitation_value",),
    "pulmonary_regurgitation_moderate_or_greater": ("pulmonary_regurgitation_value",),
    "rv_systolic_dysfunction_moderate_or_greater": ("rv_systolic_function_value",),
    "pericardial_effusion_moderate_large": ("pericardial_effusion_value",),
    "pasp_gte_45": ("pasp_value",),
    "tr_max_gte_32": ("tr_max_velocity_value",),
}
"""Each finding, whose column is called so with `_flag` behind, and the measurements that it comes from: that
of the wall is of the thicker of two, and measured if both are."""
COMPOSITE = "shd_moderate_or_greater"
"""Structural heart disease: any of the findings. No one measurement is behind it."""

ECHONEXT = Vocabulary("echonext", {})


class EchoNext(EcgDataset):
    """EchoNext in its published layout: `echonext_metadata_100k.csv`, `EchoNext_train_waveforms.npy`, ...

    A row of an array belongs to the row of the table at the same position among those of its split. Signals
    are standardised as they are published: what is read as 1 mV is one standard deviation, and a network
    should not scale them again. The flag of what was not measured reads 0 (54,996 of `tr_max_gte_32_flag`):
    here it is a question without an answer. The publisher's splits are the folds, 1 to train, 2 to validate,
    3 to test; records of `no_split` share patients with these and are not used.
    """

    name = "echonext"
    title = "EchoNext 1.1.0"
    records = "100,000, of which 82,543 in splits"
    licence = "PhysioNet Restricted Health Data License 1.5.0"
    citation = "Poterucha et al., Nature (2025)"
    source = "https://physionet.org/content/echonext/1.1.0/"
    vocabulary = ECHONEXT
    tasks = ("findings", "structural")

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the table and the arrays of the splits, of which some may not be there."""
        return [root / _TABLE, *(root / _array(split) for split in _FOLDS)]

    def scan(self, root: Path) -> Scan:
        """List the rows of the table whose arrays are there; no signal is read."""
        path = root / _TABLE
        flags = {finding: f"{finding}_flag" for finding in (*MEASURED_BY, COMPOSITE)}
        values = [column for columns in MEASURED_BY.values() for column in columns]
        required = ("ecg_key", "patient_key", "split", "age_at_ecg", "sex", *flags.values(), *values)
        table = read_text_table(path, required, self.title, others=False)
        columns = {column: table[column].tolist() for column in required}
        there = self._check_arrays(root, path, columns["split"])
        rows: list[dict[str, object]] = []
        position = dict.fromkeys(_FOLDS, 0)
        used: list[int] = []
        absent = 0
        for number, split in enumerate(columns["split"]):
            if split == _OUTSIDE:
                continue
            row = position[split]
            position[split] += 1
            if split not in there:
                absent += 1
                continue
            positive = [f for f, flag in flags.items() if _flag(path, number, flag, columns[flag][number])]
            unanswered = tuple(
                finding
                for finding, sources in MEASURED_BY.items()
                if not all(columns[source][number] for source in sources)
            )
            used.append(number)
            rows.append(
                {
                    "record_id": identifier(columns["ecg_key"][number]) or columns["ecg_key"][number],
                    "patient_id": parse_patient(path, number, "patient_key", columns["patient_key"][number]),
                    "path": f"{_array(split)}#{row}",
                    "sampling_rate": _SAMPLING_RATE,
                    "length": _LENGTH,
                    "fold": _FOLDS[split],
                    "age": parse_age(columns["age_at_ecg"][number]),
                    "sex": parse_sex(columns["sex"][number]),
                    "codes": tuple(positive),
                    UNANSWERED: unanswered,
                }
            )
        notes = people_notes(
            [columns["age_at_ecg"][number] for number in used], [columns["sex"][number] for number in used]
        )
        outside = columns["split"].count(_OUTSIDE)
        if outside:
            notes.append(f"{outside:,} record(s) of {_OUTSIDE} share patients with the splits: not used.")
        if absent:
            notes.append(f"{absent:,} record(s) are of splits whose arrays are not here.")
        return make_scan(rows, root, notes=notes)

    def read(self, root: Path, path: str) -> Recording:
        """Read one row of an array; `path` is `EchoNext_train_waveforms.npy#417`."""
        file_name, _, row = path.partition("#")
        array = _open(root / file_name, RecordError)
        try:
            values = np.array(array[int(row), 0].T, dtype=np.float32)
        except (IndexError, ValueError, OSError) as error:
            raise _damaged(RecordError, root / file_name, f"row {row} that cannot be read", error) from error
        return Recording(np.ascontiguousarray(values), LEADS, _SAMPLING_RATE)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the eleven findings, or structural heart disease as a whole."""
        names = (COMPOSITE,) if self.check_task(task) == "structural" else tuple(MEASURED_BY)
        classes = tuple(LabelClass(name, frozenset({name})) for name in names)
        return LabelRule(classes, frozenset({*MEASURED_BY, COMPOSITE}))

    def _check_arrays(self, root: Path, path: Path, splits: list[str]) -> frozenset[str]:
        """Return the splits whose arrays are there, with as many rows as the table has.

        Raises:
            DatasetError: If there is none, or one has another number of rows.
        """
        for number, split in enumerate(splits):
            if split not in _FOLDS and split != _OUTSIDE:
                raise cell_fault(path, number, "split", split, f"one of {', '.join(_FOLDS)} or {_OUTSIDE}")
        there = frozenset(split for split in _FOLDS if (root / _array(split)).is_file())
        if not there:
            raise DatasetError(
                root / _array("train"),
                "no such file, nor that of another split",
                f"arrays of {self.title}",
                f"Fetch them from {self.source}, after logging in.",
            )
        for split in sorted(there):
            rows, count = len(_open(root / _array(split), DatasetError)), splits.count(split)
            if rows != count:
                raise DatasetError(
                    root / _array(split),
                    f"{rows:,} rows",
                    f"{count:,}, as {_TABLE} has of {split}",
                    "Rows match by position: fetch both files again.",
                )
        return there


def _array(split: str) -> str:
    return f"EchoNext_{split}_waveforms.npy"


def _open(path: Path, kind: type[EcgTlError]) -> Any:
    """Map an array into memory.

    Raises:
        EcgTlError: Of the given kind, if it is none of EchoNext's.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # the reader fails in any way that the bytes of a damaged file make it
        raise _damaged(kind, path, "a file that cannot be read", error) from error
    shape = getattr(array, "shape", ())
    if len(shape) != 4 or shape[1:] != (1, _LENGTH, len(LEADS)) or array.dtype.kind != "f":
        raise _damaged(kind, path, f"an array of shape {shape}", None)
    return array


def _damaged(kind: type[EcgTlError], path: Path, found: str, error: Exception | None) -> EcgTlError:
    because = f" ({' '.join(str(error).split())[:160]})" if error else ""
    expected = f"floats of shape (records, 1, {_LENGTH}, {len(LEADS)})"
    return kind(path, f"{found}{because}", expected, "The file is damaged or another: fetch it again.")


def _flag(path: Path, number: int, column: str, cell: str) -> bool:
    value = identifier(cell)
    if value not in ("0", "1"):
        raise cell_fault(path, number, column, cell, "0 or 1")
    return value == "1"
