"""A study that is planned again takes no PyTorch, until something of it changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ecg_tl.study.design.measured import (
    SPEED_FILE,
    KnownOverlap,
    Measured,
    MeasuredSpeed,
    PartSizes,
    write_speeds,
)
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import Arm, StudySettings
from ecg_tl.study.run import kept_forecast as kept
from ecg_tl.study.run.kept_forecast import FORECAST_FILE, basis_of, keep_forecast
from ecg_tl.trust import config_trust

MEASURED = Measured(
    {"a": 3.5},
    {"a": PartSizes(10, 2, 3)},
    {"b": "b is not there"},
    {"gru": MeasuredSpeed(8.0, 20.0)},
    2,
    (KnownOverlap("up", "down", "3 of 10 train records"),),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data" / "ptbxl"
    (root / "records").mkdir(parents=True)
    (root / "records" / "1.hea").write_text("1 12 500 5000")
    (root / "labels.csv").write_text("a,b")
    return root


@pytest.fixture
def study(tmp_path: Path, root: Path) -> StudySettings:
    data = {"class_path": "PtbXlDataModule", "init_args": {"root": str(root)}}
    return StudySettings(
        name="kept",
        folder=str(tmp_path / "study"),
        upstreams={},
        downstreams={"down": {"data": data}},
        networks={"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
        arms={"scratch": Arm()},
    )


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "digest_of_installation", lambda: "as installed")


def read_again(study: StudySettings, plan: Plan, ids: tuple[str, ...] = ("a",)) -> Measured | None:
    return kept.kept_forecast(study, basis_of(plan, {}), ids)


def test_what_was_measured_is_read_again(study: StudySettings) -> None:
    plan = make_plan(study)
    keep_forecast(study, basis_of(plan, {}), ["a", "b"], MEASURED)
    assert read_again(study, plan) == MEASURED
    assert read_again(study, plan, ("a", "b")) == MEASURED
    assert read_again(study, plan, ("a", "c")) is None  # whose config nobody has checked


def _edit_record(root: Path) -> None:
    path = root / "records" / "1.hea"
    os.utime(path, ns=(1, 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a record is new": lambda root: (root / "records" / "2.hea").write_text(""),
    "a record is another": _edit_record,
    "a folder is new": lambda root: (root / "more").mkdir(),
    "records are gone": lambda root: root.rename(root.with_name("elsewhere")),
    "speeds are gone": lambda root: (root.parents[1] / "study" / SPEED_FILE).unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_as_soon_as_something_changes_it_is_measured_anew(
    study: StudySettings, root: Path, change: str
) -> None:
    plan = make_plan(study)
    write_speeds(Path(study.folder) / SPEED_FILE, {"gru": MeasuredSpeed(8.0, 20.0)})
    keep_forecast(study, basis_of(plan, {}), ["a"], MEASURED)
    assert read_again(study, plan) == MEASURED
    CHANGES[change](root)
    assert read_again(study, plan) is None


def test_another_setting_another_machine_or_installation_is_measured_anew(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(study)
    keep_forecast(study, basis_of(plan, {}), ["a"], MEASURED)
    assert read_again(study, make_plan(replace(study, settings={"trainer": {"max_epochs": 3}}))) is None
    assert kept.kept_forecast(study, basis_of(plan, {"concurrent": 3}), ["a"]) is None
    with monkeypatch.context() as changed:
        changed.setattr(kept, "count_cores", lambda: 4096)
        assert read_again(study, plan) is None
    with monkeypatch.context() as changed:
        changed.setenv("CUDA_VISIBLE_DEVICES", "7")
        assert read_again(study, plan) is None
    monkeypatch.setattr(kept, "digest_of_installation", lambda: "changed")
    assert read_again(study, plan) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"seconds": {"a": -1}},
        {"seconds": {"a": None}},
        {"sizes": {"a": {"train": 1}}},
        {"speeds": {"gru": [1, 2]}},
        {"absent": ["b"]},
        {"concurrent": "many"},
    ],
)
def test_a_damaged_file_is_measured_anew(study: StudySettings, damage: dict[str, object]) -> None:
    plan = make_plan(study)
    keep_forecast(study, basis_of(plan, {}), ["a"], MEASURED)
    path = Path(study.folder) / FORECAST_FILE
    content = json.loads(path.read_text())
    content["measured"] |= damage
    path.write_text(json.dumps(content))
    assert read_again(study, plan) is None


def test_nothing_is_kept_of_a_config_that_may_name_anything(study: StudySettings) -> None:
    with config_trust(True):
        assert basis_of(make_plan(study), {}) is None


def test_folders_that_take_long_to_look_at_are_measured_anew(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_FILES", 2)
    assert basis_of(make_plan(study), {}) is None


@pytest.mark.slow
def test_a_study_that_is_planned_again_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    code = (
        "import sys; from ecg_tl.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'lightning', 'pandas', 'scipy'} & set(sys.modules); "
        "print(','.join(sorted(heavy)) or 'nothing', file=sys.stderr); sys.exit(status)"
    )
    words = ["study", "plan", "paper", "--folder", str(tmp_path / "study"), "--data_root", str(tmp_path)]
    first, second = (
        subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert "runs" in first.stdout
    assert first.stdout == second.stdout
    assert (first.stderr.split()[-1], second.stderr.split()[-1]) == (
        "lightning,pandas,scipy,torch",
        "nothing",
    )
