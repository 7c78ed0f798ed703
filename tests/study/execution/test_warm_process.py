"""Runs that follow each other in one process come to what each comes to in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_study import outcome_of, tiny_study

from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Arm, StudySettings
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.executors.local import LocalExecutor
from ecg_tl.study.run.job import JobReport, make_jobs
from ecg_tl.study.run.launch import schedule


class OnceEach(LocalExecutor):
    """Ends its process after each job."""

    def wait(self, seconds: float) -> list[JobReport]:
        reports = super().wait(seconds)
        if reports:
            self.close()
        return reports


def do(settings: StudySettings, executor: LocalExecutor) -> list[int]:
    """Do a study; return the processes of its runs."""
    plan = make_plan(settings)
    outcome = schedule(make_jobs(settings, plan), executor, progress=False, estimates={})
    assert len(outcome.finished) == len(plan.runs), outcome
    folder = StudyFolder(Path(settings.folder))
    return [read_attempts(folder.run(run.id).attempts).all[-1].pid for run in plan.runs]


@pytest.mark.slow
def test_a_run_does_not_depend_on_those_before_it_in_its_process(
    roots: Path, prepared: Path, tmp_path: Path
) -> None:
    trainer = {"max_epochs": 1, "accelerator": "cpu"}
    # Of the axis' values one sets switches for its whole process, before the runs of the other.
    axes = {"switches": {"set": {"trainer": {"deterministic": True, "benchmark": True}}, "as_they_are": {}}}
    warm, cold = (
        tiny_study(
            tmp_path / name,
            roots,
            store_dir=str(prepared),
            settings={"trainer": trainer},
            arms={"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
            axes=axes,
        )
        for name in ("warm", "cold")
    )
    one, each = do(warm, LocalExecutor([{}])), do(cold, OnceEach([{}]))
    assert len(set(one)) == 1
    assert len(set(each)) == len(each) == len(one) == 6
    assert outcome_of(warm) == outcome_of(cold)
