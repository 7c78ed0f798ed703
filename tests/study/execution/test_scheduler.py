"""Order, dependencies, failures, lost workers and other processes, without any training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.lock import try_lock
from ecg_tl.study.design.runs import Run
from ecg_tl.study.run import scheduler as module
from ecg_tl.study.run.job import Job, JobEnd, JobReport
from ecg_tl.study.run.launch import schedule
from ecg_tl.study.run.scheduler import REDONE, Event, Scheduler


def job(folder: Path, run_id: str, needs: str | None = None, after: str | None = None) -> Job:
    kind = "scratch" if needs is None else "fine-tuned"
    run = Run(run_id, kind, "d", None, "n", "a", None, 0, {}, "strict", needs, after, {})  # type: ignore[arg-type]
    return Job("study", run, folder)


def jobs(folder: Path, *chains: tuple[str, str | None, str | None]) -> dict[str, Job]:
    return {run_id: job(folder, run_id, needs, after) for run_id, needs, after in chains}


@dataclass
class FakeExecutor:
    """Does jobs by a function, the last submitted first."""

    do: Callable[[Job], JobEnd]
    slots: int = 2
    done: list[str] = field(default_factory=list)
    working: list[Job] = field(default_factory=list)
    most: int = 0
    closed: bool = False

    def submit(self, job: Job) -> None:
        self.working.append(job)
        self.most = max(self.most, len(self.working))

    def wait(self, seconds: float) -> list[JobReport]:
        job = self.working.pop()
        self.done.append(job.run.id)
        outcome = self.do(job)
        if outcome == "finished":
            job.run_folder.path.mkdir(parents=True, exist_ok=True)
            job.run_folder.result.write_text("{}")
        return [JobReport(job.run.id, outcome, None if outcome == "finished" else f"{outcome}: {job.run.id}")]

    def close(self) -> None:
        self.closed = True


def all_well(job: Job) -> JobEnd:
    return "finished"


CHAIN = (("up", None, None), ("scratch", None, None), ("tuned", "up", "scratch"), ("other", "up", None))


def test_every_run_after_what_it_depends_on(tmp_path: Path) -> None:
    executor = FakeExecutor(all_well)
    outcome = Scheduler(jobs(tmp_path, *CHAIN), executor).run()
    assert outcome.finished == ("up", "scratch", "tuned", "other")
    assert sorted(executor.done) == ["other", "scratch", "tuned", "up"]
    assert executor.done.index("tuned") > max(executor.done.index("up"), executor.done.index("scratch"))
    assert executor.most == 2


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_graph_is_done_once_and_in_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    names = [f"r{i}" for i in range(data.draw(st.integers(1, 12)))]
    chains = []
    for number, name in enumerate(names):
        before = st.none() | st.sampled_from(names[:number]) if number else st.none()
        chains.append((name, data.draw(before), data.draw(before)))
    failing = set(data.draw(st.lists(st.sampled_from(names), max_size=3)))
    executor = FakeExecutor(
        lambda job: "failed" if job.run.id in failing else "finished", slots=data.draw(st.integers(1, 4))
    )
    all_jobs = jobs(folder, *chains)
    outcome = Scheduler(all_jobs, executor).run()
    assert len(executor.done) == len(set(executor.done))
    assert {*outcome.finished, *outcome.failed, *outcome.skipped} == set(names)
    for name in executor.done:
        needs, after = all_jobs[name].run.needs, all_jobs[name].run.after
        assert needs is None or needs in outcome.finished
        for earlier in {needs, after} - {None}:
            if earlier in executor.done:
                assert executor.done.index(earlier) < executor.done.index(name)
    for name in outcome.skipped:
        assert all_jobs[name].run.needs in {*outcome.failed, *outcome.skipped}


def test_finished_runs_are_not_done_again(tmp_path: Path) -> None:
    first = FakeExecutor(all_well)
    Scheduler(jobs(tmp_path, *CHAIN[:2]), first).run()
    second = FakeExecutor(all_well)
    outcome = Scheduler(jobs(tmp_path, *CHAIN), second).run()
    assert sorted(second.done) == ["other", "tuned"]
    assert len(outcome.finished) == 4


def test_a_failed_upstream_skips_what_starts_from_it_and_nothing_else(tmp_path: Path) -> None:
    events: list[Event] = []
    executor = FakeExecutor(lambda job: "failed" if job.run.id == "up" else "finished")
    outcome = Scheduler(jobs(tmp_path, *CHAIN), executor, on_event=events.append).run()
    assert outcome.finished == ("scratch",)
    assert outcome.failed == {"up": "failed: up"}
    assert outcome.skipped == dict.fromkeys(("tuned", "other"), "its upstream up failed")
    assert {event.run_id for event in events if event.state == "skipped"} == {"tuned", "other"}


def test_a_failed_scratch_run_stops_nothing(tmp_path: Path) -> None:
    executor = FakeExecutor(lambda job: "failed" if job.run.id == "scratch" else "finished")
    outcome = Scheduler(jobs(tmp_path, *CHAIN), executor).run()
    assert set(outcome.finished) == {"up", "tuned", "other"}


def test_lost_runs_are_done_again_and_at_last_given_up(tmp_path: Path) -> None:
    lives = {"scratch": REDONE, "up": REDONE + 1}

    def do(job: Job) -> JobEnd:
        lives[job.run.id] = lives.get(job.run.id, 0) - 1
        return "lost" if lives[job.run.id] >= 0 else "finished"

    executor = FakeExecutor(do)
    outcome = Scheduler(jobs(tmp_path, *CHAIN), executor).run()
    assert outcome.finished == ("scratch",)
    assert executor.done.count("scratch") == executor.done.count("up") == REDONE + 1
    assert outcome.failed == {"up": "lost: up, 3 times"}
    run_folder = job(tmp_path, "up").run_folder
    assert run_folder.failure() == "lost: up, 3 times"
    assert str(run_folder.log) in run_folder.error.read_text()


# Another process at the same study --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)


@contextmanager
def someone_at(job: Job) -> Iterator[None]:
    job.run_folder.lock.parent.mkdir(parents=True, exist_ok=True)
    job.run_folder.path.mkdir(parents=True, exist_ok=True)
    with try_lock(job.run_folder.lock) as state:
        assert state == "held"
        yield


def test_a_run_that_is_done_elsewhere_is_waited_for(tmp_path: Path) -> None:
    all_jobs = jobs(tmp_path, ("up", None, None), ("tuned", "up", None))
    elsewhere = someone_at(all_jobs["up"])
    elsewhere.__enter__()
    ticks = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            all_jobs["up"].run_folder.result.write_text("{}")
            elsewhere.__exit__(None, None, None)

    executor = FakeExecutor(lambda job: "busy" if job.run.id == "up" else "finished")
    outcome = Scheduler(all_jobs, executor, on_tick=tick).run()
    assert outcome.finished == ("up", "tuned")
    assert executor.done == ["up", "tuned"]
    assert len(ticks) > 3


@pytest.mark.parametrize("failed", [False, True], ids=["killed", "failed"])
def test_a_run_that_ends_elsewhere_without_a_result(failed: bool, tmp_path: Path) -> None:
    all_jobs = jobs(tmp_path, ("up", None, None))
    elsewhere = someone_at(all_jobs["up"])
    elsewhere.__enter__()

    def tick() -> None:
        if failed:
            all_jobs["up"].run_folder.error.write_text("too bad\n\n...")
        elsewhere.__exit__(None, None, None)

    calls: list[str] = []

    def do(job: Job) -> JobEnd:
        calls.append(job.run.id)
        return "busy" if len(calls) == 1 else "finished"

    outcome = Scheduler(all_jobs, FakeExecutor(do), on_tick=tick).run()
    assert outcome.failed == ({"up": "too bad"} if failed else {})
    assert calls == (["up"] if failed else ["up", "up"])


@pytest.mark.parametrize("failed", [False, True])
def test_what_another_process_has_done_meanwhile_is_not_begun(failed: bool, tmp_path: Path) -> None:
    all_jobs = jobs(tmp_path, ("first", None, None), ("second", None, None))

    def do(job: Job) -> JobEnd:
        run_folder = all_jobs["second"].run_folder
        run_folder.path.mkdir(parents=True)
        (run_folder.error if failed else run_folder.result).write_text("too bad\n")
        return "finished"

    executor = FakeExecutor(do, slots=1)
    outcome = Scheduler(all_jobs, executor).run()
    assert executor.done == ["first"]
    assert outcome.failed == ({"second": "too bad"} if failed else {})
    assert len(outcome.finished) == 2 - failed


# Interrupted ------------------------------------------------------------------------------------------------


def test_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def do(job: Job) -> JobEnd:
        if job.run.id == "up":
            raise KeyboardInterrupt
        return "finished"

    executor = FakeExecutor(do)
    outcome = schedule(jobs(tmp_path, *CHAIN), executor, progress=True, estimates={})
    assert outcome.interrupted
    assert outcome.finished == ("scratch",)
    assert executor.closed
    assert "1 of 4 runs are finished. The same command goes on" in capsys.readouterr().err
