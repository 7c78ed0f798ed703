"""What is shown while a study runs, and what its status says."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_study import Done, tiny_study

from ecg_tl.lock import try_lock
from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run import progress as module
from ecg_tl.study.run.attempts import Attempt, Attempts
from ecg_tl.study.run.job import Job, make_jobs
from ecg_tl.study.run.progress import Pace, StudyProgress
from ecg_tl.study.run.scheduler import Event, JobState
from ecg_tl.study.run.status import print_status, study_status


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, Job]:
    """An upstream, a scratch run and a fine-tuned one, of ten epochs."""
    settings = tiny_study(tmp_path, tmp_path, settings={"trainer": {"max_epochs": 10}})
    return make_jobs(settings, make_plan(settings))


def reach(job: Job, epochs: int) -> None:
    attempt = Attempt("2024-01-01", "here", 1, epochs=epochs)
    Attempts((attempt,), 10).write(job.run_folder.attempts)


def finish(job: Job) -> None:
    job.run_folder.path.mkdir(parents=True, exist_ok=True)
    job.run_folder.result.write_text("{}")


def test_time_to_go_follows_the_measured_pace(jobs: dict[str, Job], clock: Clock) -> None:
    upstream, scratch, tuned = jobs
    states: dict[str, JobState] = dict.fromkeys(jobs, "waiting")
    pace = Pace(jobs, {upstream: 100, scratch: 50, tuned: 50}, slots=2)
    # Upstream and scratch at once, then the fine-tuned one.
    assert pace.seconds_to_go(states) == 150
    for run_id in (upstream, scratch):
        pace.begin(run_id)
        states[run_id] = "running"
    # Half of each took twice the time that it should have taken.
    clock.now = 75
    for run_id in (upstream, scratch):
        reach(jobs[run_id], 5)
        pace.look(run_id)
    assert pace.done == pytest.approx(75 / 200)
    assert pace.correction == pytest.approx(150 / 75)
    assert pace.seconds_to_go(states) == pytest.approx(100 + 100)


def test_a_run_that_was_cut_off_counts_what_is_left_of_it(jobs: dict[str, Job], clock: Clock) -> None:
    upstream, scratch, tuned = jobs
    reach(jobs[upstream], 8)
    finish(jobs[scratch])
    pace = Pace(jobs, {upstream: 100, scratch: 50, tuned: 50}, slots=1)
    states: dict[str, JobState] = {upstream: "waiting", scratch: "finished", tuned: "waiting"}
    assert pace.seconds_to_go(states) == pytest.approx(20 + 50)
    pace.begin(upstream)
    clock.now = 10
    reach(jobs[upstream], 9)
    pace.look(upstream)
    assert pace.correction == pytest.approx(1.0)


def test_nothing_is_promised_before_anything_is_known(jobs: dict[str, Job], clock: Clock) -> None:
    upstream, *_ = jobs
    states: dict[str, JobState] = dict.fromkeys(jobs, "waiting")
    pace = Pace(jobs, {}, slots=1)
    assert pace.seconds_to_go(states) is None
    pace.begin(upstream)
    states[upstream] = "running"
    clock.now = 4
    reach(jobs[upstream], 2)
    pace.look(upstream)
    assert pace.seconds_to_go(states) == pytest.approx(2 * (8 + 10 + 10))


def shown(jobs: dict[str, Job], terminal: bool) -> tuple[StudyProgress, io.StringIO, dict[str, JobState]]:
    text = io.StringIO()
    states: dict[str, JobState] = dict.fromkeys(jobs, "waiting")
    console = Console(file=text, force_terminal=terminal, width=120, color_system=None)
    return StudyProgress(jobs, states, {}, 1, True, console), text, states


def change(progress: StudyProgress, states: dict[str, JobState], event: Event) -> None:
    states[event.run_id] = event.state
    progress.event(event)
    progress.tick()


def test_lines_in_a_log(jobs: dict[str, Job], clock: Clock) -> None:
    upstream, scratch, tuned = jobs
    progress, text, states = shown(jobs, terminal=False)
    change(progress, states, Event(upstream, "running"))
    clock.now = 30
    reach(jobs[upstream], 10)
    finish(jobs[upstream])
    change(progress, states, Event(upstream, "finished"))
    change(progress, states, Event(scratch, "running"))
    change(progress, states, Event(scratch, "failed", "no [bold]data[/bold]"))
    change(progress, states, Event(tuned, "running"))
    clock.now = 200
    progress.tick()
    progress.close()
    lines = text.getvalue().splitlines()
    assert lines[0] == f"[0 of 3 runs finished] begun {upstream}"
    assert lines[1] == f"[1 of 3 runs finished] finished {upstream} in 30 s"
    assert lines[3].endswith(f"failed {scratch}: no [bold]data[/bold]")
    assert "1 failed, about 30 s to go" in lines[4]
    assert f"{tuned} at epoch 0 of 10" in lines[5]
    assert len(lines) == 6


def test_bars_on_a_terminal(jobs: dict[str, Job], clock: Clock) -> None:
    upstream, scratch, _ = jobs
    progress, text, states = shown(jobs, terminal=True)
    change(progress, states, Event(upstream, "running"))
    reach(jobs[upstream], 4)
    progress.tick()
    progress.close()
    assert "epoch 4 of 10" in text.getvalue()
    change(progress, states, Event(scratch, "failed", "too bad"))
    assert f"failed {scratch}: too bad" in text.getvalue()


def test_silence(jobs: dict[str, Job], capsys: pytest.CaptureFixture[str]) -> None:
    progress = StudyProgress(jobs, dict.fromkeys(jobs, "waiting"), {}, 1, shown=False)
    progress.event(Event(next(iter(jobs)), "running"))
    progress.tick()
    progress.close()
    assert capsys.readouterr() == ("", "")


# Status -----------------------------------------------------------------------------------------------------


@pytest.fixture
def half_done(finished: Done, tmp_path: Path) -> Done:
    """A copy of the finished study: its scratch run failed, its control was cut off, one is not begun."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    copy = Done(replace(finished.settings, folder=str(tmp_path)), finished.plan, tmp_path)
    run_folder_of(copy, "scratch").result.unlink()
    run_folder_of(copy, "scratch").error.write_text("SettingError: no such thing\n\nTraceback ...\n")
    run_folder_of(copy, "control").result.unlink()
    shutil.rmtree(run_folder_of(copy, "fine-tuned").path)
    return copy


