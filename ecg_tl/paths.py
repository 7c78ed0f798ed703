"""Names that become paths: of files named in a header, a table or an HDF5 link, and of folders."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath

from ecg_tl.errors import EcgTlError, SettingError

NAME_BYTES = 200
"""Most file systems take 255; the rest is for what is added to a name (`.lock`, `.partial-12345.csv`)."""


PART_BYTES, PATH_BYTES = 255, 2048
"""Of a path below a folder, as file systems take them; Linux has 4,096 for the folder and the path."""

_PLAIN = re.compile(r"(?:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}/){0,9}[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}")
"""Most names: in their shortest form, and leading nowhere else on any system. Tables have 22,000 of them."""


@lru_cache(maxsize=64)  # a header names the same file once a lead
def path_below(name: str) -> str | None:
    """Return a relative path in its shortest form, or None if it may lead out of its folder.

    The name alone decides, not the disk: no absolute path, no drive, no `..`, on no system. Links that a user
    made inside of the folder are his, and are followed.

    Args:
        name: As written in a file that may come from a stranger.
    """
    if _PLAIN.fullmatch(name):
        return name
    if not name.isprintable():  # a zero byte is no path at all; line breaks and escapes are nobody's names
        return None
    posix = PurePosixPath(name)
    windows = PureWindowsPath(posix.as_posix())
    if not posix.name or posix.is_absolute() or windows.drive or windows.root:
        return None
    if ".." in (*posix.parts, *windows.parts):
        return None
    longest = max(len(os.fsencode(part)) for part in posix.parts)
    if longest > PART_BYTES or len(os.fsencode(name)) > PATH_BYTES:
        return None
    return posix.as_posix()


def is_file_name(name: object) -> bool:
    """Whether a text names one file or folder in another folder, and leads nowhere else, on any system."""
    if not isinstance(name, str) or path_below(name) != name or "/" in name or "\\" in name:
        return False
    # Windows takes spaces at the end off: `.. ` is `..`.
    return name.strip() not in ("", ".", "..") and len(os.fsencode(name)) <= NAME_BYTES


def require_file_name(name: str, where: object, error: type[EcgTlError] = SettingError) -> None:
    """Refuse a name of a file or folder that is none: with a separator, `..`, or what no name has.

    Raises:
        EcgTlError: Of the kind `error`.
    """
    if not is_file_name(name):
        raise error(
            where,
            repr(name),
            f"the name of a folder: printable, without / and \\, not `..`, of {NAME_BYTES} bytes at most",
            "Choose another name.",
        )
