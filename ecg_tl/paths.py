"""Names of files that stand in other files: in a header, a table, an HDF5 link."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath


@lru_cache(maxsize=64)  # a header names the same file once a lead
def path_below(name: str) -> str | None:
    """Return a relative path in its shortest form, or None if it may lead out of its folder.

    The name alone decides, not the disk: no absolute path, no drive, no `..`, on no system. Links that a user
    made inside of the folder are his, and are followed.

    Args:
        name: As written in a file that may come from a stranger.
    """
    if not name.isprintable():  # a zero byte is no path at all; line breaks and escapes are nobody's names
        return None
    posix = PurePosixPath(name)
    windows = PureWindowsPath(posix.as_posix())
    if not posix.name or posix.is_absolute() or windows.drive or windows.root:
        return None
    if ".." in (*posix.parts, *windows.parts):
        return None
    return posix.as_posix()
