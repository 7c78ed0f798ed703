"""One process at a time does a piece of work; the others wait, and read what it made, or go elsewhere."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ecg_tl import printing

LockState = Literal["held", "busy", "unsupported"]

_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
"""What network file systems without locks say."""


@contextmanager
def exclusive_lock(path: Path, on_wait: str) -> Iterator[bool]:
    """Hold the lock file `path`, waiting for whoever holds it now.

    The operating system frees the lock when its holder ends, however it ends. The file itself stays: removing
    it would let two processes hold "the" lock, one of them on a deleted file.

    Args:
        path: Made if it is not there.
        on_wait: Printed to standard error before waiting.

    Yields:
        Whether the lock is held: some network file systems have none. Renaming a finished store is atomic
        without it; only work may be done twice.

    Raises:
        OSError: If the file cannot be made.
    """
    lock = _lock(path)
    state = _acquire(lock, blocking=False)
    if state == "busy":
        printing.say(on_wait, error=True)
        state = _acquire(lock, blocking=True)
    try:
        yield state == "held"
    finally:
        lock.release()


@contextmanager
def try_lock(path: Path) -> Iterator[LockState]:
    """Hold the lock file `path` if nobody else does; never wait. See `exclusive_lock`.

    Args:
        path: Made if it is not there.

    Yields:
        `held`; `busy`, if another process, or another part of this one, holds it; `unsupported` where there
        are no locks.

    Raises:
        OSError: If the file cannot be made.
    """
    lock = _lock(path)
    try:
        yield _acquire(lock, blocking=False)
    finally:
        lock.release()


def _lock(path: Path) -> FileLock:
    # Where there are no locks, the library would take a file's existence for one; that of a killed process
    # stays, and the next one would wait for it. Of any thread, since a study releases in another.
    return FileLock(path, fallback_to_soft=False, thread_local=False)


def _acquire(lock: FileLock, *, blocking: bool) -> LockState:
    try:
        lock.acquire(blocking=blocking)
    except Timeout:
        return "busy"
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return "unsupported"
    return "held"
