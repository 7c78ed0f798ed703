"""Opening a prepared store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datasets.identifiers import identifier
from ecg_tl.signals import Recording
from ecg_tl.store.encoding import SIGNAL_DTYPE, STEPS_PER_MILLIVOLT
from ecg_tl.store.fingerprint import FINGERPRINTS_FILE, RECORDS_FILE, SIGNALS_FILE, TRACES_FILE
from ecg_tl.store.identity import FINGERPRINT_BYTES
from ecg_tl.store.manifest import Manifest, read_manifest
from ecg_tl.store.table import read_table
from ecg_tl.store.traces import TRACE_BYTES, recording_trace
from ecg_tl.store.verification import verify_once


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared dataset.

    Attributes:
        path: Its folder.
        manifest: What is in it and how it came there.
        records: One row a record, in the order of the signals: the dataset's own columns, then `signal_hash`
            (equal for signals that are the same sample for sample), `first_row` (the first row that holds the
            same recording, its own in most), `nan_samples` (interpolated, over all leads) and
            `padded_samples` (zeros at the end of each lead).
    """

    path: Path
    manifest: Manifest
    records: pd.DataFrame

    def __len__(self) -> int:
        return self.manifest.counts.stored

    def signals(self) -> np.memmap[tuple[int, int, int], np.dtype[np.int16]]:
        """Map the signals, read-only: `int16 (records, leads, samples)` in steps of 1 µV."""
        return np.memmap(self.path / SIGNALS_FILE, dtype=SIGNAL_DTYPE, mode="r", shape=self.manifest.shape)

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


def open_store(path: str | Path, *, verify: bool = True) -> Store:
    """Open the store in the folder `path`; nothing but the store itself has to be there.

    Args:
        path: Of the folder.
        verify: Whether files that were changed, or were never looked at, are compared with their digests
            (`store.verification`); a store that this process has just written need not be.

    Raises:
        StoreError: If a file is missing, is damaged, is of another format or has another size than stated.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    records = read_table(folder / RECORDS_FILE, manifest.columns, manifest.counts.stored)
    if manifest.format_version == 3 and "patient_id" in records:
        patients = [identifier(patient) for patient in records["patient_id"]]
        records["patient_id"] = pd.Series(patients, index=records.index, dtype=object)
    store = Store(folder, manifest, records)
    if verify:
        verify_once(folder, manifest)
    return store
