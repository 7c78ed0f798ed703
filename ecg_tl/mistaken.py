"""What lies under a file's name in its stead: a download's error page, a pointer, another encoding.

Looked at when a reader has refused a file, never before: files that are what they should be cost nothing.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ecg_tl.errors import EcgTlError

_HEAD_BYTES = 64 * 1024
_FEWEST_LINE_ENDS = 8
"""Of which none is a lone line feed; in bytes of any kind every second or third would be."""

_BINARY = (".dat", ".mat", ".npy", ".npz", ".hdf5", ".h5", ".ckpt", ".pt", ".pth", ".safetensors", ".onnx")
_TEXT = (".csv", ".tsv", ".txt", ".hea", ".json", ".yaml", ".yml")

AnyError = TypeVar("AnyError", bound=EcgTlError)


@dataclass(frozen=True)
class Mistaken:
    """What a file is in place of what its name says.

    Attributes:
        what: With its article.
        remedy: What to do about it, a sentence of its own.
    """

    what: str
    remedy: str


_Test = Callable[[bytes, str], bool]

_KINDS: tuple[tuple[_Test, Mistaken], ...] = (
    (
        lambda head, suffix: not head,
        Mistaken("an empty file", "Fetch or copy it again."),
    ),
    (
        lambda head, suffix: head.startswith(b"version https://git-lfs.github.com/spec/"),
        Mistaken("a Git LFS pointer, not the file", "Run `git lfs pull` where it was cloned."),
    ),
    (
        lambda head, suffix: head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")),
        Mistaken(
            "a web page, not the file",
            "The download failed, or asks for a login: open the file to read why, and fetch it again.",
        ),
    ),
    (
        lambda head, suffix: head.startswith(b"<?xml") and suffix in (*_TEXT, *_BINARY),
        Mistaken(
            "an XML document, not the file", "Open it to read why the download failed, and fetch it again."
        ),
    ),
    (
        lambda head, suffix: head.startswith(b"\x1f\x8b"),
        Mistaken("a file compressed by gzip", "Add .gz to its name and run `gunzip` on it."),
    ),
    (
        lambda head, suffix: head.startswith(b"PK\x03\x04") and suffix in _TEXT and b"xl/" in head,
        Mistaken("an Excel workbook", "Open it and save it as CSV UTF-8."),
    ),
    (
        lambda head, suffix: head.startswith(b"PK\x03\x04") and suffix in _TEXT,
        Mistaken("a zip archive", "Unpack it."),
    ),
    (
        lambda head, suffix: head.startswith((b"\xff\xfe", b"\xfe\xff")) and suffix in _TEXT,
        Mistaken("text in UTF-16", "Save it as UTF-8; Excel calls that CSV UTF-8."),
    ),
    (
        lambda head, suffix: len(head) > 64 and not any(head),
        Mistaken("a file of zeros", "It was not written to its end: fetch or copy it again."),
    ),
    (
        lambda head, suffix: (
            suffix in _BINARY
            and head.count(b"\n") >= _FEWEST_LINE_ENDS
            and head.count(b"\n") == head.count(b"\r\n")
        ),
        Mistaken(
            "a binary file whose line feeds were made CRLF, as a transfer of text does",
            "Fetch it again in binary mode.",
        ),
    ),
)


def identify(path: Path) -> Mistaken | None:
    """Say what a file is if that is one of the usual mistakes; None if it may be what its name says."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return Mistaken("a folder", "Name a file, or remove the folder.")
        if not stat.S_ISREG(mode):
            return Mistaken("a pipe or a device", "Copy its content into a file, and name that.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    suffix = path.suffix.lower()
    return next((mistaken for test, mistaken in _KINDS if test(head, suffix)), None)


def clearer(error: AnyError) -> AnyError:
    """Return the error that says what the file is which it names, if that is one of the usual mistakes.

    Args:
        error: Of a reader. What it found in a web page is true and of no use.
    """
    path = Path(error.where)
    if not path.suffix:
        return error
    try:
        mistaken = identify(path)
    except ValueError:  # a NUL in a name
        return error
    if mistaken is None:
        return error
    return type(error)(error.where, mistaken.what, error.expected, mistaken.remedy)
