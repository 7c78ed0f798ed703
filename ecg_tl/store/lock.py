"""One process at a time prepares a store; the others wait and then read what it made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
            print(on_wait, file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True
