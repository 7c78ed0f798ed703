"""What a study is doing now, and how long it will still take, on the terminal or in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecg_tl import terminal
from ecg_tl.study.design.estimate import DEFAULT_EPOCHS, makespan
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.job import Job
from ecg_tl.terminal import BarColumn, Console, Progress, TaskID

if TYPE_CHECKING:
    from ecg_tl.study.run.scheduler import Event, JobState

SILENCE_SECONDS = 60.0
"""After which a log hears of a study in which nothing has changed."""

RECKON_SECONDS = 5.0
"""Between reckonings of the time to go, which goes through all runs."""


class Pace:
    """How much of a study is done, and what is left of it at the pace that was measured.

    A run counts by its estimated seconds, and one that is in work by its share of epochs. What has been done
    since the start, against the seconds that it took, corrects the estimates of all that is left; so does the
    neighbour that shares the machine.

    Args:
        jobs: By run id.
        estimates: Seconds of runs; where there is none, a run counts by its epochs.
        slots: How many run at once.
    """

    def __init__(self, jobs: Mapping[str, Job], estimates: Mapping[str, float], slots: int) -> None:
        self.jobs = jobs
        self.slots = slots
        self.measured = False
        epochs = {run_id: _max_epochs(job) for run_id, job in jobs.items()}
        known = [run_id for run_id in jobs if run_id in estimates]
        self._estimated = bool(known)
        an_epoch = sum(estimates[i] for i in known) / sum(epochs[i] for i in known) if known else 1.0
        self.seconds = {i: estimates.get(i, epochs[i] * an_epoch) for i in jobs}
        self.share = {run_id: _share_done(job) for run_id, job in jobs.items()}
        self._began: dict[str, tuple[float, float]] = {}  # clock and share when a run was begun
        self._taken = self._done = 0.0  # seconds of runs that are over, taken and estimated

    def begin(self, run_id: str) -> None:
        """Note that a run is begun."""
        self.share[run_id] = _share_done(self.jobs[run_id])
        self._began[run_id] = (time.monotonic(), self.share[run_id])

    def look(self, run_id: str) -> None:
        """Note how far a run has come."""
        self.share[run_id] = max(self.share[run_id], _share_done(self.jobs[run_id]))

    def end(self, run_id: str, finished: bool) -> float | None:
        """Note that a run is over; return its seconds, if it was begun here."""
        began, before = self._began.pop(run_id, (None, 0.0))
        self.share[run_id] = 1.0
        if began is None:
            return None
        seconds = time.monotonic() - began
        if finished:
            self._taken += seconds
            self._done += self.seconds[run_id] * (1 - before)
        return seconds

    @property
    def correction(self) -> float:
        """Seconds that are taken for an estimated one; 1 while nothing has been measured."""
        taken, done = self._taken, self._done
        for run_id, (began, before) in self._began.items():
            if self.share[run_id] > before:
                taken += time.monotonic() - began
                done += self.seconds[run_id] * (self.share[run_id] - before)
        self.measured = done > 0
        return taken / done if self.measured else 1.0

    @property
    def done(self) -> float:
        """Share of the work that is done."""
        total = sum(self.seconds.values())
        return sum(self.seconds[i] * self.share[i] for i in self.jobs) / total if total else 1.0

    def seconds_to_go(self, states: Mapping[str, JobState]) -> float | None:
        """Return what is left, run after run on the given slots; None while there is nothing to go by."""
        correction = self.correction
        if not (self.measured or self._estimated):
            return None
        left = [i for i, state in states.items() if state in ("waiting", "running", "elsewhere")]
        # Those in work have their slots already.
        left.sort(key=lambda i: states[i] == "waiting")
        seconds = {i: self.seconds[i] * (1 - self.share[i]) * correction for i in left}
        return makespan([self.jobs[i].run for i in left], seconds, self.slots)


class StudyProgress:
    """Shows a study's progress: bars on a terminal, lines elsewhere.

    Args:
        jobs: By run id.
        states: Of the runs, as the scheduler keeps them.
        estimates: Seconds of runs, as far as they are known.
        slots: How many run at once.
        shown: False for silence.
        console: Where it is shown; standard error if None.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        states: Mapping[str, JobState],
        estimates: Mapping[str, float],
        slots: int,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self.jobs = jobs
        self.states = states
        self.pace = Pace(jobs, estimates, slots)
        self.console = console or terminal.console(stderr=True)
        self.shown = shown
        self._bars: Progress | None = None
        self._study = TaskID(0)
        self._rows: dict[str, TaskID] = {}
        self._to_go: str = ""
        self._reckoned = self._spoke = float("-inf")
        if shown and self.console.is_terminal:
            columns = (
                terminal.text_column("{task.description}"),
                BarColumn(20),
                terminal.text_column("{task.fields[said]}"),
            )
            self._bars = Progress(*columns, console=self.console, transient=True)
            self._study = self._bars.add_task("study", total=1.0, said="")
            self._bars.start()

    def event(self, event: Event) -> None:
        """Tell of a change."""
        seconds = None
        if event.state == "running":
            self.pace.begin(event.run_id)
        elif event.state != "elsewhere":
            seconds = self.pace.end(event.run_id, finished=event.state == "finished")
            if event.state == "waiting":  # once more
                self.pace.share[event.run_id] = 0.0
                self.pace.look(event.run_id)
        self._reckoned = float("-inf")
        self._row(event)
        if self._bars is not None and event.state in ("running", "elsewhere"):
            return  # the bars show it
        took = f" in {_duration(seconds)}" if seconds is not None and event.state == "finished" else ""
        what = {"running": "begun", "waiting": "again", "elsewhere": "left"}.get(event.state, event.state)
        self._say(f"{what} {event.run_id}{took}" + (f": {event.note}" if event.note else ""))

    def tick(self) -> None:
        """Bring what is shown up to date."""
        if not self.shown:
            return
        working = [run_id for run_id, state in self.states.items() if state == "running"]
        for run_id, state in self.states.items():
            if state in ("running", "elsewhere"):
                self.pace.look(run_id)
        if time.monotonic() - self._reckoned > RECKON_SECONDS:
            self._reckoned = time.monotonic()
            seconds = self.pace.seconds_to_go(self.states)
            self._to_go = "" if seconds is None else f"about {_duration(seconds)} to go"
        if self._bars is not None:
            self._bars.update(self._study, completed=self.pace.done, said=self._summary())
            for run_id, row in self._rows.items():
                epochs, most = _epochs(self.jobs[run_id])
                self._bars.update(row, completed=epochs, total=most, said=f"epoch {epochs} of {most}")
        elif time.monotonic() - self._spoke > SILENCE_SECONDS:
            at = ", ".join("{} at epoch {} of {}".format(i, *_epochs(self.jobs[i])) for i in working)
            self._say(f"in work: {at or 'nothing here'}")

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line beside whatever is shown."""
        if self.shown:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._spoke = time.monotonic()

    def _say(self, line: str) -> None:
        self.say(f"[{self._summary()}] {line}")

    def _summary(self) -> str:
        states = list(self.states.values())
        parts = [f"{states.count('finished')} of {len(states)} runs finished"]
        parts += [f"{n} {state}" for state in ("failed", "skipped") if (n := states.count(state))]
        return ", ".join([*parts, *([self._to_go] if self._to_go else [])])

    def _row(self, event: Event) -> None:
        if self._bars is None:
            return
        if event.state == "running":
            self._rows[event.run_id] = self._bars.add_task(f"  {event.run_id}", said="")
        elif event.run_id in self._rows:
            self._bars.remove_task(self._rows.pop(event.run_id))


def _max_epochs(job: Job) -> int:
    return max(1, int(job.run.config.get("trainer", {}).get("max_epochs") or DEFAULT_EPOCHS))


def _epochs(job: Job) -> tuple[int, int]:
    """Return the epochs that a run has done, and the most that it will do."""
    last = read_attempts(job.run_folder.attempts).last
    return 0 if last is None else last.epochs, _max_epochs(job)


def _share_done(job: Job) -> float:
    if job.run_folder.finished:
        return 1.0
    done, most = _epochs(job)
    return min(done / most, 1.0)


def _duration(seconds: float) -> str:
    """Say a duration as exactly as it is known."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
