"""What an executor is given for a run, and what it gives back."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.design.pretraining import PRETRAINING
from ecg_tl.study.design.runs import Plan, Run
from ecg_tl.study.design.settings import Overlay, StudySettings
from ecg_tl.trust import config_is_trusted

JobEnd = Literal["finished", "failed", "busy", "lost"]
"""`busy`: another process is at it. `lost`: its process ended, or its device's memory ran out."""

PATH_SETTINGS = ("root", "store", "store_dir")
"""Settings of a datamodule that are paths."""


@dataclass(frozen=True)
class Job:
    """A run with all that its execution needs, picklable.

    Attributes:
        study: Name of the study.
        run: The run.
        folder: Of the study; absolute, and the same on every machine.
        keep_best: Whether its best checkpoint stays when it is finished.
        score_test_by_epoch: Whether to score the test records after every epoch, for the second opinion.
        measure_transferability: Whether to score the upstream on its training records, before any training.
        device_share: Share of a GPU that it has to itself, for the count of device seconds.
        trust_config: Whether its config may name anything; see `ecg_tl.trust`.
    """

    study: str
    run: Run
    folder: Path
    keep_best: bool = False
    score_test_by_epoch: bool = True
    measure_transferability: bool = False
    device_share: float = 1.0
    trust_config: bool = False

    @property
    def run_folder(self) -> RunFolder:
        """Where it is kept."""
        return self.run_folder_of(self.run.id)

    def run_folder_of(self, run_id: str) -> RunFolder:
        """Say where another run of the study is kept."""
        return StudyFolder(self.folder).run(run_id)


@dataclass(frozen=True)
class JobReport:
    """What became of a job.

    Attributes:
        run_id: Whose.
        outcome: What.
        error: One line, if it failed or was lost.
    """

    run_id: str
    outcome: JobEnd
    error: str | None = None


def make_jobs(settings: StudySettings, plan: Plan) -> dict[str, Job]:
    """Turn a plan's runs into jobs with absolute paths, by run id."""
    folder = Path(settings.folder).absolute()
    scored: set[tuple[object, ...]] = set()
    jobs = {}
    for run in plan.runs:
        # One score for each pair, network, size and value of the axes: neither arm nor seed are part of it.
        pair = (run.upstream, run.dataset, run.network, run.size, tuple(run.axes.items()))
        first = run.kind == "fine-tuned" and run.protocol != "second_opinion" and pair not in scored
        scored.update([pair] if first else [])
        jobs[run.id] = Job(
            study=settings.name,
            run=_placed(run),
            folder=folder,
            keep_best=run.kind == "upstream" or settings.keep == "best",
            score_test_by_epoch=run.kind != "upstream"
            and (settings.second_opinion or run.protocol in ("paper", "second_opinion")),
            measure_transferability=first and run.needs is not None,  # of a file's head nothing is known
            trust_config=config_is_trusted(),
        )
    return jobs


def _placed(run: Run) -> Run:
    """Make the paths in a run's config absolute: a worker may have another working directory."""
    config: Overlay = deepcopy(run.config)
    said = config.get(PRETRAINING, {})
    sections = [config.get("data", {}), *said.get("sources", {}).values(), *said.get("excluded", {}).values()]
    for section in sections:
        init_args = section.get("init_args", {})
        init_args.update(
            {key: str(Path(init_args[key]).absolute()) for key in PATH_SETTINGS if init_args.get(key)}
        )
    return Run(**{**vars(run), "config": config})
