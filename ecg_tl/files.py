"""Writing files so that a reader never finds half of one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from ecg_tl.errors import StoreError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write under; rename what is there if all went well.

    Raises:
        StoreError: If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            path,
            error.strerror or str(error),
            "a folder that can be written",
            "Free space or name another folder.",
        ) from error
    finally:
        with suppress(OSError):  # renamed, or its folder is a file, or gone
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file; see `written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping of primitives; see `written_whole`."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; see `written_whole`."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each of these files that is there, by its path below `folder`."""
    return {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}
