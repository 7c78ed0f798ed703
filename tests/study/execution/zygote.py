"""A process that has imported everything, and kills studies: starting one anew takes no seconds of imports.

Run as a script: `zygote.py ROOTS FOLDER KILLS SEED`. It does a study in `FOLDER/whole` without a break,
then the same in `FOLDER/killed`, where it kills the whole group of processes (the scheduler's and the
workers') `KILLS` times at random moments, and prints how many there were.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from tiny_study import study_to_kill

import ecg_tl.study.run.execute  # noqa: F401  (imported for the processes that are forked)
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run.executors.local import LocalExecutor
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.launch import schedule

torch.set_num_threads(1)


def start(folder: Path, roots: Path) -> int:
    """Start a study in a group of processes of its own, as a shell does; return its leader."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        settings = study_to_kill(folder, roots)
        executor = LocalExecutor([{}, {}], start_method="fork")
        outcome = schedule(make_jobs(settings, make_plan(settings)), executor, progress=True, estimates={})
        status = 0 if not (outcome.failed or outcome.skipped) else 3
    finally:
        os._exit(status)


def wait(pid: int, seconds: float) -> int | None:
    """Return the process's exit status; None if it still runs after that time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def main(roots: Path, folder: Path, kills: int, seed: int) -> None:
    began = time.monotonic()
    assert wait(start(folder / "whole", roots), 400) == 0
    whole = time.monotonic() - began
    moments = random.Random(seed)
    killed = 0
    while killed < kills:
        pid = start(folder / "killed", roots)
        # Short against the whole, so that it is not finished before it was killed as often as wanted.
        delay = moments.uniform(0.02, 0.16) * whole
        status = wait(pid, delay)
        assert status in (None, 0), status
        if status == 0:
            break
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        killed += 1
        print(f"killed after {delay:.2f} s", file=sys.stderr)
    assert wait(start(folder / "killed", roots), 400) == 0
    print(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
