"""Opening a prepared store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datasets.identifiers import identifier
from ecg_tl.errors import StoreError
from ecg_tl.signals import Recording
from ecg_tl.store.columns import Columns
from ecg_tl.store.encoding import SIGNAL_DTYPE, STEPS_PER_MILLIVOLT
from ecg_tl.store.fingerprint import COLUMNS_FILE, FINGERPRINTS_FILE, RECORDS_FILE, TRACES_FILE
from ecg_tl.store.identity import FINGERPRINT_BYTES
from ecg_tl.store.manifest import Manifest, read_manifest
from ecg_tl.store.parts import RowParts, Signals
from ecg_tl.store.table import read_table
from ecg_tl.store.traces import TRACE_BYTES, recording_trace
from ecg_tl.store.verification import verify_once


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared dataset.

    Attributes:
        path: Its folder.
        manifest: What is in it and how it came there.
        table: What was read of the record table when the store was opened: all of it before format 6, since
            then nothing.
    """

    path: Path
    manifest: Manifest
    table: pd.DataFrame | None = None
    _columns: dict[str, pd.Series[Any]] = field(default_factory=dict, repr=False)

    @cached_property
    def records(self) -> pd.DataFrame:
        """The whole record table; read when it is first asked for.

        One row a record, in the order of the signals: the dataset's own columns, then `signal_hash` (equal
        for signals that are the same sample for sample), `first_row` (the first row that holds the same
        recording, its own in most), `nan_samples` (interpolated, over all leads) and `padded_samples` (zeros
        at the end of each lead).

        Raises:
            StoreError: If it cannot be read.
        """
        return self._read(None) if self.table is None else self.table

    def column(self, name: str) -> pd.Series[Any]:
        """Return one column of the record table, and read no other.

        Raises:
            KeyError: If the table has no such column (`manifest.columns` lists them).
            StoreError: If it cannot be read.
        """
        if self.table is not None or "records" in self.__dict__:
            return self.records[name]
        if name not in self._columns:
            self._columns[name] = self._read([name])[name]
        return self._columns[name]

    def columns(self, names: Iterable[str]) -> pd.DataFrame:
        """Return those of the named columns that the record table has.

        Raises:
            StoreError: If one cannot be read.
        """
        return pd.DataFrame({name: self.column(name) for name in names if name in self.manifest.columns})

    def _read(self, names: list[str] | None) -> pd.DataFrame:
        return Columns(self.path / COLUMNS_FILE, self.manifest.columns, len(self)).read(names)

    def __len__(self) -> int:
        return self.manifest.counts.stored

    def signals(self) -> Signals:
        """Map the signals, read-only: `int16 (records, leads, samples)` in steps of 1 µV.

        Those of a store that was joined from shards are several maps, read as one.
        """
        maps: list[NDArray[np.int16]] = [
            np.memmap(self.path / name, SIGNAL_DTYPE, mode="r", shape=(records, *self.manifest.shape[1:]))
            for name, records in self.manifest.signal_files.items()
            if records
        ]
        return maps[0] if len(maps) == 1 else RowParts(maps)

    def fingerprints(self) -> np.memmap[tuple[int, int], np.dtype[np.int8]]:
        """Map what identifies the recordings, read-only: `int8 (records, FINGERPRINT_BYTES)`."""
        shape = (len(self), FINGERPRINT_BYTES)
        return np.memmap(self.path / FINGERPRINTS_FILE, dtype=np.int8, mode="r", shape=shape)

    def traces(self) -> NDArray[np.uint8]:
        """Give what recordings look like, `uint8 (records, TRACE_BYTES)`: mapped, read-only.

        A store of an earlier format has none: they are made of the stored signals, as far as these have the
        leads, a millisecond a record.
        """
        if self.manifest.has_traces:
            shape = (len(self), TRACE_BYTES)
            return np.memmap(self.path / TRACES_FILE, dtype=np.uint8, mode="r", shape=shape)
        return self._made_traces

    @cached_property
    def _made_traces(self) -> NDArray[np.uint8]:
        settings, signals = self.manifest.settings, self.signals()
        traces = np.zeros((len(self), TRACE_BYTES), dtype=np.uint8)
        for row in range(len(self)):
            values = signals[row].astype(np.float32) / np.float32(STEPS_PER_MILLIVOLT)
            traces[row] = recording_trace(Recording(values, settings.leads, settings.sampling_rate))
        return traces


def open_store(path: str | Path, *, verify: bool = True, shard: bool = False) -> Store:
    """Open the store in the folder `path`; nothing but the store itself has to be there.

    Args:
        path: Of the folder.
        verify: Whether files that were changed, or were never looked at, are compared with their digests
            (`store.verification`); a store that this process has just written need not be.
        shard: Whether a shard may be opened, which holds some of the records.

    Raises:
        StoreError: If a file is missing, is damaged, is of another format or has another size than stated.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest.shard is not None and not shard:
        raise StoreError(
            folder,
            f"shard {manifest.shard.number} of {manifest.shard.of}, some of the records",
            "a whole store",
            f"Make it of all {manifest.shard.of} shards: `ecg-tl data join FOLDER`.",
        )
    store = Store(folder, manifest, None if manifest.has_columns else _read_csv(folder, manifest))
    if verify:
        verify_once(folder, manifest)
    return store


def _read_csv(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """Read the record table of a store before format 6."""
    records = read_table(folder / RECORDS_FILE, manifest.columns, manifest.counts.stored)
    if manifest.format_version == 3 and "patient_id" in records:
        patients = [identifier(patient) for patient in records["patient_id"]]
        records["patient_id"] = pd.Series(patients, index=records.index, dtype=object)
    return records
