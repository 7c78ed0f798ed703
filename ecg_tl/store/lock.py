"""One process at a time does a piece of work; the others wait, and read what it made, or go elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ecg_tl import printing

LockState = Literal["held", "busy", "unsupported"]


@contextmanager
def exclusive_lock(path: Path, on_wait: str) -> Iterator[bool]:
    """Hold the lock file `path`, waiting for whoever holds it now.

    The operating system frees the lock when its holder ends, however it ends. The file itself stays: removing
    it would let two processes hold "the" lock, one of them on a deleted file.

    Args:
        path: Made if it is not there.
        on_wait: Printed to standard error before waiting.

    Yields:
        Whether the lock is held: some network file systems, and Windows, have none. Renaming a finished
        store is atomic without it; only work may be done twice.

    Raises:
        OSError: If the file cannot be made.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl  # not there on Windows

    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            printing.say(on_wait, error=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


@contextmanager
def try_lock(path: Path) -> Iterator[LockState]:
    """Hold the lock file `path` if nobody else does; never wait. See `exclusive_lock`.

    Args:
        path: Made if it is not there.

    Yields:
        `held`; `busy`, if another process, or another place of this one, holds it; `unsupported` where there
        are no locks.

    Raises:
        OSError: If the file cannot be made.
    """
    if sys.platform == "win32":
        yield "unsupported"
        return
    import fcntl  # not there on Windows

    with path.open("a") as handle:
        state: LockState = "held"
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = "busy"
        except OSError:
            state = "unsupported"
        yield state
