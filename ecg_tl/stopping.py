"""The one answer of every command to a signal that asks it to end."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""Ctrl-C; what schedulers and `kill` send; a terminal that is closed; what SLURM is asked to send in time."""

GRACE_SECONDS = 15.0
"""Granted to tidy up, then the process is ended. SLURM kills after 30 s by default, Kubernetes as well."""

LAUNCHER = "ECG_TL_LAUNCHER"
"""Environment variable: the process that started the other ranks of a training on this machine."""

LAUNCHER_SECONDS = 2.0
"""How often a rank looks whether that process is still there."""


NOTHING_LEFT = "No output is left half-written. The same command begins anew."

_sayings: list[Callable[[], str]] = []


class Stopped(BaseException):
    """A signal asks this process to end.

    It is no `Exception`, for nothing but the command line may answer it, and no `KeyboardInterrupt`, which
    Lightning turns into an exit of its own.

    Attributes:
        name: Of the signal.
        status: That a shell expects of a command that it ended.
        left: What is left, and how to go on, by the innermost `saying_what_is_left`.
        more_to_come: Whether others send signals after the command's end, so that they stay ignored: its
            ranks, and Lightning's observer of them, which would change its status.
    """

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        self.status = 128 + number
        self.more_to_come = False
        self.left = _sayings[-1]() if _sayings else NOTHING_LEFT
        super().__init__(self.name)

    def __str__(self) -> str:
        return f"stopped by {self.name}. {self.left}"


@contextmanager
def stopping_at_signals() -> Iterator[None]:
    """Let each of `SIGNALS` raise `Stopped` in the main thread; those that are ignored stay ignored.

    A parent that lets a command run in the background (`&` in a script, `nohup`) has it ignore some of them.
    Signals after the first one change nothing. If tidying up takes longer than `GRACE_SECONDS`, because a
    library waits for a process that is gone, this process ends all the same, with the same status.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped: list[Stopped] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not stopped:
            stopped.append(Stopped(number))
            raise stopped[0]

    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in taken:
            signal.signal(number, stop)
        with _watching(taken, stopped):
            yield
    finally:
        deaf = any(one.more_to_come for one in stopped)
        for number in taken:
            signal.signal(number, signal.SIG_IGN if deaf else before[number])


@contextmanager
def _watching(taken: Sequence[int], stopped: Sequence[Stopped]) -> Iterator[None]:
    """End this process `GRACE_SECONDS` after a signal, whatever the main thread is at.

    Python runs a handler between two of its instructions: while a library waits (a rank for the first
    process, which is gone) there are none. The number of a signal is written to a pipe at once, all the same.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(reader, taken, stopped, done), daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watch.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(writer)  # which wakes the thread
        watch.join()
        os.close(reader)


def _watch(reader: int, taken: Sequence[int], stopped: Sequence[Stopped], done: threading.Event) -> None:
    launcher = os.getppid() if os.environ.get(LAUNCHER) == str(os.getppid()) else None
    number: int | None = None
    while number is None:
        if select.select([reader], [], [], None if launcher is None else LAUNCHER_SECONDS)[0]:
            written = os.read(reader, 1)
            if not written:
                return
            number = written[0] if written[0] in taken else None
        elif os.getppid() != launcher:  # killed: no signal will come from it
            number = signal.SIGTERM
    _tell_launcher(number)
    if not done.wait(GRACE_SECONDS):
        _end(stopped[0] if stopped else Stopped(number))


def _forget_pipe() -> None:
    with suppress(ValueError):  # of another thread than the main one
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    # A worker shares its parent's pipe: the signal that ends it would end the parent.
    os.register_at_fork(after_in_child=_forget_pipe)


@contextmanager
def saying_what_is_left(say: Callable[[], str]) -> Iterator[None]:
    """Name the function that says what is left of the work inside, should it be stopped, and how to go on.

    It is called when the signal arrives, between any two instructions: it may look at files and no more.
    """
    _sayings.append(say)
    try:
        yield
    finally:
        _sayings.remove(say)


def is_first_process() -> bool:
    """Whether this process speaks for all of a training on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _tell_launcher(number: int) -> None:
    """Pass a signal on to the process that started this rank, which would not hear of it otherwise."""
    if os.environ.get(LAUNCHER) == str(os.getppid()):
        with suppress(OSError):
            os.kill(os.getppid(), number)


def _end(stop: Stopped) -> None:
    with suppress(OSError, ValueError):
        if is_first_process():
            os.write(sys.stderr.fileno(), f"ecg-tl: {stop}\n".encode())
    os._exit(stop.status)