def run_folder_of(done: Done, kind: str) -> RunFolder:
    run = next(run for run in done.plan.runs if run.kind == kind)
    return StudyFolder(done.folder).run(run.id)


def states_of(done: Done) -> dict[str, str]:
    return {status.run.kind: status.state for status in study_status(done.settings, done.plan.runs)}


def test_states(half_done: Done) -> None:
    assert states_of(half_done) == {
        "upstream": "finished",
        "scratch": "failed",
        "fine-tuned": "waiting",
        "control": "cut off",
    }
    with try_lock(run_folder_of(half_done, "scratch").lock):
        assert states_of(half_done)["scratch"] == "running"
    run_folder_of(half_done, "upstream").result.unlink()
    run_folder_of(half_done, "upstream").error.write_text("too bad\n")
    assert states_of(half_done)["fine-tuned"] == "skipped"


def test_a_study_that_was_never_run(roots: Path, tmp_path: Path) -> None:
    settings = tiny_study(tmp_path / "none", roots)
    assert {status.state for status in study_status(settings, make_plan(settings).runs)} == {"waiting"}
    assert not (tmp_path / "none").exists()


def test_status_shows_errors(half_done: Done) -> None:
    text = io.StringIO()
    print_status(study_status(half_done.settings, half_done.plan.runs), console=Console(file=text, width=60))
    printed = text.getvalue()
    assert printed.startswith("4 runs: 1 finished, 1 waiting, 1 cut off, 1 failed")
    scratch = next(run for run in half_done.plan.runs if run.kind == "scratch")
    assert f"{scratch.id}: SettingError: no such thing" in printed
    assert str(run_folder_of(half_done, "scratch").log) in printed
    for run in half_done.plan.runs:
        assert run.id in printed
