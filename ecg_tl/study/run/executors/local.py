"""Runs on processes of this machine, each with its share of the cores or of a GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Literal

from ecg_tl.study.run.job import Job, JobReport

StartMethod = Literal["spawn", "fork", "forkserver"]

PATIENCE_SECONDS = 5.0
"""Granted to an idle process to end by itself."""


@dataclass
class _Worker:
    """A process, and what it is at.

    Attributes:
        process: It.
        connection: Jobs go out and reports come in by it.
        job: What it does now; None while it waits.
    """

    process: BaseProcess
    connection: Connection[Job | None, JobReport]
    job: Job | None = None

    def end(self) -> None:
        """End it: kindly while it waits, at once while it works."""
        if self.job is None:
            try:
                self.connection.send(None)
            except OSError:  # it is gone already
                pass
            else:
                self.process.join(PATIENCE_SECONDS)
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


class LocalExecutor:
    """Does each job in one of several processes, which stay and import PyTorch once.

    A process that ends in the middle of a job, killed by a user or for want of memory, is replaced; its job
    is reported as lost. So is one whose run has failed, because a failed run may leave a GPU unusable.

    Args:
        environments: For each process the variables of its environment, such as `CUDA_VISIBLE_DEVICES`.
        threads: Of each process on the CPU, for what libraries do before a run says its own number.
        device_share: Share of a GPU that each process has.
        start_method: Of the processes.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        *,
        threads: int = 1,
        device_share: float = 1.0,
        start_method: StartMethod = "spawn",
    ) -> None:
        self._environments = [
            {**dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)), **environment}
            for environment in environments
        ]
        self._device_share = device_share
        self._context: BaseContext = multiprocessing.get_context(start_method)
        self._workers: list[_Worker | None] = [None] * len(self._environments)

    @property
    def slots(self) -> int:
        """Number of processes."""
        return len(self._workers)

    def submit(self, job: Job) -> None:
        """Give a job to a process that waits, which is started if there is none."""
        job = replace(job, device_share=self._device_share)
        slot = next(
            (i for i, worker in enumerate(self._workers) if worker is not None and worker.job is None), None
        )
        if slot is None:
            slot = self._workers.index(None)
        worker = self._workers[slot] or self._start(slot)
        self._workers[slot] = worker
        worker.job = job
        with suppress(OSError):  # it ended while it waited; `wait` sees that
            worker.connection.send(job)

    def _start(self, slot: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(  # type: ignore[attr-defined]  # every context has one
            target=_work, args=(theirs, self._environments[slot]), name=f"study-{slot}"
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def wait(self, seconds: float) -> list[JobReport]:
        """Collect reports, and replace processes that have ended."""
        working = {i: w for i, w in enumerate(self._workers) if w is not None and w.job is not None}
        watched = [end for w in working.values() for end in (w.connection, w.process.sentinel)]
        wait(watched, timeout=seconds)
        reports = []
        for slot, worker in working.items():
            report = _report(worker)
            if report is None:
                continue
            reports.append(report)
            worker.job = None
            if report.outcome in ("failed", "lost"):
                worker.end()
                self._workers[slot] = None
        return reports

    def close(self) -> None:
        """End all processes."""
        for slot, worker in enumerate(self._workers):
            if worker is not None:
                worker.end()
                self._workers[slot] = None


def _report(worker: _Worker) -> JobReport | None:
    """Return what has become of a worker's job; None while it is at it."""
    assert worker.job is not None, "asked of working processes only"
    ended = (
        not worker.process.is_alive()
    )  # looked at first: what it sent before it ended is read all the same
    try:
        if worker.connection.poll():
            return worker.connection.recv()
    except (EOFError, OSError):
        ended = True
    if not ended:
        return None
    worker.process.join()
    return JobReport(worker.job.run.id, "lost", _how_it_ended(worker.process.exitcode))


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended by itself (exit status {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    why = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{why}"


# In the worker ----------------------------------------------------------------------------------------------


def _work(connection: Connection[JobReport, Job | None], environment: Mapping[str, str]) -> None:
    """Do jobs until told to end."""
    os.environ.update(environment)
    # Ctrl-C reaches every process of the terminal; the one that started this answers for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from ecg_tl.study.run.execute import execute  # imports PyTorch, which reads the environment

    try:
        while (job := connection.recv()) is not None:
            connection.send(execute(job))
    except (EOFError, OSError):  # the one that started this is gone
        pass


def _end_with_parent() -> None:
    # A killed parent tells its children nothing: without this they would go on, and hold their runs' locks.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
