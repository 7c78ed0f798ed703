"""A fault at every call to the file system in turn, and a crash there: the old file or the new one is whole.

As SQLite's tests do it: an operation is repeated, and the n-th call of it that opens, writes, syncs, renames
or makes something fails, for n = 1, 2, 3 ... until the operation gets through. After a fault (a full disk, an
error of the disk) the program goes on and cleans up; after a crash nothing that it calls works any more.
Whatever was cut off, a reader finds a whole file, and the operation, done again, succeeds.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from io_faults import every_fault

from ecg_tl.callbacks.checkpoint import WholeCheckpointIO
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.csv_text import read_csv_texts, write_csv
from ecg_tl.errors import EcgTlError, StoreError
from ecg_tl.files import write_json, write_text
from ecg_tl.study.run.attempts import Attempts, read_attempts
from ecg_tl.study.run.results import read_result

WAYS = pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, None], ids=["full", "broken", "crash"])
OLD, NEW = {"value": "old" * 50}, {"value": "new" * 70}


def _write_json(path: Path, content: dict[str, str]) -> None:
    write_json(path, content)


def _write_csv(path: Path, content: dict[str, str]) -> None:
    write_csv(path, pd.DataFrame([content]))


def _write_checkpoint(path: Path, content: dict[str, str]) -> None:
    WholeCheckpointIO().save_checkpoint(content, path)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _read_csv(path: Path) -> Any:
    return read_csv_texts(path).iloc[0].to_dict()


def _read_checkpoint(path: Path) -> Any:
    return torch.load(path, weights_only=True)


WRITERS = {
    "json": (_write_json, _read_json),
    "csv": (_write_csv, _read_csv),
    "checkpoint": (_write_checkpoint, _read_checkpoint),
}


@WAYS
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_is_the_old_or_the_new_one(tmp_path: Path, kind: str, code: int | None) -> None:
    write, read = WRITERS[kind]
    folder = tmp_path / "folder"
    path = folder / "file"

    def check() -> None:
        assert read(path) in (OLD, NEW)

    calls = every_fault(folder, code, lambda: write(path, OLD), lambda: write(path, NEW), check)
    assert calls >= 5  # to open, write, sync, rename and sync the folder at least
    assert read(path) == NEW
    assert [one.name for one in folder.iterdir()] == ["file"]


@WAYS
def test_a_new_file_is_there_whole_or_not_at_all(tmp_path: Path, code: int | None) -> None:
    folder = tmp_path / "folder"
    path = folder / "below" / "file"

    def check() -> None:
        assert not path.exists() or path.read_text() == "content"

    every_fault(folder, code, lambda: None, lambda: write_text(path, "content"), check)
    assert path.exists()


@WAYS
def test_a_log_of_attempts_is_the_one_before_or_the_next(tmp_path: Path, code: int | None) -> None:
    folder = tmp_path / "folder"
    path = folder / "attempts.json"
    first = Attempts().begun(0, 5)
    second = first.begun(2, 5)

    def check() -> None:
        assert read_attempts(path) in (first, second)

    every_fault(folder, code, lambda: first.write(path), lambda: second.write(path), check)


def test_nothing_is_renamed_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that loses power keeps what was synced, and may keep a renaming without what was not."""
    said: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        said.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink()}")
        fsync(descriptor)

    def renamed(source: Any, target: Any, **rest: Any) -> None:
        said.append(f"rename {source} {target}")
        replace(source, target, **rest)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    path = tmp_path / "file"
    for _ in range(2):
        said.clear()
        write_text(path, "content")
        (sync, rename, folder) = said
        source = sync.removeprefix("sync ")
        assert rename == f"rename {source} {path}"
        assert folder == f"sync {tmp_path}"


@pytest.mark.parametrize("left", [b"", bytes(64)], ids=["emptied", "zeroed"])
def test_a_file_that_was_renamed_without_its_content_is_noticed(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "runs" / "a" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(left)
    with pytest.raises(StoreError, match=r"result\.json"):
        read_result(path)
    with pytest.raises(EcgTlError, match=r"result\.json"):
        read_checkpoint(path)
    assert read_attempts(path) == Attempts()
