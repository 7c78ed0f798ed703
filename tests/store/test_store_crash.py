"""What becomes of a store whose making is cut off, crowded or refused by the disk."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from child_processes import importing
from fake_dataset import FakeDataset, ecg, write_fake
from found_stores import find_store

from ecg_tl.errors import StoreError
from ecg_tl.store import writer
from ecg_tl.store.build import prepare
from ecg_tl.store.parallel import map_ordered
from ecg_tl.store.reader import open_store
from ecg_tl.store.settings import StoreSettings

SETTINGS = StoreSettings()
FORK = multiprocessing.get_context("fork")  # starts at once; nothing here has threads


def in_child(function: Callable[[], None]) -> int:
    """Run `function` in a process of its own and return its exit code."""
    child = FORK.Process(target=function)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def leftovers(store_dir: Path) -> list[str]:
    return [path.name for path in store_dir.iterdir() if ".partial-" in path.name]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> None:
    """Kill the process at the `call`-th call of `owner.name`, before it does anything."""
    original, calls = getattr(owner, name), iter(range(1000))

    def dying(*args: object, **kwargs: object) -> object:
        if next(calls) == call:
            die()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, dying)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (writer.tempfile, "mkdtemp", 0),
        (writer.StoreWriter, "append", 0),
        (writer.StoreWriter, "append", 5),
        (writer.os, "fsync", 0),
        (writer, "write_columns", 0),
        (writer.os, "fsync", 1),
        (writer.os, "fsync", 2),
        (writer.os, "fsync", 3),
        (writer.os, "fsync", 4),
        (writer.Path, "rename", 0),
        (writer.os, "fsync", 6),
    ],
)
def test_a_kill_at_any_step_leaves_no_half_store(
    root: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int
) -> None:
    with monkeypatch.context() as patched:
        die_at(patched, owner, name, call)
        code = in_child(lambda: prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False) and None)
    assert code == -signal.SIGKILL
    # Only after the rename is there a store, and then it is whole.
    found = find_store(FakeDataset(), root, store_dir, SETTINGS)
    assert (found is not None) == ((name, call) == ("fsync", 6))
    store = prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    assert store.signals().shape == (8, 12, 1000)
    assert leftovers(store_dir) == []


SCRIPT = """
import sys
from pathlib import Path
from fake_dataset import FakeDataset
from ecg_tl.store.build import prepare
from ecg_tl.store.settings import StoreSettings
if __name__ == "__main__":
    root, stores, log = map(Path, sys.argv[1:])
    prepare(FakeDataset(delay=0.02, log=log), root, stores, StoreSettings(), workers=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_cut_off_takes_its_workers_with_it(
    tmp_path: Path, store_dir: Path, number: signal.Signals
) -> None:
    root, log, script = tmp_path / "fake", tmp_path / "log", tmp_path / "cut_off.py"
    write_fake(root, {f"r{record}": ecg(0, 50) for record in range(600)})
    log.mkdir()
    # Where the tests run in the background, they and what they start have SIGINT ignored.
    script.write_text(f"import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{SCRIPT}")
    environment = importing(Path(__file__).parent)
    command = [sys.executable, str(script), str(root), str(store_dir), str(log)]
    # A session of its own, so that the interrupt reaches all of its processes as it does from a terminal.
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: len(list(log.iterdir())) > 70, 60)
        assert leftovers(store_dir)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.kill()
        process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert leftovers(store_dir) == []
    workers = {int(file.name.partition("-")[0]) for file in log.iterdir()}
    assert len(workers) == 2
    wait_until(lambda: not any(map(alive, workers)), 15)
    assert find_store(FakeDataset(), root, store_dir, SETTINGS) is None
    assert len(prepare(FakeDataset(), root, store_dir, SETTINGS, workers=1, progress=False)) == 600
    assert leftovers(store_dir) == []


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_interrupt_in_the_main_process_leaves_nothing(root: Path, store_dir: Path) -> None:
    np.save(root / "r5.npy", np.full((12, 5000), 999, dtype=np.float32))
    with pytest.raises(KeyboardInterrupt):
        prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    assert leftovers(store_dir) == []
    assert find_store(FakeDataset(), root, store_dir, SETTINGS) is None


