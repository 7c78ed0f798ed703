"""The one answer of every command to a signal that asks it to end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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
    """

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        self.status = 128 + number
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
    stopped: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped:
            return
        stop = Stopped(number)
        stopped.append(threading.Timer(GRACE_SECONDS, _end, [stop]))
        stopped[0].daemon = True
        stopped[0].start()
        _tell_launcher(number)
        raise stop

    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in taken:
            signal.signal(number, stop)
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
        for timer in stopped:
            timer.cancel()


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
