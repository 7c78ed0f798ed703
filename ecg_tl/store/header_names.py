"""Which signal files the headers of a source name, kept so that a header that did not change is not opened.

A start looks at the state of every file of its source; to open 22,000 headers besides takes longer. What a
header names is kept beside the stores, with the header's size, times and inode. The time of the last change
of the inode is among them, which no program can set back: a header of the same size whose time of
modification was put back is read again.

The file has a line a header, parted by tabs, and before them their digest. JSON of this size takes a second.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ecg_tl.errors import StoreError
from ecg_tl.files import read_regular, written_whole

FEWEST_OPENED = 500
"""Headers; to open fewer takes a few hundredths of a second, and no file is written for that."""

_SETTLED = 2.0
"""Seconds that a header must have been left alone to be kept: what is written twice within one tick of a file
system's clock has the same times."""

_LARGEST_HEADER = 2**20

_BREAKS = re.compile(r"[\t\n]")  # in a name, which then is not kept


class HeaderNames:
    """The states of a source's files, and what its headers name: as kept where a header did not change.

    Args:
        root: The dataset's folder.
        file: Where names are kept; nowhere if None. A file that cannot be read counts as none.
        fresh: Whether every header is opened, whatever is kept.
    """

    def __init__(self, root: Path, file: Path | None = None, *, fresh: bool = False) -> None:
        self._start = len(os.path.join(root, ""))  # noqa: PTH118
        self._file = file
        self._known = {} if file is None or fresh else _read_kept(file)
        self._settled_before = time.time_ns() - int(_SETTLED * 1e9)
        self._seen: dict[str, str] = {}
        self._states: dict[str, tuple[int, int] | None] = {}
        self._opened = 0

    def named_files(self, header: str) -> list[str]:
        """Return the files that a header's signal lines name; whether it can be read is not asked."""
        status = _look_at(header)
        if status is None:
            self._states[header] = None
            return []
        self._states[header] = (status.st_size, status.st_mtime_ns)
        name = header[self._start :]
        state = f"{status.st_size}\t{status.st_mtime_ns}\t{status.st_ctime_ns}\t{status.st_ino}"
        kept = self._known.get(name, "")
        if kept.startswith(f"{state}\t") or kept == state:
            self._seen[name] = kept
            return kept.split("\t")[4:]
        files = list(_read_names(header))
        self._opened += 1
        if max(status.st_mtime_ns, status.st_ctime_ns) < self._settled_before:
            self._seen[name] = "\t".join((state, *files))
        return files

    def state(self, file: str) -> tuple[int, int] | None:
        """Return a file's size and time of modification; None if it is not there, or cannot be looked at."""
        if file not in self._states:
            status = _look_at(file)
            self._states[file] = None if status is None else (status.st_size, status.st_mtime_ns)
        return self._states[file]

    def keep(self) -> None:
        """Write what was seen, if many headers were opened for it."""
        if self._file is None or self._opened < FEWEST_OPENED or not self._file.parent.is_dir():
            return
        lines = [f"{name}\t{kept}" for name, kept in self._seen.items() if not _BREAKS.search(name)]
        content = "\n".join(lines).encode("utf-8", "surrogateescape")
        with suppress(StoreError), written_whole(self._file) as path:  # nothing can be written everywhere
            path.write_bytes(sha256(content).hexdigest().encode() + b"\n" + content)


def names_file(store_dir: Path, dataset: str, root: Path) -> Path:
    """Return where the names of a source's headers are kept."""
    digest = sha256(os.fsencode(root.absolute())).hexdigest()[:12]
    return store_dir / f".{dataset}-{digest}.headers"


def _read_kept(file: Path) -> dict[str, str]:
    try:
        digest, _, content = read_regular(file).partition(b"\n")
    except OSError:
        return {}
    if digest != sha256(content).hexdigest().encode():
        return {}
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return {name: kept for name, _, kept in (line.partition("\t") for line in lines)}


def _look_at(file: str) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):  # of names with a NUL
        return None


def _read_names(header: str) -> Iterator[str]:
    try:
        with open(header, "rb", opener=_open_at_once) as handle:
            lines = handle.read(_LARGEST_HEADER).splitlines()
    except (OSError, ValueError):  # of names with a NUL
        return
    words = [line.split(None, 1)[0] for line in lines if line.strip()]
    # After the record line; all leads of a record have one file, or two.
    for name in dict.fromkeys([word for word in words if not word.startswith(b"#")][1:]):
        try:
            yield name.decode("utf-8")
        except UnicodeDecodeError:
            yield name.decode("latin-1")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
