"""Whether a store's files are what was written: once per change of a file when it is opened, or all of them.

What was compared with its digests is noted beside the files, with their size, time of modification and inode:
as long as these are the same, opening the store looks at nothing else. A page that the disk lost without a
trace is found by `verify_files`, which reads everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecg_tl.errors import StoreError
from ecg_tl.files import read_json, write_json
from ecg_tl.store.digests import FileDigest, damaged_blocks, digest_of_values
from ecg_tl.store.fingerprint import FINGERPRINTS_FILE, MANIFEST_FILE, TRACES_FILE
from ecg_tl.store.identity import FINGERPRINT_BYTES
from ecg_tl.store.manifest import REMEDY, UNREADABLE, Manifest, read_manifest
from ecg_tl.store.traces import TRACE_BYTES

NOTE_FILE = ".verified.json"

_noted: dict[Path, dict[str, list[object]]] = {}
"""What this process has verified: of a store in a folder that cannot be written, the only note."""


def verify_once(folder: Path, manifest: Manifest) -> None:
    """Compare those files of a store with their digests that were not compared since they last changed.

    A store of format 3 has no digests; nothing is compared.

    Raises:
        StoreError: If a file is not what was written.
    """
    if not manifest.digests:
        return
    folder = folder.absolute()
    noted = {**_read_note(folder / NOTE_FILE), **_noted.get(folder, {})}
    states = {name: _state(folder / name, digest) for name, digest in manifest.digests.items()}
    changed = [name for name in states if noted.get(name) != states[name]]
    if not changed:
        return
    faults = [fault for name in changed if (fault := find_damage(folder, manifest, name))]
    if faults:
        raise StoreError(folder / faults[0][0], faults[0][1], "what `prepare` wrote", REMEDY)
    note_verified(folder, states)


def trust_written(folder: Path, manifest: Manifest) -> None:
    """Take a store that this process has just written for verified, in this process alone."""
    folder = folder.absolute()
    _noted[folder] = {name: _state(folder / name, manifest.digests[name]) for name in manifest.digests}


def verify_files(folder: Path, manifest: Manifest) -> list[tuple[str, str]]:
    """Compare all files of a store with their digests, and note what is as it was.

    Returns:
        The damaged files, and what is damaged in them.

    Raises:
        StoreError: If a file cannot be read.
    """
    folder = folder.absolute()
    states = {name: _state(folder / name, manifest.digests[name]) for name in manifest.digests}
    faults = [fault for name in manifest.digests if (fault := find_damage(folder, manifest, name))]
    damaged = {name for name, _ in faults}
    note_verified(folder, {name: state for name, state in states.items() if name not in damaged})
    return faults


def find_damage(folder: Path, manifest: Manifest, name: str) -> tuple[str, str] | None:
    """Return a file's name and what is damaged in it; None if it is what was written.

    Raises:
        StoreError: If it cannot be read.
    """
    expected = manifest.digests[name]
    try:
        damaged = damaged_blocks(folder / name, expected)
    except OSError as error:
        raise StoreError(
            folder / name, error.strerror or str(error), "a file that can be read", UNREADABLE
        ) from error
    if not damaged:
        return None
    said = f"{len(damaged)} of {len(expected.blocks)} block(s) that differ from what was written"
    signals = manifest.signal_files
    bytes_a_row = (
        manifest.bytes_a_record
        if name in signals
        else {FINGERPRINTS_FILE: FINGERPRINT_BYTES, TRACES_FILE: TRACE_BYTES}.get(name)
    )
    if bytes_a_row:
        rows = signals.get(name, manifest.counts.stored)
        first = damaged[0] * expected.block_bytes // bytes_a_row
        last = min((damaged[0] + 1) * expected.block_bytes // bytes_a_row, rows - 1)
        said += f" (the first holds rows {first:,} to {last:,})"
    return name, said


def note_verified(folder: Path, states: Mapping[str, list[object]]) -> None:
    """Note which files were compared with their digests, and in which state they were."""
    _noted[folder] = dict(states)
    with suppress(StoreError):  # a store may lie where nothing can be written
        write_json(folder / NOTE_FILE, states)


def _state(path: Path, digest: FileDigest) -> list[object]:
    try:
        status = path.stat()
    except OSError as error:
        raise StoreError(
            path,
            error.strerror or str(error),
            "a file of the store",
            REMEDY if isinstance(error, FileNotFoundError) else UNREADABLE,
        ) from error
    return [status.st_size, status.st_mtime_ns, status.st_ino, digest_of_values(digest.to_json())]


def _read_note(path: Path) -> dict[str, list[object]]:
    try:
        noted = read_json(path)
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def find_stores(folder: Path) -> list[Path]:
    """Return the stores that a folder holds, or the folder itself if it is one.

    Raises:
        StoreError: If there is none.
    """
    if (folder / MANIFEST_FILE).exists():
        return [folder]
    below = sorted(folder.iterdir()) if folder.is_dir() else []
    stores = [path for path in below if (path / MANIFEST_FILE).exists() and not path.name.startswith(".")]
    if not stores:
        found = f"no {MANIFEST_FILE}" if folder.is_dir() else "no folder"
        raise StoreError(folder, found, "a prepared store, or a folder of some", "Prepare the dataset first.")
    return stores


@dataclass(frozen=True)
class StoreCheck:
    """What was found of one store.

    Attributes:
        path: Its folder.
        faults: What is damaged, a line each; none if nothing is.
        can_be_verified: Whether it has digests at all.
        size: Of what was read, in bytes.
    """

    path: Path
    faults: tuple[str, ...]
    can_be_verified: bool
    size: int


def check_store(path: Path) -> StoreCheck:
    """Read every byte of a store and compare it with the digests."""
    try:
        manifest = read_manifest(path)
        faults = [f"{name}: {said}" for name, said in verify_files(path, manifest)]
        size = sum((path / name).stat().st_size for name in manifest.digests)
        return StoreCheck(path, tuple(faults), bool(manifest.digests), size)
    except StoreError as error:
        return StoreCheck(path, (str(error),), True, 0)
