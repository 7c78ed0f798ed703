"""Which run is next: every run after what it depends on, each once, whatever becomes of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ecg_tl.files import write_text
from ecg_tl.lock import try_lock
from ecg_tl.study.design.folder import RunFolder
from ecg_tl.study.run.executors.base import Executor
from ecg_tl.study.run.job import Job, JobReport

JobState = Literal["waiting", "running", "elsewhere", "finished", "failed", "skipped"]
"""`elsewhere`: another process is at it. `skipped`: what it starts from failed."""

OVER: frozenset[JobState] = frozenset({"finished", "failed", "skipped"})

REDONE = 2
"""How often a run is done again whose process ended in the middle of it."""

POLL_SECONDS = 0.5
"""Between looks at what other processes do, and at the clock."""


@dataclass(frozen=True)
class Event:
    """Something that became of a run.

    Attributes:
        run_id: Which.
        state: What it is now.
        note: What there is to say: the error, who has it, why it waits again.
    """

    run_id: str
    state: JobState
    note: str | None = None


@dataclass(frozen=True)
class StudyEnd:
    """What became of a study's runs.

    Attributes:
        finished: Ids of the runs that are finished, those of earlier times included.
        failed: For each run that failed its error, in a line.
        skipped: For each run that was not begun the reason.
        interrupted: Whether it was asked to stop before the end.
    """

    finished: tuple[str, ...]
    failed: dict[str, str]
    skipped: dict[str, str]
    interrupted: bool = False


@dataclass
class Scheduler:
    """Hands jobs to an executor until every run is over.

    Attributes:
        jobs: By run id, each after what it depends on.
        executor: Does them.
        on_event: Called at every change.
        on_tick: Called now and then.
        states: Of the runs.
        notes: Errors of those that failed, reasons of those that were skipped.
    """

    jobs: Mapping[str, Job]
    executor: Executor
    on_event: Callable[[Event], None] = lambda event: None
    on_tick: Callable[[], None] = lambda: None
    states: dict[str, JobState] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    _lost: dict[str, int] = field(default_factory=dict)
    _failed_before: dict[str, int | None] = field(default_factory=dict)

    def run(self) -> StudyEnd:
        """Do all runs that are not finished; return when each is finished, failed or skipped."""
        for run_id, job in self.jobs.items():
            self.states[run_id] = "finished" if job.run_folder.finished else "waiting"
            self._failed_before[run_id] = _written(job.run_folder)
        while not all(state in OVER for state in self.states.values()):
            self._look_elsewhere()
            self._skip()
            self._submit()
            if self._in("running") or self._in("elsewhere"):
                for report in self._wait():
                    self._take(report)
            self.on_tick()
        return self.outcome()

    def outcome(self, interrupted: bool = False) -> StudyEnd:
        """Say what has become of the runs so far."""
        return StudyEnd(
            finished=tuple(self._in("finished")),
            failed={run_id: self.notes[run_id] for run_id in self._in("failed")},
            skipped={run_id: self.notes[run_id] for run_id in self._in("skipped")},
            interrupted=interrupted,
        )

    def _in(self, *states: JobState) -> list[str]:
        return [run_id for run_id, state in self.states.items() if state in states]

    def _set(self, run_id: str, state: JobState, note: str | None = None) -> None:
        self.states[run_id] = state
        if note is not None:
            self.notes[run_id] = note
        self.on_event(Event(run_id, state, note))

    def _wait(self) -> Iterable[JobReport]:
        if self._in("running"):
            return self.executor.wait(POLL_SECONDS)
        time.sleep(POLL_SECONDS)
        return ()

    # What can be done -----------------------------------------------------------------------------------

    def _ready(self, job: Job) -> bool:
        needs, after = job.run.needs, job.run.after
        return self._state(needs) == "finished" and self._state(after) in OVER

    def _state(self, run_id: str | None) -> JobState:
        # What is no part of this plan, or of none, is waited for by nobody.
        return "finished" if run_id is None else self.states.get(run_id, "finished")

    def _skip(self) -> None:
        for run_id in self._in("waiting"):
            needs = self.jobs[run_id].run.needs
            if needs is not None and self._state(needs) in ("failed", "skipped"):
                self._set(run_id, "skipped", f"its upstream {needs} {self._state(needs)}")

    def _submit(self) -> None:
        free = self.executor.slots - len(self._in("running"))
        for run_id in self._in("waiting"):
            if free <= 0:
                return
            job = self.jobs[run_id]
            if self._ready(job) and not self._over_elsewhere(run_id):
                self._set(run_id, "running")
                self.executor.submit(job)
                free -= 1

    # What has become of it ------------------------------------------------------------------------------

    def _take(self, report: JobReport) -> None:
        run_id = report.run_id
        if report.outcome == "finished":
            self._set(run_id, "finished")
        elif report.outcome == "busy":
            self._set(run_id, "elsewhere", "another process is at it")
        elif report.outcome == "failed":
            self._set(run_id, "failed", report.error or "no reason given")
        else:
            self._lost[run_id] = self._lost.get(run_id, 0) + 1
            self._failed_before[run_id] = _written(self.jobs[run_id].run_folder)  # by ourselves
            note = report.error or "its process ended"
            if self._lost[run_id] <= REDONE:
                self._set(run_id, "waiting", f"{note}; it is done again from its last checkpoint")
            else:
                note = f"{note}, {self._lost[run_id]} times"
                _write_error(self.jobs[run_id].run_folder, note)
                self._set(run_id, "failed", note)

    def _look_elsewhere(self) -> None:
        """See what has become of runs that other processes have begun."""
        for run_id in self._in("elsewhere"):
            with try_lock(self.jobs[run_id].run_folder.lock) as state:
                if state != "busy" and not self._over_elsewhere(run_id):
                    self._set(run_id, "waiting")  # its process is gone

    def _over_elsewhere(self, run_id: str) -> bool:
        """Note whether another process has finished a run since, or failed at it."""
        run_folder = self.jobs[run_id].run_folder
        if run_folder.finished:
            self._set(run_id, "finished")
        elif _written(run_folder) != self._failed_before[run_id]:
            self._set(run_id, "failed", run_folder.failure() or "no reason given")
        return self.states[run_id] in OVER


def _written(run_folder: RunFolder) -> int | None:
    """Return when the run's last error was written."""
    try:
        return run_folder.error.stat().st_mtime_ns
    except OSError:
        return None


def _write_error(run_folder: RunFolder, note: str) -> None:
    write_text(run_folder.error, f"{note}\n\nWhat it wrote last is in {run_folder.log}.\n")
