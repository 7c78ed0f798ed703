"""`prepare`: every record of a dataset, read in parallel and written as one store."""

from __future__ import annotations

import os
import platform
import shutil
import time
from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl import printing
from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset, LabelRule, LeftOut, Scan
from ecg_tl.errors import DatasetError, RecordError, SettingError, StoreError
from ecg_tl.lock import exclusive_lock
from ecg_tl.signals import LARGEST_PEAK, SMALLEST_PEAK
from ecg_tl.store.conform import StoredSignal, TooShort, conform, read_recording
from ecg_tl.store.copies import first_of_recording
from ecg_tl.store.encoding import HASH_BYTES, SIGNAL_DTYPE
from ecg_tl.store.fingerprint import Fingerprint, source_fingerprint, store_name
from ecg_tl.store.header_names import HeaderNames, names_file
from ecg_tl.store.manifest import Counts, DatasetCard, Manifest, read_manifest
from ecg_tl.store.parallel import count_workers, map_ordered, refuse_unguarded_script
from ecg_tl.store.progress import record_progress
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.table import column_kinds
from ecg_tl.store.verification import trust_written
from ecg_tl.store.writer import StoreWriter, disk_errors, remove_partials

BadRecords = Literal["skip", "error"]

_PACKAGES = ("ecg-tl", "numpy", "scipy", "pandas", "h5py")


def prepare(
    dataset: EcgDataset,
    root: str | Path,
    store_dir: str | Path,
    settings: StoreSettings,
    *,
    bad_records: BadRecords = "skip",
    workers: int | None = None,
    progress: bool = True,
) -> Store:
    """Return the store of a dataset's files, making it first if it is not there.

    A store appears under its name only when it is complete. Killed at any moment, this leaves at most a
    hidden temporary folder, which the next call removes. Of several processes that ask for the same store
    one makes it and the others wait.

    Args:
        dataset: What reads the files; picklable.
        root: The dataset's folder.
        store_dir: Where stores are kept; made if it is not there.
        settings: What the store should hold.
        bad_records: What to do about a record that cannot be used: `"skip"` lists it in the manifest,
            `"error"` stops.
        workers: Processes that read; None is one a core. Few records are read without any.
        progress: Whether to show progress and one final line on standard error.

    Raises:
        DatasetError: If the dataset's folder cannot be used, or changes while it is read.
        RecordError: With `bad_records="error"`, the first record that cannot be used.
        SettingError: If the settings cannot be carried out.
        StoreError: If the store cannot be written, is damaged, or no record could be used.
    """
    if bad_records not in get_args(BadRecords):
        raise SettingError("bad_records", repr(bad_records), "'skip' or 'error'", "Choose one of these.")
    root, store_dir = Path(root), Path(store_dir)
    settings = settings.resolved(dataset.crop)
    count_workers(workers, 0)  # refuses a senseless number before anything is made
    headers = HeaderNames(root, names_file(store_dir, dataset.name, root))
    source = source_fingerprint(dataset, root, headers)
    headers.keep()
    target = store_dir / store_name(dataset, settings, source)
    if target.exists():
        return _open_existing(target, bad_records)
    refuse_unguarded_script("prepare")
    with ExitStack() as stack:
        with disk_errors(target, bytes_needed=None):
            store_dir.mkdir(parents=True, exist_ok=True)
            waiting = f"Another process is preparing {target}; waiting for it."
            locked = stack.enter_context(exclusive_lock(store_dir / f".{target.name}.lock", waiting))
        if target.exists():
            return _open_existing(target, bad_records)
        if locked:
            remove_partials(target)
        started = time.monotonic()
        _build(dataset, root, target, settings, source, bad_records, workers, progress)
        seconds = time.monotonic() - started
    store = open_store(target, verify=False)
    trust_written(target, store.manifest)
    if progress:
        printing.say(_final_line(store, seconds), error=True)
    return store


def prepare_again(path: Path, *, workers: int | None = None, progress: bool = True) -> Store:
    """Make a damaged store anew from its source, with the options and settings that its manifest names.

    The damaged store is removed when the new one is complete; until then, and if that fails, it is kept. If
    the source's files have changed meanwhile, the new store has another name.

    Raises:
        EcgTlError: If the manifest cannot be read, or the source cannot be prepared.
    """
    manifest = read_manifest(path)
    dataset = get_dataset(manifest.dataset.name, **manifest.dataset.options)
    aside = path.with_name(f".{path.name}.damaged-{os.getpid()}")
    with disk_errors(path, bytes_needed=None):
        path.rename(aside)
    try:
        store = prepare(
            dataset, manifest.source_root, path.parent, manifest.settings, workers=workers, progress=progress
        )
    except BaseException:
        if not path.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return store


@dataclass
class _Tally:
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
        self.kept.append(row)
        self.hashes += bytes.fromhex(signal.signal_hash)
        self.nan_samples.append(signal.nan_samples)
        self.padded_samples.append(signal.padded_samples)
        self.clipped += signal.clipped_samples > 0
        self.clipped_samples += signal.clipped_samples
        self.cropped += signal.cropped
        self.implausible += signal.is_implausible


