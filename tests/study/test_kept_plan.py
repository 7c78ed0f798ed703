"""What a study's runs are called is kept in its folder, and is never another answer than planning gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_study import ARMS, FakeStudy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_tl.study.design import kept_plan
from ecg_tl.study.design.kept_plan import keep_plan, planned_runs
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Block, StudySettings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def described(study: StudySettings) -> list[dict[str, Any]]:
    return [run.describe() for run in make_plan(study).runs]


def found(study: StudySettings) -> list[dict[str, Any]]:
    return [run.describe() for run in planned_runs(study)]


@pytest.fixture
def study(tmp_path: Path) -> StudySettings:
    axes: dict[str, dict[str, Any]] = {"rate": {"usual": {}, "half": {"trainer": {"max_epochs": 1}}}}
    grid = (Block(sizes=(10, "all")), Block(axes={"rate": ("half",)}))
    return FakeStudy(tmp_path / "out", axes=axes).settings(grid=grid, seeds=(0, 1))


def test_what_is_kept_is_what_planning_gives_and_is_not_planned_again(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = described(study)
    keep_plan(study, make_plan(study))
    monkeypatch.setattr(kept_plan, "make_plan", lambda _: pytest.fail("planned again"))
    assert found(study) == planned
    moved = Path(study.folder).rename(Path(study.folder).with_name("moved"))
    assert found(replace(study, folder=str(moved), data_root="elsewhere", store_dir="s")) == planned


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (0, 1, 2)},
        {"settings": {"trainer": {"max_epochs": 2}}},
        {"arms": {name: ARMS[name] for name in ("scratch", "full")}},
        {"protocol": "paper"},
        {"upstream_seed": 1},
        {"second_opinion": False},
        {"grid": ()},
    ],
)
def test_the_plan_of_other_settings_is_not_taken(study: StudySettings, changes: dict[str, Any]) -> None:
    keep_plan(study, make_plan(study))
    other = replace(study, **changes)
    assert found(other) == described(other)
    assert found(study) == described(study)


def test_a_protocol_that_changed_is_planned_anew(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_plan(study, make_plan(study))
    monkeypatch.setattr(kept_plan, "protocol", lambda name: {"trainer": {"max_epochs": 7}})
    monkeypatch.setattr(kept_plan, "make_plan", lambda _: make_plan(replace(study, seeds=(5,))))
    assert {run["seed"] for run in found(study) if run["kind"] != "upstream"} == {5}


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_changes_no_answer(study: StudySettings, data: st.DataObject) -> None:
    path = Path(study.folder) / "plan.json"
    path.unlink(missing_ok=True)
    keep_plan(study, make_plan(study))
    content = json.loads(path.read_text())
    if data.draw(st.booleans()):
        owner = content if data.draw(st.booleans()) else data.draw(st.sampled_from(content["runs"]))
        owner[data.draw(st.sampled_from(sorted(owner)))] = data.draw(JSON)
        path.write_text(json.dumps(content))
    else:
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(raw))
    assert found(study) == described(study)


def test_a_folder_that_cannot_be_written_keeps_nothing_and_is_planned(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    study = FakeStudy(tmp_path / "file" / "out").settings()
    keep_plan(study, make_plan(study))
    assert found(study) == described(study)
