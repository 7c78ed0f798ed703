"""How often a run was worked on, how long, and how far it came: also of work that was cut off."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_type_hints

from ecg_tl import printing
from ecg_tl.files import read_json, write_json
from ecg_tl.limits import fits_type

AttemptOutcome = Literal["running", "finished", "failed", "cut off"]


@dataclass(frozen=True)
class Attempt:
    """One attempt at a run.

    Attributes:
        started: When, ISO 8601.
        host: Where.
        pid: Process.
        epochs: Epochs that were done when it was last heard of, over all attempts.
        wall_seconds: Until it was last heard of.
        device_seconds: CPU seconds of the process, or seconds of a GPU times its share.
        peak_memory_bytes: Most that its process held.
        peak_device_memory_bytes: Most that its tensors took on a GPU; None without one.
        outcome: `running` also of one whose process was killed, until somebody takes the run up.
        threads: Of its process on the CPU; None if it is not known.
    """

    started: str
    host: str
    pid: int
    epochs: int = 0
    wall_seconds: float = 0.0
    device_seconds: float = 0.0
    peak_memory_bytes: int = 0
    peak_device_memory_bytes: int | None = None
    outcome: AttemptOutcome = "running"
    threads: int | None = None


@dataclass(frozen=True)
class Attempts:
    """All attempts at a run, the present one last.

    Attributes:
        all: In their order.
        max_epochs: Epochs that it trains for at most; None if unknown.
    """

    all: tuple[Attempt, ...] = ()
    max_epochs: int | None = None

    @property
    def last(self) -> Attempt | None:
        """The present one, or the last."""
        return self.all[-1] if self.all else None

    @property
    def wall_seconds(self) -> float:
        """Of all."""
        return sum(attempt.wall_seconds for attempt in self.all)

    @property
    def device_seconds(self) -> float:
        """Of all."""
        return sum(attempt.device_seconds for attempt in self.all)

    @property
    def peak_memory_bytes(self) -> int:
        """Greatest of all."""
        return max((attempt.peak_memory_bytes for attempt in self.all), default=0)

    @property
    def peak_device_memory_bytes(self) -> int | None:
        """Greatest of all; None if none had a GPU."""
        known = [peak for attempt in self.all if (peak := attempt.peak_device_memory_bytes) is not None]
        return max(known, default=None)

    def begun(self, epochs: int, max_epochs: int | None, threads: int | None = None) -> Attempts:
        """Add an attempt of this process, to a run without a result that nobody else is at.

        So one that still says `running`, or was about to write the result, was cut off.
        """
        before = tuple(
            attempt if attempt.outcome == "failed" else replace(attempt, outcome="cut off")
            for attempt in self.all
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        attempt = Attempt(now, platform.node(), os.getpid(), epochs, threads=threads)
        return Attempts((*before, attempt), max_epochs)

    def with_last(self, attempt: Attempt) -> Attempts:
        """Replace the present one."""
        return Attempts((*self.all[:-1], attempt), self.max_epochs)

    def write(self, path: Path) -> None:
        """Write them all at once."""
        write_json(path, {"max_epochs": self.max_epochs, "attempts": [asdict(one) for one in self.all]})


def read_attempts(path: Path) -> Attempts:
    """Read what was written; nothing, if there is nothing that can be read: it is only a log."""
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, TypeError):
        return Attempts()


def _read(path: Path) -> Attempts:
    content = read_json(path)
    attempts = tuple(Attempt(**one) for one in content["attempts"])
    kinds = get_type_hints(Attempt)
    if not all(fits_type(value, kinds[name]) for one in attempts for name, value in vars(one).items()):
        raise ValueError("a value of another type")
    if not fits_type(content["max_epochs"], int | None):
        raise ValueError("max_epochs of another type")
    return Attempts(attempts, content["max_epochs"])


def _take_up(path: Path) -> Attempts:
    """Read what earlier attempts have left, and say it if they are lost."""
    try:
        return _read(path)
    except FileNotFoundError:
        return Attempts()
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        printing.say(f"{path}: found {said}, expected a log of attempts. It begins anew.", error=True)
        return Attempts()


class Stopwatch:
    """Measures one attempt and keeps its file up to date.

    Args:
        path: Of the file.
        epochs: Epochs that earlier attempts have left.
        max_epochs: Epochs that the run trains for at most.
        device_share: Share of a GPU that it has, 0 for a run on the CPU.
        threads: Of its process on the CPU.
    """

    def __init__(
        self,
        path: Path,
        epochs: int,
        max_epochs: int | None,
        device_share: float,
        threads: int | None = None,
    ) -> None:
        self.path = path
        self.device_share = device_share
        self._started = time.perf_counter()
        self._cpu = time.process_time()
        self.attempts = _take_up(path).begun(epochs, max_epochs, threads)
        self.attempts.write(path)

    def note(self, epochs: int | None = None, outcome: AttemptOutcome = "running") -> Attempts:
        """Write how far it has come."""
        from ecg_tl.study.run.hardware import peak_device_memory_bytes, peak_memory_bytes  # needs torch

        present = self.attempts.last
        assert present is not None, "the constructor adds one"
        wall = time.perf_counter() - self._started
        self.attempts = self.attempts.with_last(
            replace(
                present,
                epochs=present.epochs if epochs is None else epochs,
                wall_seconds=wall,
                device_seconds=wall * self.device_share
                if self.device_share
                else time.process_time() - self._cpu,
                peak_memory_bytes=peak_memory_bytes(),
                peak_device_memory_bytes=peak_device_memory_bytes(),
                outcome=outcome,
            )
        )
        self.attempts.write(self.path)
        return self.attempts
