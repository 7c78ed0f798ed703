"""What preparing the records comes to: gathered as they come, and put into the table and the manifest."""

from __future__ import annotations

import platform
from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.datasets.base import EcgDataset, LabelRule, LeftOut
from ecg_tl.errors import StoreError
from ecg_tl.signals import LARGEST_PEAK, SMALLEST_PEAK
from ecg_tl.store.candidates import TraceRows
from ecg_tl.store.conform import StoredSignal
from ecg_tl.store.copies import first_of_recording
from ecg_tl.store.encoding import HASH_BYTES
from ecg_tl.store.fingerprint import Fingerprint
from ecg_tl.store.manifest import Counts, DatasetCard, Manifest, Shard
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.table import column_kinds

_PACKAGES = ("ecg-tl", "numpy", "scipy", "pandas", "h5py")


@dataclass
class Tally:
    """What the records came to, gathered in their order: 40 bytes a record."""

    kept: array[int] = field(default_factory=lambda: array("q"))
    hashes: bytearray = field(default_factory=bytearray)
    nan_samples: array[int] = field(default_factory=lambda: array("q"))
    padded_samples: array[int] = field(default_factory=lambda: array("q"))
    clipped: int = 0
    clipped_samples: int = 0
    cropped: int = 0
    implausible: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    too_short: list[str] = field(default_factory=list)

    def add(self, row: int, signal: StoredSignal) -> None:
        """Take note of a record that is stored."""
        self.kept.append(row)
        self.hashes += bytes.fromhex(signal.signal_hash)
        self.nan_samples.append(signal.nan_samples)
        self.padded_samples.append(signal.padded_samples)
        self.clipped += signal.clipped_samples > 0
        self.clipped_samples += signal.clipped_samples
        self.cropped += signal.cropped
        self.implausible += signal.is_implausible


def stored_records(scanned: pd.DataFrame, tally: Tally) -> pd.DataFrame:
    """Return the table of those records that are stored, without `first_row`."""
    records = scanned.iloc[np.asarray(tally.kept)].reset_index(drop=True)
    hashes = bytes(tally.hashes).hex()
    return records.assign(
        signal_hash=[hashes[at : at + 2 * HASH_BYTES] for at in range(0, len(hashes), 2 * HASH_BYTES)],
        first_row=np.arange(len(records)),
        nan_samples=np.asarray(tally.nan_samples),
        padded_samples=np.asarray(tally.padded_samples),
    )


def with_first_rows(records: pd.DataFrame, traces: TraceRows) -> pd.DataFrame:
    """Return the table with `first_row`: the first row that holds the same recording."""
    hashes = np.frombuffer(bytes.fromhex("".join(records["signal_hash"])), dtype=np.uint8)
    return records.assign(first_row=first_of_recording(traces, hashes.reshape(-1, HASH_BYTES)))


def made_with() -> dict[str, str]:
    """Return the versions of the packages that decide what is stored."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def first_manifest(
    dataset: EcgDataset,
    root: Path,
    settings: StoreSettings,
    source: Fingerprint,
    scanned: int,
    notes: tuple[str, ...],
    rules: dict[str, LabelRule],
    tally: Tally,
    shard: Shard | None,
) -> Manifest:
    """Return what is known before the table is looked at as a whole; `completed` adds the rest."""
    return Manifest(
        dataset=DatasetCard(
            dataset.name,
            dataset.title,
            dataset.licence,
            dataset.citation,
            dataset.source,
            dict(dataset.options),
        ),
        settings=settings,
        source_root=str(root.absolute()),
        source=source,
        created=now(),
        versions=made_with(),
        counts=Counts(
            scanned=scanned,
            stored=len(tally.kept),
            left_out=len(tally.left_out),
            too_short=len(tally.too_short),
            cropped=tally.cropped,
            padded=sum(count > 0 for count in tally.padded_samples),
            mended=sum(count > 0 for count in tally.nan_samples),
            nan_samples=sum(tally.nan_samples),
            clipped=tally.clipped,
            clipped_samples=tally.clipped_samples,
        ),
        columns={},
        rules=rules,
        left_out=tuple(tally.left_out),
        too_short=tuple(tally.too_short),
        notes=notes,
        shard=shard,
    )


def now() -> str:
    """Return the time as a manifest has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def completed(manifest: Manifest, records: pd.DataFrame, implausible: int) -> Manifest:
    """Add what the whole table says: its columns, unknown codes, and records that are the same.

    Args:
        manifest: All else.
        records: The whole table.
        implausible: How many records have amplitudes that no ECG has.
    """
    return replace(
        manifest,
        columns=column_kinds(records),
        unknown_codes=dict(manifest.rule().unknown_codes(records["codes"]).most_common()),
        identical=_groups(records["record_id"], records["signal_hash"]),
        duplicates=_groups(records["record_id"], records["first_row"]),
        notes=(*manifest.notes, *_amplitude_notes(implausible)),
    )


def _amplitude_notes(implausible: int) -> Iterator[str]:
    if implausible:
        yield (
            f"{implausible} record(s) have amplitudes that no ECG has (median over leads under "
            f"{SMALLEST_PEAK:g} or over {LARGEST_PEAK:g} mV): check their gains and units. "
            "`ecg-tl data check` names them."
        )


def _groups(record_ids: pd.Series[Any], keys: pd.Series[Any]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of records with the same key, a tuple for each key that occurs more than once."""
    several = keys.duplicated(keep=False).to_numpy()
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for record_id, key in zip(record_ids[several], keys[several], strict=True):
        groups[key].append(record_id)
    return tuple(map(tuple, groups.values()))


def nothing_kept(
    where: object, left_out: Sequence[LeftOut], too_short: int, settings: StoreSettings
) -> StoreError:
    """Return the error of a dataset of which no record can be stored."""
    parts = []
    if left_out:
        first = left_out[0]
        parts.append(f"{len(left_out)} that cannot be used (the first: {first.record_id}, {first.reason})")
    if too_short:
        samples = settings.shortest or settings.num_samples
        wanted = f"{samples} samples at {settings.sampling_rate:g} Hz"
        parts.append(f"{too_short} shorter than {wanted}")
    return StoreError(
        where,
        f"records of which none can be stored: {' and '.join(parts)}",
        "at least one that can",
        "Check the dataset's folder, the leads and the length that are asked for.",
    )
