"""What this process runs, as one digest: Python, the versions of what is installed, this project's files.

What was worked out once may be kept under it, and is nobody's any more as soon as something of it changes: a
file of this project by its content, a library by the name and the time of its folder of metadata, which an
installation writes anew. A library that is edited where it lies is not seen.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

_METADATA = (".dist-info", ".egg-info", ".egg-link", ".pth")
_OWN_SUFFIXES = (".py", ".yaml")


def digest_of_installation() -> str:
    """Return hex digits that are equal for equal installations."""
    found = blake2b(digest_size=20)
    python = [sys.version, platform.platform(), sys.executable, str(sys.flags.optimize), *sys.path]
    for text in (*python, *_installed(), *_own_files()):
        found.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def _installed() -> Iterator[str]:
    for folder in sys.path:
        try:
            entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
        except OSError:  # a zip file, or a folder that is not there
            continue
        for entry in entries:
            if entry.name.endswith(_METADATA):
                yield f"{entry.path} {entry.stat().st_mtime_ns}"


def _own_files() -> Iterator[str]:
    package = Path(__file__).parent
    for folder in (package, package.parent / "configs"):  # beside it in a repository, inside of it in a wheel
        for path in sorted(folder.rglob("*")):
            if path.suffix in _OWN_SUFFIXES:
                yield f"{path} {blake2b(path.read_bytes(), digest_size=20).hexdigest()}"
