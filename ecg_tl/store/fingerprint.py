"""What a store is made from, as a hash: the source files' state, and the name of the store's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.errors import DatasetError
from ecg_tl.store.settings import StoreSettings

FORMAT_VERSION = 4
"""Raised whenever the same files and settings would give another content, in `store` or in a reader."""

READABLE_FORMATS = (3, 4)
"""Format 3 has patients as the files write them (`7` beside `7.0`, `NA`); `open_store` puts them right."""

SIGNALS_FILE = "signals.i16"
FINGERPRINTS_FILE = "fingerprints.i8"
RECORDS_FILE = "records.csv"
MANIFEST_FILE = "store.json"


@dataclass(frozen=True)
class Fingerprint:
    """The state of a dataset's files.

    Attributes:
        digest: SHA-256 over each file's relative path, size and time of modification.
        files: How many files that were.
        size: Their bytes, together.
    """

    digest: str
    files: int
    size: int


def source_fingerprint(root: Path, suffixes: Collection[str]) -> Fingerprint:
    """Fingerprint the files below `root` whose names end in one of `suffixes` (whatever the case).

    Contents are not read: sizes and times of 90,000 files take under a second, their bytes minutes.

    Raises:
        DatasetError: If `root` is no folder, or a folder below it cannot be listed.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError(
            root, found, "the dataset's folder", "Give the folder that holds the dataset's files."
        )
    endings = tuple(suffix.lower() for suffix in suffixes)
    try:
        entries = sorted(_walk(os.fspath(root), "", endings, set()))
    except OSError as error:
        where = error.filename or root
        raise DatasetError(
            where, error.strerror or str(error), "a folder that can be listed", "Correct its permissions."
        ) from error
    digest = sha256()
    for path, size, modified in entries:
        digest.update(f"{path}\0{size}\0{modified}\n".encode("utf-8", "surrogateescape"))
    return Fingerprint(digest.hexdigest(), len(entries), sum(size for _, size, _ in entries))


def _walk(
    folder: str, prefix: str, endings: tuple[str, ...], above: set[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    status = os.stat(folder)  # noqa: PTH116 - `Path` objects for 90,000 files cost more than the walk itself
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # a symbolic link to a folder above
        return
    with os.scandir(folder) as listing:
        entries = list(listing)
    # A store kept below the dataset's own folder is not part of the dataset.
    if any(entry.name == SIGNALS_FILE for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", endings, above | {identity})
        elif entry.name.lower().endswith(endings) and entry.is_file():
            file_status = entry.stat()
            yield f"{prefix}{entry.name}", file_status.st_size, file_status.st_mtime_ns


def store_name(dataset: EcgDataset, settings: StoreSettings, fingerprint: Fingerprint) -> str:
    """Return the folder name `<dataset>-<12 hex digits>` of all that decides a store's content.

    A changed setting, option, file or format gives another name: an old store is never read for a new one.
    """
    identity = {
        "dataset": dataset.name,
        "options": dict(dataset.options),
        "settings": settings.resolved(dataset.crop).to_json(),
        "format": FORMAT_VERSION,
        "source": fingerprint.digest,
    }
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return f"{dataset.name}-{sha256(canonical.encode()).hexdigest()[:12]}"
