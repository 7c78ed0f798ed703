"""A study on processes of this machine: failures, lost workers, two commands at once, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from child_processes import importing
from tiny_study import Done, states_of_files, tiny_study

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan, Run
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.run import launch
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.executors.local import LocalExecutor
from ecg_tl.study.run.job import Job, JobReport, make_jobs
from ecg_tl.study.run.launch import local_executor, run_study, schedule
from ecg_tl.study.run.status import study_status

HERE = Path(__file__).parent


def children() -> set[int]:
    """Processes that this one has started and not yet collected, zombies among them."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(map(int, listed.read_text().split()))


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


@pytest.fixture
def study(roots: Path, prepared: Path, tmp_path: Path) -> StudySettings:
    return tiny_study(tmp_path / "study", roots, store_dir=str(prepared))


def run_folder_of(settings: StudySettings, run: Run) -> RunFolder:
    return StudyFolder(Path(settings.folder)).run(run.id)


def executor() -> LocalExecutor:
    """Processes that have imported everything already: these tests start many."""
    return LocalExecutor([{}, {}], start_method="fork")


@contextmanager
def when(condition: Callable[[], object], then: Callable[[], None]) -> Iterator[None]:
    """Do something as soon as a condition holds, beside what is done meanwhile."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            if condition():
                then()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_number_of_processes_and_their_shares(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = list(make_jobs(study, make_plan(study)).values())
    monkeypatch.setattr("ecg_tl.study.run.launch.count_cores", lambda: 8)
    monkeypatch.setattr("ecg_tl.study.run.launch.memory_bytes", lambda: 2**40)
    assert local_executor(jobs * 10, None, 1).slots == 8
    assert local_executor(jobs * 10, 2, 1).slots == 2
    assert local_executor(jobs[:2], None, 1).slots == 2
    three = [replace(job, run=replace(job.run, config={"speed": {"threads": 3}})) for job in jobs]
    assert local_executor(three * 10, None, 1).slots == 2
    assert local_executor(three * 10, None, 1)._environments[0]["OMP_NUM_THREADS"] == "3"
    monkeypatch.setattr("ecg_tl.study.run.launch.memory_bytes", lambda: 5 * 2**30)
    assert local_executor(jobs * 10, None, 1).slots == 2


def test_processes_on_gpus(study: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere = tiny_study(Path(study.folder), Path("/nowhere"), settings={})
    jobs = list(make_jobs(anywhere, make_plan(anywhere)).values()) * 10
    monkeypatch.setattr("ecg_tl.study.run.launch.count_gpus", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    two = local_executor(jobs, None, 2)
    assert [run_folder["CUDA_VISIBLE_DEVICES"] for run_folder in two._environments] == ["0", "1", "0", "1"]
    assert two._device_share == 0.5
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    named = local_executor(jobs, None, 1)
    assert [run_folder["CUDA_VISIBLE_DEVICES"] for run_folder in named._environments] == ["5", "GPU-abc"]
    with pytest.raises(SettingError, match="runs_per_gpu"):
        local_executor(jobs, 3, 1)
    # Where all runs are to be on the CPU, GPUs are hidden from them.
    on_cpu = local_executor(list(make_jobs(study, make_plan(study)).values()), 2, 1)
    assert [run_folder["CUDA_VISIBLE_DEVICES"] for run_folder in on_cpu._environments] == ["", ""]


@pytest.mark.slow
def test_one_that_fails_does_not_stop_the_others(study: StudySettings, roots: Path) -> None:
    broken = {"scratch": study.arms["scratch"], "full": study.arms["full"]}
    from ecg_tl.study.design.settings import Arm

    broken["bad"] = Arm(transfer={"phases": [{"epoch": 0, "train": ["nonsense"]}]})
    settings = tiny_study(Path(study.folder), roots, store_dir=study.store_dir, arms=broken)
    plan = make_plan(settings)
    outcome = schedule(make_jobs(settings, plan), executor(), progress=False, estimates={})
    (bad,) = [run for run in plan.runs if run.arm == "bad"]
    assert set(outcome.finished) == {run.id for run in plan.runs} - {bad.id}
    assert "nonsense" in outcome.failed[bad.id]
    (failed,) = [status for status in study_status(settings, plan.runs) if status.state == "failed"]
    assert failed.error == outcome.failed[bad.id]
    assert "Traceback" in run_folder_of(settings, bad).error.read_text()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_run_gone_on_with(study: StudySettings) -> None:
    plan = make_plan(study)
    scratch = next(run for run in plan.runs if run.kind == "scratch")
    run_folder = run_folder_of(study, scratch)
    local = executor()

    def kill() -> None:
        os.kill(read_attempts(run_folder.attempts).all[-1].pid, signal.SIGKILL)

    with when(lambda: run_folder.metrics.is_file(), kill):
        outcome = schedule(make_jobs(study, plan), local, progress=False, estimates={})
    assert len(outcome.finished) == len(plan.runs)
    assert [one.outcome for one in read_attempts(run_folder.attempts).all] == ["cut off", "finished"]


def test_a_run_whose_worker_always_ends(study: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(tuple(run for run in make_plan(study).runs if run.kind == "scratch"))

    def end(job: Job) -> JobReport:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr("ecg_tl.study.run.execute.execute", end)
    outcome = schedule(make_jobs(study, plan), executor(), progress=False, estimates={})
    (error,) = outcome.failed.values()
    assert "SIGKILL" in error
    assert "memory" in error
    assert "3 times" in error
    assert run_folder_of(study, plan.runs[0]).failure() == error


def test_a_study_that_is_finished_starts_no_process(finished: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "local_executor", None)
    before = states_of_files(finished.folder)
    outcome = run_study(finished.settings, finished.plan)
    assert outcome.finished == tuple(run.id for run in finished.plan.runs)
    assert states_of_files(finished.folder) == before


def test_a_folder_that_cannot_be_written(roots: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = tiny_study(tmp_path / "file" / "study", roots)
    with pytest.raises(StoreError, match="--folder"):
        run_study(settings, make_plan(settings))


@pytest.mark.parametrize("setting", ["concurrent", "runs_per_gpu"])
def test_numbers_that_make_no_sense(setting: str, study: StudySettings) -> None:
    with pytest.raises(SettingError, match=setting):
        run_study(study, make_plan(study), **{setting: 0})


# The whole command's processes ------------------------------------------------------------------------------


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """What runs a study in a process group of its own, as from a terminal."""
    started: list[subprocess.Popen[str]] = []

    def start_one(settings: StudySettings, method: str = "fork") -> subprocess.Popen[str]:
        started.append(_start(settings, method))
        return started[-1]

    yield start_one
    for command in started:
        assert command.stdout is not None
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
        if not command.stdout.closed:
            print(command.communicate()[0])  # what a failing test is to be understood by


def _start(settings: StudySettings, method: str) -> subprocess.Popen[str]:
    roots = Path(settings.upstreams["ptbxl"]["data"]["init_args"]["root"]).parent
    words = [settings.folder, str(roots), str(settings.store_dir), method]
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_tiny_study.py"), *words],
        env=importing(HERE),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def in_group(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_for(
    condition: Callable[[], object], seconds: float = 200, command: subprocess.Popen[str] | None = None
) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert command is None or command.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
def test_two_commands_share_a_study(start: Start, study: StudySettings) -> None:
    plan = make_plan(study)
    commands = [start(study, "spawn") for _ in range(2)]
    outputs = [command.communicate(timeout=900)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    for run in plan.runs:
        assert [one.outcome for one in read_attempts(run_folder_of(study, run).attempts).all] == ["finished"]
    assert all("3 finished, 0 failed" in output for output in outputs), outputs


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_interrupted_ends_quickly_and_goes_on(ending: str, start: Start, study: StudySettings) -> None:
    upstream = run_folder_of(study, make_plan(study).runs[0])
    command = start(study)
    wait_for(upstream.metrics.is_file, command=command)
    began = time.monotonic()
    if ending == "SIGINT":  # Ctrl-C reaches the whole group
        os.killpg(command.pid, signal.SIGINT)
    else:
        command.terminate()
    output, _ = command.communicate(timeout=300)
    assert time.monotonic() - began < 20
    assert command.returncode == 130
    assert "The same command goes on" in output
    assert "Traceback" not in output
    wait_for(lambda: not in_group(command.pid), 20)  # multiprocessing's own helper ends a moment later
    assert not upstream.error.exists()


@pytest.mark.slow
def test_workers_end_with_a_scheduler_that_is_killed(start: Start, study: StudySettings) -> None:
    upstream = run_folder_of(study, make_plan(study).runs[0])
    command = start(study)
    wait_for(upstream.attempts.is_file, command=command)
    command.kill()
    command.communicate(timeout=300)
    wait_for(lambda: not in_group(command.pid), 20)