@pytest.mark.slow
def test_two_processes_do_the_work_once(root: Path, store_dir: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    dataset = FakeDataset(delay=0.05, log=log)
    children = [
        FORK.Process(target=prepare, args=(dataset, root, store_dir, SETTINGS), kwargs={"progress": False})
        for _ in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(list(log.iterdir())) == 8
    assert len(prepare(dataset, root, store_dir, SETTINGS, progress=False)) == 8


def test_too_little_space_is_seen_before_anything_is_read(
    root: Path, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: usage)
    log = tmp_path / "log"
    log.mkdir()
    with pytest.raises(StoreError, match="1,000 bytes free") as error:
        prepare(FakeDataset(log=log), root, store_dir, SETTINGS, progress=False)
    assert f"{8 * (12 * 1000 * 2 + writer.TABLE_BYTES_PER_RECORD):,} bytes" in str(error.value)
    assert str(store_dir) in str(error.value)
    assert not list(log.iterdir())
    assert leftovers(store_dir) == []


@pytest.mark.parametrize("moment", ["signals", "table", "sync"])
def test_a_disk_that_fills_up_is_one_clear_error(
    root: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        if moment == "table":
            patched.setattr(writer, "write_columns", full)
        elif moment == "sync":
            patched.setattr(writer.os, "fsync", full)
        else:
            patched.setattr(writer.StoreWriter, "append", through_disk_errors(full))
        with pytest.raises(StoreError, match="no space left on device"):
            prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    assert leftovers(store_dir) == []
    assert len(prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)) == 8


def through_disk_errors(write: Callable[..., None]) -> Callable[..., None]:
    def append(self: writer.StoreWriter, *record: np.ndarray) -> None:
        with writer.disk_errors(self.target, self.bytes_needed):
            write(*record)

    return append


def test_a_real_limit_on_the_size_of_files_is_met_without_a_crash(
    root: Path, store_dir: Path, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.touch()

    def limited() -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # of 192,000 bytes of signals
        try:
            prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
        except StoreError as error:
            message.write_text(str(error))
        finally:  # whatever else the process writes on its way out, such as coverage
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert in_child(limited) == 0
    assert "file too large" in message.read_text()
    assert leftovers(store_dir) == []


def test_a_store_folder_below_a_file_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file") as error:
        prepare(FakeDataset(), root, tmp_path / "file" / "stores", SETTINGS, progress=False)
    assert "another folder" in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can write to any folder")
def test_a_read_only_store_folder_is_named(root: Path, store_dir: Path) -> None:
    store_dir.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="permission denied"):
        prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)


def test_a_prepared_store_opens_where_nothing_can_be_written(
    root: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)

    def read_only(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("mkdir", "chmod", "rename"):
        monkeypatch.setattr(Path, name, read_only)
    for lock in store_dir.glob(".*.lock"):
        lock.unlink()
    assert prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False).path == made.path
    assert not list(store_dir.glob(".*.lock"))


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_without_a_lock_the_faster_process_wins_and_partials_are_left_alone(
    root: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", no_locks)
    other = prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    aside = other.path.rename(store_dir / "aside")
    alive_elsewhere = store_dir / f".{other.path.name}.partial-other"
    alive_elsewhere.mkdir()
    finish = writer.StoreWriter.finish

    def finish_second(self: writer.StoreWriter, *args: object) -> None:
        shutil.copytree(aside, self.target)
        finish(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(writer.StoreWriter, "finish", finish_second)
    assert prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False).path == other.path
    assert leftovers(store_dir) == [alive_elsewhere.name]


def test_a_damaged_store_is_refused_and_never_overwritten(root: Path, store_dir: Path) -> None:
    store = prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    (store.path / "signals.i16").write_bytes(b"cut")
    with pytest.raises(StoreError, match=r"signals\.i16: found 3 bytes"):
        prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    with pytest.raises(StoreError):
        open_store(store.path)


def touch(file: Path) -> int:
    file.touch()
    return os.getpid()


def test_a_slow_consumer_is_not_overtaken(tmp_path: Path) -> None:
    results = map_ordered(touch, [tmp_path / str(number) for number in range(2000)], 2)
    next(results)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= 6 * 32
    results.close()


def end_abruptly(item: int) -> int:
    if item == 70:
        os._exit(1)
    return item


def test_a_worker_that_ends_abruptly_is_one_clear_error() -> None:
    with pytest.raises(StoreError, match="fewer workers"):
        list(map_ordered(end_abruptly, range(600), 2))
