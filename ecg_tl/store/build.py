"""`prepare`: every record of a dataset, read in parallel and written as one store."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from ecg_tl import printing
from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset, LeftOut
from ecg_tl.errors import DatasetError, RecordError, SettingError, StoreError
from ecg_tl.lock import exclusive_lock
from ecg_tl.store.conform import StoredSignal, TooShort, conform, read_recording
from ecg_tl.store.encoding import SIGNAL_DTYPE
from ecg_tl.store.fingerprint import Fingerprint, source_fingerprint, store_name
from ecg_tl.store.header_names import HeaderNames, names_file
from ecg_tl.store.manifest import read_manifest
from ecg_tl.store.parallel import count_workers, map_ordered, refuse_unguarded_script
from ecg_tl.store.progress import record_progress
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.shards import ShardNumber, find_shards, is_shard, join_shards
from ecg_tl.store.tally import (
    Tally,
    completed,
    first_manifest,
    nothing_kept,
    stored_records,
    with_first_rows,
)
from ecg_tl.store.verification import trust_written
from ecg_tl.store.writer import StoreWriter, disk_errors, remove_partials

BadRecords = Literal["skip", "error"]


def prepare(
    dataset: EcgDataset,
    root: str | Path,
    store_dir: str | Path,
    settings: StoreSettings,
    *,
    bad_records: BadRecords = "skip",
    workers: int | None = None,
    progress: bool = True,
    part: ShardNumber | None = None,
) -> Store:
    """Return the store of a dataset's files, making it first if it is not there.

    A store appears under its name only when it is complete. Killed at any moment, this leaves at most a
    hidden temporary folder, which the next call removes. Of several processes that ask for the same store
    one makes it and the others wait. Where all shards of it are there, they are joined and no record is read.

    Args:
        dataset: What reads the files; picklable.
        root: The dataset's folder.
        store_dir: Where stores are kept; made if it is not there.
        settings: What the store should hold.
        bad_records: What to do about a record that cannot be used: `"skip"` lists it in the manifest,
            `"error"` stops.
        workers: Processes that read; None is one a core. Few records are read without any.
        progress: Whether to show progress and one final line on standard error.
        part: Only this part of the records, as a shard beside the store, which the others complete. The whole
            store is returned if it is there.

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
    whole = store_dir / store_name(dataset, settings, source)
    target = whole if part is None else part.folder(whole)
    if part is not None and whole.exists():
        with suppress(StoreError):  # damaged, it is made again of its shards
            return _open_existing(whole, bad_records)
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
        shards = find_shards(target) if part is None else ()
        if shards:
            store = join_shards(shards, target)
            if bad_records == "error":
                _refuse(store.manifest.left_out)
            return store
        started = time.monotonic()
        _build(dataset, root, target, settings, source, bad_records, workers, progress, part)
        seconds = time.monotonic() - started
    store = open_store(target, verify=False, shard=part is not None)
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
    part = None if manifest.shard is None else ShardNumber(manifest.shard.number, manifest.shard.of)
    aside = path.with_name(f".{path.name}.damaged-{os.getpid()}")
    with disk_errors(path, bytes_needed=None):
        path.rename(aside)
    try:
        store = prepare(
            dataset,
            manifest.source_root,
            path.parent,
            manifest.settings,
            workers=workers,
            progress=progress,
            part=part,
        )
    except BaseException:
        if not path.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return store


def _build(
    dataset: EcgDataset,
    root: Path,
    target: Path,
    settings: StoreSettings,
    source: Fingerprint,
    bad_records: BadRecords,
    workers: int | None,
    progress: bool,
    part: ShardNumber | None,
) -> None:
    scan = dataset.scan(root)
    rules = {task: dataset.label_rule(task, root) for task in dataset.tasks}
    if bad_records == "error":
        _refuse(scan.left_out)
    scanned = scan.records if part is None else scan.records.iloc[part.rows(len(scan.records))]
    # What a table's rows alone tell to be of no use is named once, in the first shard.
    left_out = scan.left_out if part is None or part.number == 1 else ()
    total = len(scanned)
    bytes_needed = total * len(settings.leads) * settings.num_samples * SIGNAL_DTYPE.itemsize
    tally = Tally(left_out=list(left_out))
    read = partial(_read_and_conform, dataset, root, settings)
    outcomes = map_ordered(read, list(scanned["path"]), count_workers(workers, total))
    with (
        StoreWriter(target, bytes_needed, total) as writer,
        closing(outcomes),
        record_progress(f"Preparing {dataset.name}", total, progress) as advance,
    ):
        for row, (record_id, outcome) in enumerate(zip(scanned["record_id"], outcomes, strict=True)):
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
        if not tally.kept and part is None:
            raise nothing_kept(root, tally.left_out, len(tally.too_short), settings)
        headers = HeaderNames(root, names_file(target.parent, dataset.name, root), fresh=True)
        if source_fingerprint(dataset, root, headers) != source:
            raise DatasetError(
                root,
                "files that changed while they were read",
                "files at rest",
                "Prepare again when they are complete.",
            )
        headers.keep()
        records = stored_records(scanned, tally)
        count = total + len(left_out)
        shard = None if part is None else part.shard(len(scan.records), tally.implausible)
        manifest = first_manifest(dataset, root, settings, source, count, scan.notes, rules, tally, shard)
        if shard is None:  # recordings that are there twice are looked for when the shards are joined
            records = with_first_rows(records, writer.traces())
        writer.finish(records, completed(manifest, records, tally.implausible if shard is None else 0))


def _read_and_conform(
    dataset: EcgDataset, root: Path, settings: StoreSettings, path: str
) -> StoredSignal | TooShort | RecordError:
    """Do one record's work; runs in the worker processes. What is wrong with a record is a result here."""
    try:
        return conform(read_recording(dataset, root, path), settings, root / path)
    except RecordError as error:
        return error


def _open_existing(target: Path, bad_records: BadRecords) -> Store:
    store = open_store(target, shard=is_shard(target))
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


def _final_line(store: Store, seconds: float) -> str:
    manifest, counts = store.manifest, store.manifest.counts
    left_out = counts.left_out + counts.too_short
    return (
        f"Prepared {manifest.dataset.name}: {counts.stored:,} records stored, {left_out:,} left out, "
        f"{manifest.signals_bytes / 1e6:,.1f} MB, {counts.scanned / seconds:,.0f} records/s, in {store.path}"
    )
