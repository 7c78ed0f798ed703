"""Records of a tiny study, and one that is finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_study import Done, study_of_stages

from ecg_tl.store.reader import Store
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.run.execute import execute
from ecg_tl.study.run.job import make_jobs


@pytest.fixture(scope="session")
def roots(ptbxl_root: Path, cpsc2018_root: Path) -> Path:
    """The folder with the upstream's and the downstream's records."""
    assert ptbxl_root.parent != cpsc2018_root.parent
    roots = ptbxl_root.parent
    (roots / "cpsc2018").symlink_to(cpsc2018_root, target_is_directory=True)
    return roots


@pytest.fixture(scope="session")
def finished(
    roots: Path,
    prepared: Path,
    ptbxl_store: Store,
    cpsc2018_store: Store,
    tmp_path_factory: pytest.TempPathFactory,
) -> Done:
    """Four runs: upstream, scratch, fine-tuned and a control, done one after the other without a break."""
    folder = tmp_path_factory.mktemp("study")
    settings = study_of_stages(folder, roots, prepared)
    # The second opinion's runs are left out; that test records are scored after each epoch stays.
    plan = Plan(tuple(run for run in make_plan(settings).runs if run.protocol == "strict"))
    jobs = make_jobs(settings, plan)
    assert [execute(jobs[run.id]).error for run in plan.runs] == [None] * len(plan.runs)
    return Done(settings, plan, folder)
