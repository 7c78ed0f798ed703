"""What a store is made from, as a hash: the source files' state, and the name of the store's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.errors import DatasetError
from ecg_tl.store.header_names import HeaderNames
from ecg_tl.store.settings import StoreSettings

CONTENT_VERSION = 5
"""Raised whenever the same files and settings would give other records, in `store` or in a reader."""

FORMAT_VERSION = 6
"""Of the files in a store's folder; raised with `CONTENT_VERSION`, or alone where the same is kept otherwise:
a store then has the name that it had, and an earlier one is found and opened under it."""

READABLE_FORMATS = (3, 4, 5, 6)
"""Format 3 has patients as the files write them (`7` beside `7.0`, `NA`); `open_store` puts them right.
Before format 5 there were no traces; `Store.traces` makes them of the stored signals. Before format 6 the
record table was a file of CSV, which is read as a whole."""

SIGNALS_FILE = "signals.i16"
FINGERPRINTS_FILE = "fingerprints.i8"
TRACES_FILE = "traces.u8"
COLUMNS_FILE = "records.npz"
RECORDS_FILE = "records.csv"
MANIFEST_FILE = "store.json"


@dataclass(frozen=True)
class Fingerprint:
    """The state of a dataset's files.

    Attributes:
        digest: SHA-256 over each file's relative path, size and time of modification.
        files: How many files that are there.
        size: Their bytes, together.
    """

    digest: str
    files: int
    size: int


def source_fingerprint(dataset: EcgDataset, root: Path, headers: HeaderNames | None = None) -> Fingerprint:
    """Fingerprint exactly the files that a dataset reads below `root`, and no other that lies there.

    Of tables and signals sizes and times are looked at, not contents. Headers are read for the names of their
    signal files, whatever these end in.

    Args:
        dataset: Whose files.
        root: Its folder.
        headers: What is known of the headers; None opens each.

    Raises:
        DatasetError: If `root` is no folder, a folder below it cannot be listed, or a table that names the
            records cannot be read.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError(
            root, found, "the dataset's folder", "Give the folder that holds the dataset's files."
        )
    prefix = os.path.join(root, "")  # noqa: PTH118
    headers = HeaderNames(root) if headers is None else headers
    states = {name: headers.state(name) for name in files_read(dataset, root, headers)}
    digest = sha256()
    for name in sorted(states):
        state = states[name]
        said = "missing" if state is None else f"{state[0]}\0{state[1]}"
        digest.update(f"{name.removeprefix(prefix)}\0{said}\n".encode("utf-8", "surrogateescape"))
    there = [state for state in states.values() if state is not None]
    return Fingerprint(digest.hexdigest(), len(there), sum(size for size, _ in there))


def files_read(dataset: EcgDataset, root: Path, headers: HeaderNames | None = None) -> Iterator[str]:
    """Yield the paths of the files that a dataset reads below `root`, whether they are there or not.

    They are strings: `Path`s of 90,000 files take longer than all else. A file may come more than once.

    Args:
        dataset: Whose files.
        root: Its folder.
        headers: What is known of the headers; None opens each.

    Raises:
        DatasetError: If a folder below `root` cannot be listed, or a table that names the records cannot be
            read.
    """
    headers = HeaderNames(root) if headers is None else headers
    for path in dataset.source_files(root):
        name = os.fspath(path)
        yield name
        if name.lower().endswith(".hea"):
            folder = name[: 1 + max(name.rfind("/"), name.rfind(os.sep))]
            for file in headers.named_files(name):
                path = os.path.join(folder, file)  # noqa: PTH118
                segment = f"{path}.hea"
                # A header of segments names other records, which have no ending.
                if "." not in file and segment != name and headers.state(segment) is not None:
                    yield segment
                    inside = segment[: 1 + max(segment.rfind("/"), segment.rfind(os.sep))]
                    yield from (os.path.join(inside, one) for one in headers.named_files(segment))  # noqa: PTH118
                else:
                    yield path


def store_name(dataset: EcgDataset, settings: StoreSettings, fingerprint: Fingerprint) -> str:
    """Return the folder name `<dataset>-<12 hex digits>` of all that decides a store's content.

    A changed setting, option, file or format gives another name: an old store is never read for a new one.
    """
    identity = {
        "dataset": dataset.name,
        "options": dict(dataset.options),
        "settings": settings.resolved(dataset.crop).to_json(),
        "format": CONTENT_VERSION,
        "source": fingerprint.digest,
    }
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return f"{dataset.name}-{sha256(canonical.encode()).hexdigest()[:12]}"
