"""Writing a store under a temporary name, and giving it its own name when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.errors import StoreError
from ecg_tl.files import json_text
from ecg_tl.store.columns import write_columns
from ecg_tl.store.digests import BlockHasher, FileDigest, digest_file
from ecg_tl.store.fingerprint import (
    COLUMNS_FILE,
    FINGERPRINTS_FILE,
    MANIFEST_FILE,
    SIGNALS_FILE,
    TRACES_FILE,
)
from ecg_tl.store.manifest import Manifest
from ecg_tl.store.traces import TRACE_BYTES

TABLE_BYTES_PER_RECORD = 512 + TRACE_BYTES
"""About what a record's line in the table, its fingerprint, its trace and its share of the manifest take."""


_IDENTITY = (FINGERPRINTS_FILE, TRACES_FILE)
_BY_RECORD = (SIGNALS_FILE, *_IDENTITY)
"""Files to which each record is appended as it comes."""


class StoreWriter:
    """Collects a store in the folder `.<name>.partial-<random>` beside the target; a context manager.

    Ordinary writes, not a memory map: on a full disk a write raises an error, a mapped page kills the
    process. Left without `finish`, nothing remains.

    Args:
        target: The store's folder, which is not there yet.
        bytes_needed: Size of the signals to come.
        records: How many they are.
        signals: False if they are taken from elsewhere (`take_signals`).

    Raises:
        StoreError: On entering, if the disk has not that much space or the folder cannot be made; from every
            method, if the disk does not take what is written.
    """

    def __init__(self, target: Path, bytes_needed: int, records: int, *, signals: bool = True) -> None:
        self.target = target
        self.bytes_needed = bytes_needed + records * TABLE_BYTES_PER_RECORD
        self._partial: Path | None = None
        self._files: dict[str, BinaryIO] = {}
        self._hashers = {name: BlockHasher() for name in (_BY_RECORD if signals else _IDENTITY)}
        self._taken: dict[str, FileDigest] = {}

    def __enter__(self) -> StoreWriter:
        with disk_errors(self.target, self.bytes_needed):
            free = shutil.disk_usage(self.target.parent).free
            if free < self.bytes_needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._partial = Path(
                tempfile.mkdtemp(prefix=_partial_prefix(self.target), dir=self.target.parent)
            )
            # `mkdtemp` lets only its user in; a store is as open as whatever else this user makes.
            self._partial.chmod(0o777 & ~_umask())
            for name in self._hashers:
                self._files[name] = (self._partial / name).open("wb")
        return self

    def append(
        self, steps: NDArray[np.int16], fingerprint: NDArray[np.int8], trace: NDArray[np.uint8]
    ) -> None:
        """Append one record, or several.

        Args:
            steps: `int16 (leads, samples)`.
            fingerprint: `int8 (FINGERPRINT_BYTES,)`.
            trace: `uint8 (TRACE_BYTES,)`.
        """
        self._append(SIGNALS_FILE, steps)
        self.append_identity(fingerprint, trace)

    def append_identity(self, fingerprint: NDArray[np.int8], trace: NDArray[np.uint8]) -> None:
        """Append the fingerprint and trace of records whose signals are taken from elsewhere."""
        self._append(FINGERPRINTS_FILE, fingerprint)
        self._append(TRACES_FILE, trace)

    def take_signals(self, source: Path, name: str, digest: FileDigest) -> None:
        """Give a file of signals another name in this store: the same bytes on the disk, or a copy.

        Args:
            source: Of another store, verified.
            name: In this one.
            digest: Of its content.
        """
        assert self._partial is not None, "entered"
        with disk_errors(self.target, self.bytes_needed):
            try:
                os.link(source, self._partial / name)
            except OSError:  # another disk, or one that has no links
                shutil.copyfile(source, self._partial / name)
            _sync(self._partial / name)
        self._taken[name] = digest

    def _append(self, name: str, rows: NDArray[np.generic]) -> None:
        with disk_errors(self.target, self.bytes_needed):
            content = rows.tobytes()
            self._files[name].write(content)
            self._hashers[name].update(content)

    def traces(self) -> NDArray[np.uint8]:
        """Map the traces of all records so far, `uint8 (records, TRACE_BYTES)`: they are in no memory."""
        assert self._partial is not None, "entered"
        with disk_errors(self.target, self.bytes_needed):
            self._files[TRACES_FILE].flush()
            return np.memmap(self._partial / TRACES_FILE, dtype=np.uint8, mode="r").reshape(-1, TRACE_BYTES)

    def finish(self, records: pd.DataFrame, manifest: Manifest) -> None:
        """Write the table and the manifest; name the folder.

        All of it is on the disk before the folder gets its name.
        """
        assert self._partial is not None, "entered"
        with disk_errors(self.target, self.bytes_needed):
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
                file.close()
            write_columns(records, manifest.columns, self._partial / COLUMNS_FILE)
            _sync(self._partial / COLUMNS_FILE)
            digests = {
                # Of what was to be written, not of what the disk holds.
                **{name: hasher.digest() for name, hasher in self._hashers.items()},
                **self._taken,
                COLUMNS_FILE: digest_file(self._partial / COLUMNS_FILE),
            }
            # Escapes to ASCII: a file's name need not be text in any encoding.
            text = json_text(replace(manifest, digests=digests).to_json(), indent=1)
            (self._partial / MANIFEST_FILE).write_text(
                text + "\n", encoding="utf-8", errors="surrogateescape"
            )
            _sync(self._partial / MANIFEST_FILE)
            _sync(self._partial)
            try:
                self._partial.rename(self.target)
            except OSError:
                # Without a lock (see `ecg_tl.lock`) another process was perhaps faster; its store is as good.
                if not (self.target / MANIFEST_FILE).exists():
                    raise
                return
            self._partial = None
            _sync(self.target.parent)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError:
                # Closing flushes: on a full disk it fails again, after the error that brought us here.
                if error is None:
                    raise
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)


def remove_partials(target: Path) -> int:
    """Remove what processes that were killed left of `target`; return how many folders that were.

    Call it only while holding the store's lock: otherwise they may be alive.
    """
    partials = list(target.parent.glob(f"{_partial_prefix(target)}*"))
    for partial in partials:
        shutil.rmtree(partial, ignore_errors=True)
    return len(partials)


@contextmanager
def disk_errors(target: Path, bytes_needed: int | None) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` that names the path, the space needed and the space there is.

    Args:
        target: The store's folder.
        bytes_needed: By the whole store; None while that is unknown.
    """
    try:
        yield
    except OSError as error:
        needed = "files" if bytes_needed is None else f"{bytes_needed:,} bytes"
        try:
            free = f"{shutil.disk_usage(_existing(target)).free:,} bytes free"
        except OSError:
            free = "free space unknown"
        raise StoreError(
            error.filename or target,
            f"{(error.strerror or str(error)).lower()} ({free})",
            f"a folder to which {needed} can be written",
            f"Free space or choose another folder for stores than {target.parent}.",
        ) from error


def _partial_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _existing(path: Path) -> Path:
    return path if path.exists() or path.parent == path else _existing(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders, and needs no such step
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
