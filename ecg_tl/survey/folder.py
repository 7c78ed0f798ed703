"""A folder of recordings and a table of labels, looked at before anything is trained on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecg_tl.datasets.named_records import NamedRecords, first_few
from ecg_tl.datasets.table_files import NOTES, TABLE_SUFFIXES, read_cells
from ecg_tl.datasets.tables import name_columns
from ecg_tl.errors import DatasetError
from ecg_tl.paths import path_below
from ecg_tl.recordings import ReadSettings
from ecg_tl.survey.columns import LEAST_SHARE, ColumnsFound, ColumnsSaid, record_shares, survey_columns
from ecg_tl.survey.recordings import RecordingsFound, survey_recordings

LOOK_AT = 200
"""Recordings that are read."""

_FOLDER_OF_PATIENT = r"^([^/]+)/"


@dataclass(frozen=True)
class FolderFound:
    """What a folder holds.

    Attributes:
        root: The folder.
        recordings: In it.
        table: The table of labels.
        rows: In the table.
        columns: What they are.
        patient_pattern: Finds the patient in a recording's path, where no column of the table does.
        patients: How many different patients the rows name; None if it is not known who they are.
        without_patient: Rows that name none.
        without_recording: Cells of rows whose recording is not there.
        unnamed: Recordings that are in no row.
        twice: Recordings that are in several rows.
        notes: What else a user should know, in sentences.
    """

    root: Path
    recordings: RecordingsFound
    table: Path
    rows: int
    columns: ColumnsFound
    patient_pattern: str | None
    patients: int | None
    without_patient: int
    without_recording: tuple[str, ...]
    unnamed: tuple[str, ...]
    twice: tuple[str, ...]
    notes: tuple[str, ...]


def survey_folder(
    root: Path,
    *,
    table: str | None = None,
    said: ColumnsSaid | None = None,
    patient_pattern: str | None = None,
    reading: ReadSettings | None = None,
    look_at: int = LOOK_AT,
) -> FolderFound:
    """Look at a folder; nothing is written.

    Args:
        root: The folder.
        table: Name of the table of labels in it; looked for if None.
        said: What the user says of its columns.
        patient_pattern: A regular expression from a recording's path to its patient.
        reading: What the user says of recordings that do not say it themselves.
        look_at: How many recordings are read at most.

    Raises:
        DatasetError: If there are no recordings, no table that names them, or more than one thing that
            something may be.
    """
    said = said or ColumnsSaid()
    files = [root / table] if table is not None else list(_tables(root)) if root.is_dir() else []
    recordings = survey_recordings(root, reading or ReadSettings(), look_at, files)
    known = frozenset(recordings.names)
    finder = NamedRecords(root)
    path, cells, shares = _choose_table(root, files, finder, known, said, asked=table is not None)
    columns = survey_columns(path, cells, shares, said)
    found = [finder.find(below) if (below := path_below(cell)) else cell for cell in cells[columns.record]]
    there = [record for record in found if record in known]
    if patient_pattern is None and columns.patient is None:
        patient_pattern = _pattern(recordings)
    patients = _patients(cells, columns, found, patient_pattern)
    counts = pd.Series(there, dtype=str).value_counts()
    return FolderFound(
        root=root,
        recordings=recordings,
        table=path,
        rows=len(cells),
        columns=columns,
        patient_pattern=patient_pattern,
        patients=None if patients is None else len({one for one in patients if one}),
        without_patient=0 if patients is None else sum(not one for one in patients),
        without_recording=tuple(
            cell for cell, record in zip(cells[columns.record], found, strict=True) if record not in known
        ),
        unnamed=tuple(sorted(known - set(there))),
        twice=tuple(str(name) for name in counts[counts > 1].index),
        notes=(*cells.attrs.get(NOTES, ()), *_notes(recordings, columns, patients)),
    )


def _tables(root: Path) -> Iterator[Path]:
    """Yield the files in the folder itself, and in no folder below, that may be tables of labels."""
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in TABLE_SUFFIXES and path.is_file() and not path.name.startswith("."):
            yield path


def _choose_table(
    root: Path,
    files: list[Path],
    finder: NamedRecords,
    known: frozenset[str],
    said: ColumnsSaid,
    *,
    asked: bool,
) -> tuple[Path, pd.DataFrame, dict[str, float]]:
    """Return the one table that names the recordings, its cells, and which share of each column does."""
    fitting: list[tuple[Path, pd.DataFrame, dict[str, float]]] = []
    refused: list[DatasetError] = []
    for path in files:
        try:
            cells = name_columns(path, read_cells(path), (), "labels")
        except DatasetError as error:
            if asked:
                raise
            refused.append(error)
            continue
        shares = record_shares(cells, finder, known)
        if asked or max(shares.values(), default=0.0) >= LEAST_SHARE or said.record in cells:
            fitting.append((path, cells, shares))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        named = first_few(path.name for path, _, _ in fitting)
        raise DatasetError(
            root,
            f"{len(fitting)} tables that name its recordings: {named}",
            "one table of labels",
            f"Say which: --table {fitting[0][0].name}",
        )
    names = first_few(path.name for path in files) or "no table at all"
    because = f"; {refused[0]}" if refused else ""
    raise DatasetError(
        root,
        f"no table that names its recordings ({names}){because}",
        f"a table in the folder itself ({', '.join(TABLE_SUFFIXES)})",
        "Put it there, or name it: --table FILE. A column must hold the names of the files.",
    )


def _pattern(recordings: RecordingsFound) -> str | None:
    """Return how paths name the patient, where files say the same of themselves as their folders do."""
    pairs = [(name, person.patient_id) for name, person in recordings.persons.items() if person.patient_id]
    if pairs and all(name.partition("/")[0] == patient and "/" in name for name, patient in pairs):
        return _FOLDER_OF_PATIENT
    return None


def _patients(
    cells: pd.DataFrame, columns: ColumnsFound, found: list[str], pattern: str | None
) -> list[str | None] | None:
    if columns.patient is not None:
        return [cell or None for cell in cells[columns.patient]]
    if pattern is None:
        return None
    matches = [re.search(pattern, record) for record in found]
    return [match[1 if match.re.groups else 0] if match else None for match in matches]


def _notes(
    recordings: RecordingsFound, columns: ColumnsFound, patients: list[str | None] | None
) -> Iterator[str]:
    if patients is None:
        said = {person.patient_id for person in recordings.persons.values() if person.patient_id}
        files = f" (the files name {len(said)} of those that were looked at)" if said else ""
        yield (
            f"nothing says who the patients are{files}: records of one patient may come into training and "
            "test. Say it with --patient_column NAME or --patient_pattern REGEX"
        )
    if columns.constant:
        yield f"columns that say the same in each row are no classes: {first_few(columns.constant)}"
    if columns.empty:
        cells = f"{columns.empty} empty cell(s) of classes"
        yield f"{cells} are questions without an answer (empty_cells: unanswered)"
    rare = [name for name, count in {**columns.labels, **columns.code_counts}.items() if count < 10]
    if rare:
        yield f"classes with fewer than 10 records: {first_few(rare)}"
    if len(recordings.rates) > 1 or len(recordings.seconds) > 1:
        yield "recordings differ in rate or length: they are resampled, and cut or padded to one length"
