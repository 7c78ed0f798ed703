"""A fault at the n-th call to the file system, for tests that go through all calls in turn."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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

    def check(self, path: Any) -> None:
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

    def __init__(self, file: Any, faults: _Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: Any) -> Any:
        try:
            self._faults.check(None)
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


@contextmanager
def faults_of(faults: _Faults) -> Iterator[None]:
    """Make calls of this process fail, whichever library makes them."""
    patch = pytest.MonkeyPatch()

    def opening(original: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wxa+"):
                return original(file, mode, *args, **kwargs)
            faults.check(file)
            stream = original(file, mode, *args, **kwargs)
            ours = not isinstance(file, int) and os.fsdecode(file).startswith(faults.below)
            return _File(stream, faults) if ours else stream

        return opened

    def calling(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *args: Any, **kwargs: Any) -> Any:
            faults.check(path)
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
            patch.setattr(os, name, calling(getattr(os, name)))
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
