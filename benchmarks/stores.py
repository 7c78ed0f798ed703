"""Stores of any size without any records: noise, with PTB-XL's table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ecg_tl.datasets import get_dataset
from ecg_tl.signals import LEADS
from ecg_tl.store.fingerprint import Fingerprint
from ecg_tl.store.identity import FINGERPRINT_BYTES
from ecg_tl.store.manifest import Counts, DatasetCard, Manifest
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.table import column_kinds
from ecg_tl.store.traces import TRACE_BYTES
from ecg_tl.store.writer import StoreWriter

_AT_ONCE = 1000
_CODES = (("NORM",), ("IMI",), ("NDT",), ("LVH",), ("CLBBB",), ("NORM", "IMI"))


def write_noise_store(folder: Path, records: int, num_samples: int = 1000, seed: int = 0) -> Store:
    """Write a store of white noise of 0.2 mV, as `prepare` would write one of PTB-XL; return it opened.

    Args:
        folder: The store's, which is not there yet.
        records: How many.
        num_samples: Of each of the twelve leads, at 100 Hz.
        seed: Of the noise, which repeats after a thousand records.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 200, (min(records, _AT_ONCE), len(LEADS), num_samples)).astype(np.int16)
    dataset = get_dataset("ptbxl")
    settings = StoreSettings(sampling_rate=100, num_samples=num_samples).resolved(dataset.crop)
    rows = np.arange(records)
    table = pd.DataFrame(
        {
            "record_id": rows.astype(str),
            "patient_id": rows.astype(str),
            "path": [f"records500/{row:06}" for row in rows],
            "sampling_rate": 500.0,
            "length": 5 * num_samples,
            "fold": rows % 10 + 1,
            "age": 60.0,
            "sex": "F",
            "codes": [_CODES[row % len(_CODES)] for row in rows],
            "signal_hash": [f"{row:032x}" for row in rows],
            "first_row": rows,
            "nan_samples": 0,
            "padded_samples": 0,
        }
    )
    manifest = Manifest(
        dataset=DatasetCard("ptbxl", "noise", "none", "none", "none", dict(dataset.options)),
        settings=settings,
        source_root="none",
        source=Fingerprint("0" * 64, records, 0),
        created="2000-01-01T00:00:00+00:00",
        versions={},
        counts=Counts(scanned=records, stored=records),
        columns=column_kinds(table),
        rules={task: dataset.label_rule(task, Path("none")) for task in dataset.tasks},
    )
    with StoreWriter(folder, noise[0].nbytes * records, records) as writer:
        for start in range(0, records, _AT_ONCE):
            count = min(_AT_ONCE, records - start)
            fingerprints = rng.integers(-100, 100, (count, FINGERPRINT_BYTES), dtype=np.int8)
            traces = np.zeros((count, TRACE_BYTES), dtype=np.uint8)  # noise has none
            writer.append(noise[:count], fingerprints, traces)
        writer.finish(table, manifest)
    return open_store(folder)
