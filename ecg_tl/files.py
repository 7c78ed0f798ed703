"""Writing files so that a reader never finds half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ecg_tl.errors import StoreError


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        StoreError: If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            path,
            error.strerror or str(error),
            "a folder that can be written",
            "Free space or name another folder.",
        ) from error


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping of primitives; see `write_text`."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; see `write_text`."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
