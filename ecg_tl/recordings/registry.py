"""The formats of recordings, and how the one that a file has is found: by its content.

A format's file in `formats/` registers it:

    register(Format("edf", "EDF", is_edf, read, suffixes=(".edf", ".bdf")))

Every file of that folder is imported when a format is first asked for. No other list is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.settings import ReadSettings

HEAD_BYTES = 4096
"""Of a file, by which its format is recognised."""


@dataclass(frozen=True)
class Format:
    """One format of recordings.

    Attributes:
        name: In one word.
        title: As its users call it.
        is_in: Whether the first `HEAD_BYTES` bytes of a file are those of this format.
        read: Reads one recording.
        suffixes: With which the names of such files usually end, in lower case.
        certain: Whether a file of this format is a recording; else it may be a table or an array of anything,
            and is taken for a recording only where it is named, or no others are around.
        files: Gives the files that a recording consists of, if that is not the one.
    """

    name: str
    title: str
    is_in: Callable[[bytes], bool]
    read: Callable[[Path, ReadSettings], ReadRecord]
    suffixes: tuple[str, ...]
    certain: bool = True
    files: Callable[[Path], Iterable[Path]] = lambda path: (path,)


_FORMATS: dict[str, Format] = {}


def register(one: Format) -> None:
    """Add a format."""
    _FORMATS[one.name] = one


@cache
def formats() -> tuple[Format, ...]:
    """List the formats, those first whose content is unmistakable."""
    package = import_module("ecg_tl.recordings.formats")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(_FORMATS.values(), key=lambda one: (not one.certain, one.name)))


def format_of(head: bytes, suffix: str) -> Format | None:
    """Return the format of a file.

    What is unmistakable in the content goes first, then the ending of a name, then what the content may be.

    Args:
        head: Its first `HEAD_BYTES` bytes.
        suffix: Of its name.
    """
    by_content = [one for one in formats() if one.is_in(head)]
    by_ending = [one for one in formats() if suffix.lower() in one.suffixes]
    return next((one for one in by_content if one.certain), None) or next(iter(by_ending + by_content), None)


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
