"""What a study's runs will take on this machine, and what is done of them already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecg_tl import terminal
from ecg_tl.study.design.estimate import correction, estimate, makespan
from ecg_tl.study.design.measured import SPEED_FILE, KnownOverlap, Measured, MeasuredSpeed, PartSizes
from ecg_tl.study.design.plan_table import rough_duration
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.launch import local_executor, most_threads
from ecg_tl.study.run.status import study_status
from ecg_tl.terminal import BarColumn, Console, MofNCompleteColumn, Progress


@dataclass(frozen=True)
class Forecast:
    """What is known of a study before it runs, or goes on.

    Attributes:
        seconds: Estimated, of each run whose data are there: corrected by what finished runs have taken.
        finished: Ids of the runs that are finished.
        absent: For each dataset that is not there the reason.
        speeds: By name of the network.
        concurrent: Runs at a time.
        threads: CPU threads of each.
        correction: How much longer than estimated from speeds alone the finished runs have taken.
        to_go: Seconds until all is done that can be estimated.
        sizes: Records of each part of a run's split, by id, where its data are there.
        overlaps: Upstreams that runs will refuse.
    """

    seconds: Mapping[str, float]
    finished: frozenset[str]
    absent: Mapping[str, str]
    speeds: Mapping[str, MeasuredSpeed]
    concurrent: int
    threads: int
    correction: float
    to_go: float
    sizes: Mapping[str, PartSizes] = field(default_factory=dict)
    overlaps: tuple[KnownOverlap, ...] = ()


def forecast(
    settings: StudySettings,
    plan: Plan,
    *,
    concurrent: int | None = None,
    runs_per_gpu: int = 1,
    console: Console | None = None,
    overlaps: bool = True,
) -> Forecast:
    """Prepare the stores of data that are there, measure the networks' speeds, and reckon.

    Args:
        settings: The study.
        plan: Its runs.
        concurrent: Runs at a time; what the machine allows if None.
        runs_per_gpu: Runs that share a GPU.
        console: Where progress is shown; standard error if None.
        overlaps: Whether to look for upstreams that runs will refuse, which takes a while for large datasets.

    Raises:
        SettingError: If a run asks for more training records than there are, or more runs at a time are asked
            for than fit.
    """
    measured = measure(
        settings,
        plan,
        concurrent=concurrent,
        runs_per_gpu=runs_per_gpu,
        console=console,
        overlaps=overlaps,
    )
    return reckon(settings, plan, measured)


def measure(
    settings: StudySettings,
    plan: Plan,
    *,
    concurrent: int | None = None,
    runs_per_gpu: int = 1,
    console: Console | None = None,
    overlaps: bool = True,
) -> Measured:
    """Do what of `forecast` takes PyTorch and the data.

    Args:
        settings: As of `forecast`.
        plan: As of `forecast`.
        concurrent: As of `forecast`.
        runs_per_gpu: As of `forecast`.
        console: As of `forecast`.
        overlaps: As of `forecast`.

    Raises:
        SettingError: As `forecast`.
    """
    from ecg_tl.study.design.overlaps import known_overlaps
    from ecg_tl.study.design.sizes import measure_sizes
    from ecg_tl.study.design.speed import SpeedBook

    jobs = make_jobs(settings, plan)
    concurrent = local_executor(list(jobs.values()), concurrent, runs_per_gpu).slots
    sizes = measure_sizes(plan.runs)
    accelerators = {str(run.config.get("trainer", {}).get("accelerator", "auto")) for run in plan.runs}
    threads = most_threads(jobs.values())
    book = SpeedBook(Path(settings.folder), threads, *(accelerators if len(accelerators) == 1 else ()))
    columns = (terminal.text_column("measuring {task.description}"), BarColumn(20), MofNCompleteColumn())
    console = console or terminal.console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("speeds", total=None, visible=False)
        refused = (
            ()
            if not overlaps
            else known_overlaps(
                settings,
                plan,
                sizes.data,
                lambda pair: progress.update(task, description=f"records of {pair}", visible=True),
            )
        )
        seconds = estimate(
            plan.runs,
            sizes,
            book,
            lambda network, done, total: progress.update(
                task, description=network, completed=done, total=total, visible=True
            ),
        )
    speeds = {
        run.network: speed
        for run in plan.runs
        if run.id in sizes.data and (speed := book.find(run, sizes.data[run.id])) is not None
    }
    return Measured(seconds, sizes.parts, sizes.absent, speeds, concurrent, refused)


def reckon(settings: StudySettings, plan: Plan, measured: Measured) -> Forecast:
    """Reckon with what has been measured, and with what the finished runs have taken until now.

    Args:
        settings: The study.
        plan: Its runs.
        measured: Of them.
    """
    statuses = study_status(settings, plan.runs)
    taken = {one.run.id: one.wall_seconds for one in statuses if one.state == "finished"}
    slower = correction(measured.seconds, taken)
    corrected = {run_id: value * slower for run_id, value in measured.seconds.items()}
    left = {run_id: value for run_id, value in corrected.items() if run_id not in taken}
    return Forecast(
        seconds=corrected,
        finished=frozenset(taken),
        absent=measured.absent,
        speeds=measured.speeds,
        concurrent=measured.concurrent,
        threads=max(run.threads for run in plan.runs),
        correction=slower,
        to_go=makespan([run for run in plan.runs if run.id in left], left, measured.concurrent),
        sizes=measured.sizes,
        overlaps=measured.overlaps,
    )


def summary(plan: Plan, ahead: Forecast) -> list[str]:
    """Say it in lines."""
    lines = []
    if ahead.finished:
        lines.append(f"{len(ahead.finished)} of {len(plan.runs)} runs are finished already.")
    for dataset, reason in ahead.absent.items():
        without = sum(run.dataset == dataset for run in plan.runs)
        runs = "one run is" if without == 1 else f"{without} runs are"
        lines.append(f"{dataset}: sizes unknown, {reason}; {runs} not in the estimate.")
    lines += [
        f"Runs from {one.upstream} on {one.downstream} will be refused: {one.words}. Leave them out, or set "
        f"`allow_overlap: true` at upstreams.{one.upstream}, which marks every result."
        for one in ahead.overlaps
    ]
    if ahead.speeds:
        measured = ", ".join(f"{name} {speed.train:.0f}" for name, speed in ahead.speeds.items())
        lines.append(
            f"Training records a second, measured on one run alone: {measured} (kept in {SPEED_FILE})."
        )
    if ahead.correction != 1:
        lines.append(
            f"Finished runs took {ahead.correction:.2f} times as long as such speeds say; "
            "that is reckoned in."
        )
    if ahead.seconds:
        threads = f"{ahead.threads} CPU thread{'s' if ahead.threads > 1 else ''}"
        lines.append(
            f"About {rough_duration(ahead.to_go)} to go with {ahead.concurrent} at a time ({threads} each), "
            "if nothing else uses this machine."
        )
    return lines
