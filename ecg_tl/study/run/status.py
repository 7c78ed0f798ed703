"""How far a study's runs are: what `ecg-tl study status` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecg_tl import terminal
from ecg_tl.lock import try_lock
from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.design.runs import PlannedRun
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.threads import uneven_threads
from ecg_tl.terminal import SIMPLE_HEAD, Console, Table, Text

RunState = Literal["finished", "running", "failed", "cut off", "waiting", "skipped"]
"""`cut off`: begun, not finished, and no process is at it. `skipped`: what it starts from failed."""

STYLES: dict[RunState, str] = {
    "failed": "red",
    "skipped": "yellow",
    "cut off": "yellow",
    "running": "cyan",
    "waiting": "",
    "finished": "green",
}
"""In the order in which they are shown."""

MANY = 40
"""Runs of which those that are finished or waiting are only counted."""


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        run: The run.
        state: What it is now.
        epochs: Epochs done.
        max_epochs: Most that it trains for; None before it is begun.
        wall_seconds: That it was worked on.
        attempts: How often it was taken up.
        error: Why it failed, in a line; why it is skipped.
        log: The file that holds what it wrote.
        threads: Of its process on the CPU; None before it is begun, and where it is not known.
    """

    run: PlannedRun
    state: RunState
    epochs: int
    max_epochs: int | None
    wall_seconds: float
    attempts: int
    error: str | None
    log: Path
    threads: int | None


def study_status(settings: StudySettings, runs: Iterable[PlannedRun]) -> list[RunStatus]:
    """Look at a study's folder, and change nothing in it.

    Args:
        settings: The study.
        runs: Its runs, each after what it starts from.

    Returns:
        A status for each run, in their order.
    """
    folder = StudyFolder(Path(settings.folder))
    statuses: dict[str, RunStatus] = {}
    for run in runs:
        run_folder = folder.run(run.id)
        attempts = read_attempts(run_folder.attempts)
        state, error = _state(run, run_folder, bool(attempts.all), statuses)
        last = attempts.last
        statuses[run.id] = RunStatus(
            run=run,
            state=state,
            epochs=0 if last is None else last.epochs,
            max_epochs=attempts.max_epochs,
            wall_seconds=attempts.wall_seconds,
            attempts=len(attempts.all),
            error=error,
            log=run_folder.log,
            threads=None if last is None else last.threads,
        )
    return list(statuses.values())


def _state(
    run: PlannedRun, run_folder: RunFolder, begun: bool, before: dict[str, RunStatus]
) -> tuple[RunState, str | None]:
    if run_folder.finished:
        return "finished", None
    if _held(run_folder):
        return "running", None
    failure = run_folder.failure()
    if failure is not None:
        return "failed", failure
    if begun:
        return "cut off", None
    if run.needs in before and before[run.needs].state in ("failed", "skipped"):
        return "skipped", f"its upstream {run.needs} {before[run.needs].state}"
    return "waiting", None


def _held(run_folder: RunFolder) -> bool:
    if not run_folder.lock.is_file():
        return False
    try:
        with try_lock(run_folder.lock) as state:
            return state == "busy"
    except OSError:  # not ours to write: somebody else's study
        return False


def print_status(
    statuses: Sequence[RunStatus], *, every: bool = False, console: Console | None = None
) -> None:
    """Print how many runs are in which state, a table, and the errors of those that failed.

    Args:
        statuses: Of the runs.
        every: Whether to list the finished and the waiting ones also where there are many.
        console: Where; standard output if None.
    """
    console = console or terminal.console()
    counts = Counter(status.state for status in statuses)
    counted = ", ".join(f"{counts[state]} {state}" for state in reversed(STYLES) if counts[state])
    console.print(f"{len(statuses)} runs: {counted or 'none'}", highlight=False)
    short = every or len(statuses) <= MANY
    listed = [s for s in statuses if short or s.state not in ("finished", "waiting")]
    listed.sort(key=lambda status: list(STYLES).index(status.state))
    table = _table(listed)
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        unbounded = console.options.update(width=1000)
        console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    if listed:
        console.print(table)
    for status in listed:
        if status.error is not None and status.state == "failed":
            console.print(Text(f"{status.run.id}: {status.error}", style="red"), soft_wrap=True)
            console.print(Text(f"  {status.log}"), soft_wrap=True)
    for line in uneven_threads((status.run.describe(), status.threads) for status in statuses):
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _table(statuses: Sequence[RunStatus]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("state")
    for column in ("epochs", "seconds", "attempts"):
        table.add_column(column, justify="right")
    for status in statuses:
        most = "" if status.max_epochs is None else f" of {status.max_epochs}"
        begun = status.attempts > 0
        table.add_row(
            Text(status.run.id),
            Text(status.state, style=STYLES[status.state]),
            f"{status.epochs}{most}" if begun else "",
            f"{status.wall_seconds:.0f}" if begun else "",
            str(status.attempts) if begun else "",
        )
    return table
