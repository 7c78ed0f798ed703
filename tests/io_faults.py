"""A fault at the n-th call to the file system, and what a kill there leaves, for tests that try them all."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import pytest

from ecg_tl.errors import EcgTlError

CALLS = (
    *("fsync", "replace", "rename", "mkdir", "unlink", "remove", "rmdir", "chmod"),
    *("link", "symlink", "truncate", "ftruncate"),
)
"""Of `os`, beside those that open files to write, and the writing itself."""
MOST = 400


class Crash(BaseException):
    """The process ends here: nothing catches it, and nothing that it calls afterwards works."""


class Watcher(Protocol):
    """Is asked before each call; what it raises is raised in the call's place."""

    below: str
    """Calls on files elsewhere are of no interest."""

    def check(self, path: Any, call: str = "write", of: str | None = None) -> None:
        """Take note of a call.

        Args:
            path: The file that it names; None for one on an open file.
            call: Its name.
            of: The open file.
        """


class _Faults:
    """Fails at the n-th call.

    Args:
        at: Which call fails, from 1.
        code: An error number; None for a crash.
        below: Only calls on files below this folder, and on open files, count.
    """

    def __init__(self, at: int, code: int | None, below: Path) -> None:
        self.at, self.code, self.below = at, code, str(below)
        self.count = 0
        self.crashed = False

    def check(self, path: Any, call: str = "write", of: str | None = None) -> None:
        if isinstance(path, (str, bytes, os.PathLike)) and not os.fsdecode(path).startswith(self.below):
            return
        if self.crashed:
            raise Crash
        self.count += 1
        if self.count == self.at:
            if self.code is None:
                self.crashed = True
                raise Crash
            raise OSError(self.code, os.strerror(self.code), path if isinstance(path, str) else None)


class _File:
    """An open file whose writes may fail, and leave half of what they were to write."""

    def __init__(self, file: Any, path: str, faults: Watcher) -> None:
        self._file, self._path, self._faults = file, path, faults

    def write(self, data: Any) -> Any:
        try:
            self._faults.check(None, of=self._path)
        except BaseException:
            with suppress(Exception):
                self._file.write(data[: len(data) // 2])
                self._file.flush()
            raise
        return self._file.write(data)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Moments:
    """Keeps a copy of a folder at each call, if it differs from the one before: what a kill would leave.

    A process that is killed cleans nothing up, as one that an exception ends may do. Files under temporary
    names are copied with the others; alone, they make no difference.

    Args:
        folder: Its content is copied.
        copies: An empty folder for the copies.
        skip: Names of files that make no difference either, and are not copied.
    """

    def __init__(self, folder: Path, copies: Path, skip: str) -> None:
        self.folder, self.below, self.skip = folder, str(folder), skip
        self.copies = copies
        self.kept: list[Path] = []
        self._state: object = None
        self._inside = False

    def check(self, path: Any, call: str = "write", of: str | None = None) -> None:
        """Copy what is there now."""
        if self._inside or threading.current_thread() is not threading.main_thread():
            return
        self._inside = True
        try:
            self.look()
        finally:
            self._inside = False

    def look(self) -> None:
        """Copy the folder, if it has changed."""
        files = [p for p in sorted(self.folder.rglob("*")) if p.is_file() and not p.match(self.skip)]
        state = [(p, p.stat().st_ino, p.stat().st_mtime_ns) for p in files if ".partial-" not in p.name]
        if state and state != self._state:
            self._state = state
            self.kept.append(self.copies / str(len(self.kept)))
            shutil.copytree(self.folder, self.kept[-1], ignore=shutil.ignore_patterns(self.skip))


class FullDisk:
    """Has no room any more as soon as a certain file grows, and from then on none for any file of a folder.

    Args:
        below: The folder.
        name: Of the file, without what makes its temporary name; all between `*` will do.
        when: Whether to begin.
        small_ones_fit: Whether there is room for all other files.
    """

    def __init__(
        self, below: Path, name: str, when: Callable[[], bool], small_ones_fit: bool = False
    ) -> None:
        self.below, self.name, self.when = str(below), name, when
        self.small_ones_fit = small_ones_fit
        self.full = False

    def check(self, path: Any, call: str = "write", of: str | None = None) -> None:
        """Refuse what needs room."""
        about = of if path is None else path
        if call not in ("write", "mkdir", "link", "symlink") or not isinstance(about, (str, os.PathLike)):
            return
        about = os.fsdecode(about)
        if not about.startswith(self.below):
            return
        named, partial, _ = Path(about).name.partition(".partial-")
        asked = self.when() and fnmatch(named.removeprefix(".") if partial else named, self.name)
        self.full = self.full or asked
        if asked or (self.full and not self.small_ones_fit):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), None if path is None else about)


@contextmanager
def faults_of(faults: Watcher) -> Iterator[None]:
    """Make calls of this process fail, whichever library makes them."""
    patch = pytest.MonkeyPatch()

    def opening(original: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wxa+"):
                return original(file, mode, *args, **kwargs)
            faults.check(file)
            stream = original(file, mode, *args, **kwargs)
            ours = not isinstance(file, int) and os.fsdecode(file).startswith(faults.below)
            return _File(stream, os.fsdecode(file), faults) if ours else stream

        return opened

    def calling(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *args: Any, **kwargs: Any) -> Any:
            faults.check(path, name)
            return original(path, *args, **kwargs)

        return called

    def creating(original: Callable[..., int]) -> Callable[..., int]:
        def created(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & os.O_CREAT:
                faults.check(path)
            return original(path, flags, *args, **kwargs)

        return created

    try:
        patch.setattr(builtins, "open", opening(builtins.open))
        patch.setattr(io, "open", opening(io.open))
        patch.setattr(os, "open", creating(os.open))
        for name in CALLS:
            patch.setattr(os, name, calling(name, getattr(os, name)))
        yield
    finally:
        patch.undo()


def every_fault(
    folder: Path,
    code: int | None,
    prepare: Callable[[], None],
    act: Callable[[], None],
    check: Callable[[], None],
) -> int:
    """Run an operation with a fault at each of its calls in turn, and return how many calls it makes.

    Args:
        folder: Emptied before each attempt.
        code: Error number; None for a crash.
        prepare: Makes what is there before.
        act: The operation.
        check: Asserts that what is there is whole.
    """
    for number in range(1, MOST):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        prepare()
        faults = _Faults(number, code, folder)
        failed = False
        with faults_of(faults):
            try:
                act()
            except Crash:
                failed = True
            except (EcgTlError, OSError):
                failed = True
        check()
        if faults.count < number:
            assert not failed
            return faults.count
        act()  # done again, it succeeds, whatever was left behind
        check()
    raise AssertionError(f"more than {MOST} calls")
