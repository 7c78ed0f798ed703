"""Running a study: what `ecg-tl study run` does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.stopping import saying_what_is_left
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.run.executors.base import Executor
from ecg_tl.study.run.executors.local import LocalExecutor
from ecg_tl.study.run.hardware import count_cores, count_gpus, memory_bytes
from ecg_tl.study.run.job import Job, make_jobs
from ecg_tl.study.run.progress import StudyProgress
from ecg_tl.study.run.scheduler import Scheduler, StudyEnd

ExecutorName = Literal["local", "ray"]

BYTES_PER_RUN = 2 * 2**30
"""Memory that a run on the CPU is granted where their number is not given: PyTorch takes half a gigabyte, a
ResNet with its batches one more."""


def run_study(
    settings: StudySettings,
    plan: Plan,
    *,
    executor: ExecutorName = "local",
    concurrent: int | None = None,
    runs_per_gpu: int = 1,
    address: str | None = None,
    progress: bool = True,
    estimates: Mapping[str, float] | None = None,
) -> StudyEnd:
    """Do all runs of a study that are not finished.

    It can be stopped or killed at any moment, and called again: finished runs are not touched, and one that
    was cut off goes on from its last epoch. Several processes, also on several machines with a common folder,
    can call it at once and share the runs. A run that fails does not stop the others.

    Args:
        settings: The study.
        plan: Its runs.
        executor: `local` for processes of this machine, `ray` for a Ray cluster.
        concurrent: Runs at a time; by default what the GPUs, or else the cores and the memory, allow.
        runs_per_gpu: Runs that share a GPU.
        address: Of a running Ray cluster; None starts one on this machine.
        progress: Whether to show how far it is.
        estimates: Seconds of runs, as far as they are known, for the time to go.

    Returns:
        What became of the runs.

    Raises:
        SettingError: If a number is out of range, or Ray is asked for and not installed.
        StoreError: If the study's folder cannot be written.
    """
    for name, number in (("concurrent", concurrent), ("runs_per_gpu", runs_per_gpu)):
        if number is not None and number < 1:
            raise SettingError(name, str(number), "1 or more", "Give a positive number.")
    if executor not in get_args(ExecutorName):
        raise SettingError("executor", repr(executor), "local or ray", "Choose one of these.")
    jobs = make_jobs(settings, plan)
    unfinished = [job for job in jobs.values() if not job.run_folder.finished]
    if not unfinished:
        return StudyEnd(tuple(jobs), {}, {})
    _require_writable(unfinished[0])
    does: Executor
    if executor == "ray":
        does = _ray_executor(
            address, concurrent, 0 if _all_on_cpu(unfinished) else runs_per_gpu, most_threads(unfinished)
        )
    else:
        does = local_executor(unfinished, concurrent, runs_per_gpu)
    return schedule(jobs, does, progress=progress, estimates=estimates or {})


def schedule(
    jobs: Mapping[str, Job], executor: Executor, *, progress: bool, estimates: Mapping[str, float]
) -> StudyEnd:
    """Do jobs on an executor, which is closed in the end, and show how far it is.

    Ctrl-C and SIGTERM end it, and whatever else the command line takes for an end: what is in work is stopped
    at once.
    """
    scheduler = Scheduler(jobs, executor)
    shown = StudyProgress(jobs, scheduler.states, estimates, executor.slots, progress)

    def what_is_left() -> str:
        return (
            f"{len(scheduler.outcome().finished)} of {len(jobs)} runs are finished. The same command goes "
            "on, with those in work from their last epoch."
        )

    scheduler.on_event, scheduler.on_tick = shown.event, shown.tick
    try:
        with _terminated_as_interrupted(), saying_what_is_left(what_is_left):
            outcome = scheduler.run()
    except KeyboardInterrupt:
        outcome = scheduler.outcome(interrupted=True)
    finally:
        shown.close()
        executor.close()
    if outcome.interrupted:
        shown.say(f"Interrupted: {what_is_left()}")
    return outcome


def local_executor(jobs: list[Job], concurrent: int | None, runs_per_gpu: int) -> LocalExecutor:
    """Choose processes for this machine.

    With GPUs, each process has its share of one. Without, or if all runs are to be on the CPU, there are as
    many as cores and memory allow: networks as small as these gain little from several cores, and a run on
    each keeps all of them busy. How many threads a run has is its own setting, and the same on every machine.

    Raises:
        SettingError: If more runs are asked for than fit on the GPUs.
    """
    cores, threads = count_cores(), most_threads(jobs)
    gpus = [] if _all_on_cpu(jobs) else _visible_gpus(count_gpus())
    if gpus:
        most = len(gpus) * runs_per_gpu
        if concurrent is not None and concurrent > most:
            raise SettingError(
                "concurrent",
                f"{concurrent} runs on {len(gpus)} GPU(s)",
                f"at most {most} with runs_per_gpu {runs_per_gpu}",
                "Raise runs_per_gpu.",
            )
        number = min(concurrent or most, len(jobs))
        run_folders = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus * runs_per_gpu][:number]
        return LocalExecutor(run_folders, threads=threads, device_share=1 / runs_per_gpu)
    memory = memory_bytes()
    fitting = max(1, cores // threads)
    if memory is not None:
        fitting = min(fitting, max(1, memory // BYTES_PER_RUN))
    number = min(concurrent or fitting, len(jobs))
    run_folders = [{"CUDA_VISIBLE_DEVICES": ""}] * number
    return LocalExecutor(run_folders, threads=threads)


def most_threads(jobs: Iterable[Job]) -> int:
    """Return how many threads a job needs at most."""
    return max(job.run.threads for job in jobs)


def _ray_executor(address: str | None, concurrent: int | None, runs_per_gpu: int, threads: int) -> Executor:
    try:
        from ecg_tl.study.run.executors.ray import RayExecutor  # an optional extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise SettingError(
            "executor",
            "ray, which is not installed",
            "Ray 2.40 or later",
            "Run `pip install 'ecg-tl[ray]'`, or use `--executor local`.",
        ) from error
    return RayExecutor(address, concurrent, runs_per_gpu, threads=threads)


def _visible_gpus(count: int) -> list[str]:
    """Name the GPUs as `CUDA_VISIBLE_DEVICES` does; a worker sees one of them."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


def _all_on_cpu(jobs: list[Job]) -> bool:
    return all(_trainer(job).get("accelerator") == "cpu" for job in jobs)


def _trainer(job: Job) -> dict[str, Any]:
    return job.run.config.get("trainer") or {}


def _require_writable(job: Job) -> None:
    try:
        job.run_folder.path.parent.mkdir(parents=True, exist_ok=True)
        job.run_folder.lock.parent.mkdir(parents=True, exist_ok=True)
        job.run_folder.lock.touch()
    except OSError as error:
        raise StoreError(
            job.folder,
            (error.strerror or str(error)).lower(),
            "a folder in which a study can be kept",
            "Name another one (`--folder`), or correct its permissions.",
        ) from error


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Answer SIGTERM, which a batch system sends before it kills, as Ctrl-C, unless somebody else does."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