def _build(
    dataset: EcgDataset,
    root: Path,
    target: Path,
    settings: StoreSettings,
    source: Fingerprint,
    bad_records: BadRecords,
    workers: int | None,
    progress: bool,
) -> None:
    scan = dataset.scan(root)
    rules = {task: dataset.label_rule(task, root) for task in dataset.tasks}
    if bad_records == "error":
        _refuse(scan.left_out)
    total = len(scan.records)
    bytes_needed = total * len(settings.leads) * settings.num_samples * SIGNAL_DTYPE.itemsize
    tally = _Tally(left_out=list(scan.left_out))
    read = partial(_read_and_conform, dataset, root, settings)
    outcomes = map_ordered(read, list(scan.records["path"]), count_workers(workers, total))
    with (
        StoreWriter(target, bytes_needed, total) as writer,
        closing(outcomes),
        record_progress(f"Preparing {dataset.name}", total, progress) as advance,
    ):
        for row, (record_id, outcome) in enumerate(zip(scan.records["record_id"], outcomes, strict=True)):
            if isinstance(outcome, StoredSignal):
                writer.append(outcome.steps, outcome.fingerprint, outcome.trace)
                tally.add(row, outcome)
            elif isinstance(outcome, TooShort):
                tally.too_short.append(record_id)
            elif bad_records == "error":
                raise outcome
            else:
                tally.left_out.append(LeftOut.because(record_id, outcome))
            advance()
        if not tally.kept:
            raise _nothing_kept(root, tally, settings)
        headers = HeaderNames(root, names_file(target.parent, dataset.name, root), fresh=True)
        if source_fingerprint(dataset, root, headers) != source:
            raise DatasetError(
                root,
                "files that changed while they were read",
                "files at rest",
                "Prepare again when they are complete.",
            )
        headers.keep()
        hashes = np.frombuffer(tally.hashes, dtype=np.uint8).reshape(-1, HASH_BYTES)
        first_row = first_of_recording(writer.traces(), hashes)
        records = _stored_records(scan.records, tally, first_row)
        manifest = _manifest(dataset, root, settings, source, scan, rules, tally, records)
        writer.finish(records, manifest)


def _read_and_conform(
    dataset: EcgDataset, root: Path, settings: StoreSettings, path: str
) -> StoredSignal | TooShort | RecordError:
    """Do one record's work; runs in the worker processes. What is wrong with a record is a result here."""
    try:
        return conform(read_recording(dataset, root, path), settings, root / path)
    except RecordError as error:
        return error


def _stored_records(scanned: pd.DataFrame, tally: _Tally, first_row: NDArray[np.int64]) -> pd.DataFrame:
    records = scanned.iloc[np.asarray(tally.kept)].reset_index(drop=True)
    hashes = bytes(tally.hashes).hex()
    return records.assign(
        signal_hash=[hashes[at : at + 2 * HASH_BYTES] for at in range(0, len(hashes), 2 * HASH_BYTES)],
        first_row=first_row,
        nan_samples=np.asarray(tally.nan_samples),
        padded_samples=np.asarray(tally.padded_samples),
    )


def _manifest(
    dataset: EcgDataset,
    root: Path,
    settings: StoreSettings,
    source: Fingerprint,
    scan: Scan,
    rules: dict[str, LabelRule],
    tally: _Tally,
    records: pd.DataFrame,
) -> Manifest:
    default_rule = next(iter(rules.values()))
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
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        counts=Counts(
            scanned=len(scan.records) + len(scan.left_out),
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
        columns=column_kinds(records),
        rules=rules,
        left_out=tuple(tally.left_out),
        too_short=tuple(tally.too_short),
        unknown_codes=dict(default_rule.unknown_codes(records["codes"]).most_common()),
        identical=groups_of_records(records["record_id"], records["signal_hash"]),
        duplicates=groups_of_records(records["record_id"], records["first_row"]),
        notes=(*scan.notes, *_amplitude_notes(tally)),
    )


def _amplitude_notes(tally: _Tally) -> Iterator[str]:
    if tally.implausible:
        yield (
            f"{tally.implausible} record(s) have amplitudes that no ECG has (median over leads under "
            f"{SMALLEST_PEAK:g} or over {LARGEST_PEAK:g} mV): check their gains and units. "
            "`ecg-tl data check` names them."
        )


def groups_of_records(record_ids: pd.Series[Any], keys: pd.Series[Any]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of records with the same key, a tuple for each key that occurs more than once."""
    several = keys.duplicated(keep=False).to_numpy()
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for record_id, key in zip(record_ids[several], keys[several], strict=True):
        groups[key].append(record_id)
    return tuple(map(tuple, groups.values()))


def _open_existing(target: Path, bad_records: BadRecords) -> Store:
    store = open_store(target)
    if bad_records == "error":
        _refuse(store.manifest.left_out)
    return store


def _refuse(left_out: Sequence[LeftOut]) -> None:
    if left_out:
        first = left_out[0]
        raise RecordError(
            f"record {first.record_id}",
            first.reason,
            "a record that can be used",
            f"{len(left_out)} record(s) cannot: fetch them again, or leave them out (`bad_records='skip'`).",
        )


def _nothing_kept(root: Path, tally: _Tally, settings: StoreSettings) -> StoreError:
    parts = []
    if tally.left_out:
        first = tally.left_out[0]
        parts.append(
            f"{len(tally.left_out)} that cannot be used (the first: {first.record_id}, {first.reason})"
        )
    if tally.too_short:
        samples = settings.shortest or settings.num_samples
        wanted = f"{samples} samples at {settings.sampling_rate:g} Hz"
        parts.append(f"{len(tally.too_short)} shorter than {wanted}")
    return StoreError(
        root,
        f"records of which none can be stored: {' and '.join(parts)}",
        "at least one that can",
        "Check the dataset's folder, the leads and the length that are asked for.",
    )


def _final_line(store: Store, seconds: float) -> str:
    manifest, counts = store.manifest, store.manifest.counts
    left_out = counts.left_out + counts.too_short
    return (
        f"Prepared {manifest.dataset.name}: {counts.stored:,} records stored, {left_out:,} left out, "
        f"{manifest.signals_bytes / 1e6:,.1f} MB, {counts.scanned / seconds:,.0f} records/s, in {store.path}"
    )
