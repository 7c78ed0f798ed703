"""What preparing a large store takes, step by step; `scale.py prepare` prints it."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from many_records import ManyRecords, original_of, write_count
from timing import print_table

from ecg_tl.datamodules.parts import DIVIDED_BY
from ecg_tl.store import build, shards
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.shards import ShardNumber
from ecg_tl.store.writer import StoreWriter

_OFTEN = 0.1  # s, between looks at the memory


def print_prepared(sizes: list[int], folder: Path | None, workers: int | None, parts: int) -> None:
    """Prepare and open stores of these sizes, and print a row for each."""
    preparing, opening = [], []
    for records in sizes:
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            preparing.append(_alone(prepared, place, records, workers, parts))
            opening.append((f"{records:,}", *_alone(opened, place)))
        finally:
            shutil.rmtree(place)
    print_table(
        (
            "records",
            "shards",
            "s in all",
            "ms a record",
            "CPU s of it: search for copies",
            "table and manifest",
            "MB before",
            "MB at most",
            "GB on disk",
            "copies",
            "missed",
            "others joined",
        ),
        preparing,
    )
    print()
    columns = ("records", "s to open", "MB before", "MB with it", "s for what a split reads", "MB with this")
    print_table((*columns, "s for the whole table", "MB with it"), opening)


def _alone(function: Callable[..., tuple[str, ...]], *arguments: object) -> tuple[str, ...]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
        return own.submit(function, *arguments).result()


def prepared(place: Path, records: int, workers: int | None, parts: int) -> tuple[str, ...]:
    """Prepare a store in this process; return the row of it."""
    seconds: dict[str, float] = defaultdict(float)
    for owner, name in (
        (build, "with_first_rows"),
        (shards, "with_first_rows"),
        (StoreWriter, "finish"),
        (build, "completed"),
        (shards, "completed"),
    ):
        _time(owner, name, seconds)
    write_count(place / "root", records)
    settings = StoreSettings(sampling_rate=100, num_samples=1000)
    before, peak = _own_memory(), _Peak()
    began = time.perf_counter()

    def prepare(part: ShardNumber | None) -> Store:
        paths = (place / "root", place / "stores")
        return build.prepare(ManyRecords(), *paths, settings, workers=workers, progress=False, part=part)

    with peak:
        for number in range(1, parts + 1 if parts > 1 else 1):
            prepare(ShardNumber(number, parts))
        store = prepare(None)
    took = time.perf_counter() - began
    first = store.column("first_row").to_numpy()
    original = np.array([original_of(number) for number in range(records)])
    is_copy = original != np.arange(records)
    size = sum({(file.stat().st_ino): file.stat().st_size for file in place.rglob("*.*")}.values())
    return (
        f"{records:,}",
        f"{parts}",
        f"{took:,.0f}",
        f"{1e3 * took / records:.2f}",
        f"{seconds['with_first_rows']:.1f}",
        f"{seconds['finish'] + seconds['completed']:.1f}",
        f"{before:,.0f}",
        f"{peak.megabytes:,.0f}",
        f"{size / 1e9:.2f}",
        f"{int(is_copy.sum()):,}",
        f"{int((first[is_copy] != original[is_copy]).sum()):,}",
        f"{int((first[~is_copy] != original[~is_copy]).sum()):,}",
    )


def opened(place: Path) -> tuple[str, ...]:
    """Open the store in this process, which has not seen it before; return what it took."""
    (path,) = (path for path in (place / "stores").iterdir() if path.is_dir() and "shard" not in path.name)
    open_store(path)  # verified, which reads all of it and is done once
    row = []
    for action in (
        lambda: open_store(path),
        lambda: open_store(path).columns(DIVIDED_BY),
        lambda: open_store(path).records,
    ):
        before, began = _own_memory(), time.perf_counter()
        held = action()
        took = f"{time.perf_counter() - began:.2f}"
        row += [took, *([f"{before:,.0f}"] if not row else []), f"{_own_memory():,.0f}"]
        del held
    return tuple(row)


def _time(owner: Any, name: str, seconds: dict[str, float]) -> None:
    """Add up this process's processor time in a function."""
    original = getattr(owner, name)

    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return original(*arguments, **named)
        finally:
            seconds[name] += time.process_time() - began

    setattr(owner, name, timed)


class _Peak:
    """Looks at this process's memory again and again; a context manager."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_OFTEN):
            self.megabytes = max(self.megabytes, _own_memory())


def _own_memory() -> float:
    """Return the megabytes that this process has allocated; mapped files are not its own."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1e3
    return 0.0
