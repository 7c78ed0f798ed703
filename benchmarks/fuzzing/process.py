"""A command of `ecg-tl` in a process of its own, with bounds, made by a fork of one that has imported all."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 8 * 2**30
CPU_SECONDS = 20
_WALL_SECONDS = 20
_LAST_SECONDS = 240
"""Of a process that others keep from its 20 seconds of work."""
_TICKS = os.sysconf("SC_CLK_TCK")
_TRACEBACK = 70


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: Its exit status; None if a signal ended it.
        signal: That signal; 0 without one.
        hung: Whether it was ended here: it worked for 20 s, or stood still for as long.
        seconds: That it took.
        out: Standard output.
        error: Standard error.
    """

    status: int | None
    signal: int
    hung: bool
    seconds: float
    out: bytes
    error: bytes


@dataclass
class Running:
    """A process at work, in a folder; its output goes to files beside that folder."""

    pid: int
    folder: Path
    began: float
    worked: float = 0.0
    last_worked: float = 0.0

    def poll(self) -> Ended | None:
        """Return how it ended; None while it works."""
        pid, status, _ = os.wait4(self.pid, os.WNOHANG)
        now = time.monotonic()
        if pid:
            return self._ended(status, now, hung=False)
        worked = self._cpu_seconds()
        if worked > self.worked:
            self.worked, self.last_worked = worked, now
        idle = now - max(self.last_worked, self.began)
        hung = now - self.began > _LAST_SECONDS or worked > CPU_SECONDS + 5 or idle > _WALL_SECONDS
        if not hung:
            return None
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status, _ = os.wait4(self.pid, 0)
        return self._ended(status, now, hung=True)

    def _cpu_seconds(self) -> float:
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return self.worked
        return sum(map(int, fields[11:15])) / _TICKS

    def _ended(self, status: int, now: float, hung: bool) -> Ended:
        with suppress(ProcessLookupError, PermissionError):  # processes that it started and left
            os.killpg(self.pid, signal.SIGKILL)
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return Ended(
            status=None if by_signal else os.WEXITSTATUS(status),
            signal=by_signal,
            hung=hung or by_signal == signal.SIGXCPU,
            seconds=now - self.began,
            out=self.folder.with_suffix(".out").read_bytes(),
            error=self.folder.with_suffix(".err").read_bytes(),
        )


def import_all() -> None:
    """Import what commands need, so that a fork has it; without threads."""
    import h5py  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch

    import ecg_tl

    for module in pkgutil.walk_packages(ecg_tl.__path__, "ecg_tl."):
        if not module.name.endswith((".__main__", ".ray")):
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()


def start(words: Sequence[str], folder: Path, *, bounded: bool = True) -> Running:
    """Run a command in `folder`.

    Args:
        words: Of the command line.
        folder: The process's working folder.
        bounded: Whether its memory and time have bounds.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _work(words, folder, bounded)
    return Running(pid, folder, time.monotonic())


def run(words: Sequence[str], folder: Path) -> Ended:
    """Run a command to its end, without bounds."""
    running = start(words, folder, bounded=False)
    _, status, _ = os.wait4(running.pid, 0)
    return running._ended(status, time.monotonic(), hung=False)


def _work(words: Sequence[str], folder: Path, bounded: bool) -> None:
    status = _TRACEBACK
    try:
        os.setsid()
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDONLY)
        out = os.open(folder.with_suffix(".out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        error = os.open(folder.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for source, target in ((nothing, 0), (out, 1), (error, 2)):
            os.dup2(source, target)
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(
            2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        sys.setrecursionlimit(1000)
        if bounded:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
            resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES, MEMORY_BYTES))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from ecg_tl.cli import main

        status = main(list(words))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status & 0xFF)
