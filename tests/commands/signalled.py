"""A command in a process of its own that is sent a signal once something has happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from child_processes import importing

PATIENCE = 120.0


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    said: str

    @property
    def line(self) -> str:
        """The one line in which it says that it was stopped."""
        (line,) = [line for line in self.said.splitlines() if line.startswith("ecg-tl: stopped by ")]
        assert "Traceback" not in self.said, self.said
        return line


def start(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `ecg-tl WORDS` in a process group of its own, with no signal ignored."""
    # A shell that runs the tests in the background has them ignore SIGINT, which children inherit.
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "[signal.signal(s, signal.SIG_DFL) for s in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)];"
        "import runpy; runpy.run_module('ecg_tl', run_name='__main__', alter_sys=True)"
    )
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-c", script, *words],
            cwd=folder,
            env=importing(Path(__file__).parent) | dict(environment or {}),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def stop(
    process: subprocess.Popen[bytes],
    folder: Path,
    when: Callable[[], bool],
    number: int,
    to: Callable[[], Sequence[int]] | None = None,
) -> Ended:
    """Send a signal as soon as `when` holds, to the process or to those named; wait until it has ended."""
    try:
        until = time.monotonic() + PATIENCE
        while not when():
            assert process.poll() is None, (folder / "said.txt").read_text()
            assert time.monotonic() < until, (folder / "said.txt").read_text()
            time.sleep(0.01)
        for pid in [process.pid] if to is None else to():
            os.kill(pid, number)
        status = process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(status, (folder / "said.txt").read_text(errors="replace"))
