"""A process that is to end ends, also while a library waits without letting Python run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_tl.stopping import LAUNCHER

PATIENCE = 120

# A lock that its own thread waits for: as a rank that waits for the first process in a rendezvous.
WAITING = """
import ctypes
import ecg_tl.stopping as stopping
stopping.GRACE_SECONDS = stopping.LAUNCHER_SECONDS = 0.1
with stopping.stopping_at_signals():
    library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_lock(lock)
    try:
        print("waits", flush=True)
    finally:  # also if the signal comes before it waits
        library.pthread_mutex_lock(lock)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the lock is that of Linux")


def waiting() -> subprocess.Popen[str]:
    ready = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", ready + WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    return process


def test_a_signal_ends_a_process_in_which_a_library_waits() -> None:
    process = waiting()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert said.startswith("ecg-tl: stopped by SIGTERM.")


def test_a_rank_ends_when_the_process_that_started_it_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "launcher.py"
    script.write_text(
        "import os, subprocess, sys\n"
        f"environment = os.environ | {{{LAUNCHER!r}: str(os.getpid())}}\n"
        f"rank = subprocess.Popen([sys.executable, '-c', {WAITING!r}], env=environment)\n"
        "rank.wait()\n"
    )
    launcher = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "waits\n"
    launcher.kill()
    # The pipe is the rank's as well: it is closed when both have ended.
    out, _ = launcher.communicate(timeout=PATIENCE)
    assert out == ""


def test_a_signal_to_a_forked_worker_is_not_its_parents() -> None:
    script = (
        "import os, signal, time\n"
        "import ecg_tl.stopping as stopping\n"
        "stopping.GRACE_SECONDS = 0.1\n"
        "with stopping.stopping_at_signals():\n"
        "    worker = os.fork()\n"
        "    if worker == 0:\n"
        "        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(5))\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 5\n"
        "    time.sleep(1)\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
