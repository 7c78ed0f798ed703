"""A study that pre-trains its upstreams itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecg_tl.checkpoints.reading import read_upstream
from ecg_tl.errors import SettingError
from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.pretraining import PRETRAINING, pretraining_config
from ecg_tl.study.design.runs import Run
from ecg_tl.study.design.settings import Arm, Block, StudySettings
from ecg_tl.study.findings.warnings import page_warnings
from ecg_tl.study.run.execute import execute
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.results import StudyResults, read_result, read_run, verify_run

VIT = {"network": "weimann_vit", "network_options": {"size": "tiny", "pooling": "mean"}}
OWN = {
    "pretraining": "jepa",
    "data": ["ludb"],
    "records": "train",
    "options": {"predictor_depth": 1, "predictor_heads": 2, "probe_every": 0},
    "trainer": {"max_epochs": 2},
}


def study(root: Path, folder: Path, stores: Path | None = None, **changes: Any) -> StudySettings:
    split = {"kind": "patient", "fractions": [0.5, 0.25, 0.25]}
    signals = {"sampling_rate": 50, "num_samples": 500, "batch_size": 16, "split": split}
    usual = StudySettings(
        name="own",
        folder=str(folder),
        data_root=str(root.parent),
        store_dir=None if stores is None else str(stores),
        upstreams={"own": OWN},
        downstreams={"ludb": {"data": {"class_path": "LudbDataModule", "init_args": {"root": root.name}}}},
        networks={"vit": {"model": {"class_path": "EcgClassifier", "init_args": VIT}}},
        arms={"scratch": Arm(), "full": Arm({"recipe": "full"}), "probe": Arm({"recipe": "linear_probe"})},
        settings={
            "data": {"init_args": signals},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "precision": "32-true"},
        },
        seeds=(0, 1),
        second_opinion=False,
    )
    return replace(usual, **changes)


def upstreams_of(settings: StudySettings) -> list[Run]:
    return [run for run in make_plan(settings).runs if run.kind == "upstream"]


ROOT = Path("somewhere/ludb")


@pytest.mark.slow
def test_it_is_trained_once_and_shared_by_arms_sizes_and_seeds() -> None:
    settings = study(ROOT, Path("out"), grid=(Block(sizes=(10, "all")),))
    runs = make_plan(settings).runs
    (own,) = upstreams_of(settings)
    started = [run for run in runs if run.kind == "fine-tuned"]
    assert len(started) == 2 * 2 * 2
    assert {run.needs for run in started} == {own.id}
    check_runs(runs)


def test_it_is_trained_anew_for_each_split() -> None:
    settings = study(ROOT, Path("out"), splits=2)
    own = upstreams_of(settings)
    assert [run.split for run in own] == [0, 1]
    seeds = [pretraining_config(run.config)["data"]["sources"][0]["split"].get("seed", 0) for run in own]
    assert seeds == [0, 1]
    for run in make_plan(settings).runs:
        if run.kind == "fine-tuned":
            assert run.needs == own[run.split].id


def test_its_id_depends_on_no_path_and_on_what_is_fed() -> None:
    more = {"data": {"class_path": "LudbDataModule", "init_args": {"root": "other"}}}
    two = study(ROOT, Path("out"))
    two = replace(
        two,
        downstreams={**two.downstreams, "more": more},
        upstreams={"own": {**OWN, "data": ["ludb", "more"]}},
    )
    here = upstreams_of(two)[0].id
    assert upstreams_of(replace(two, data_root="/elsewhere", store_dir="/stores"))[0].id == here
    assert upstreams_of(study(ROOT, Path("out")))[0].id != here


def test_the_study_keeps_every_downstreams_test_out_by_itself() -> None:
    ptbxl = {"data": {"class_path": "PtbXlDataModule", "init_args": {"root": "ptbxl"}}}
    settings = study(ROOT, Path("out"))
    settings = replace(settings, downstreams={**settings.downstreams, "big": ptbxl})
    (own,) = upstreams_of(settings)
    said = pretraining_config(own.config)["data"]
    wanted = {f"{part} of {name}" for part in ("validation", "test") for name in ("ludb", "ptbxl")}
    assert set(said["exclude"]) == wanted
    assert [one["dataset"] for one in said["sources"]] == ["ludb"]
    assert [one["dataset"] for one in said["excluded_data"]] == ["ptbxl"]


def test_what_is_fed_test_records_is_allowed_and_marked_under_its_own_name_alone() -> None:
    settings = study(ROOT, Path("out"), upstreams={"own": {**OWN, "records": "transductive"}})
    (own,) = upstreams_of(settings)
    assert pretraining_config(own.config)["data"]["exclude"] == []
    for run in make_plan(settings).runs:
        if run.kind == "fine-tuned":
            assert run.config["data"]["init_args"]["allow_overlap"] is True
            (callback,) = run.config["trainer"]["callbacks"]
            assert callback["init_args"]["match"]["allow_overlap"] is True
    (warning,) = [one for one in page_warnings(StudyResults((), ()), settings) if "Transductive" in one]
    assert "own" in warning
    strict = study(ROOT, Path("out"))
    assert all(
        "allow_overlap" not in run.config["data"]["init_args"]
        for run in make_plan(strict).runs
        if run.kind != "upstream"
    )
    assert not any("Transductive" in one for one in page_warnings(StudyResults((), ()), strict))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"pretraining": "mae"}, "'mae'"),
        ({"records": "test"}, "records"),
        ({"data": ["nowhere"]}, "nowhere"),
        ({"data": "ludb"}, "data"),
        ({"options": 3}, "options"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_senseless_entries_are_refused(own: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        make_plan(study(ROOT, Path("out"), upstreams={"own": {**OWN, **own}}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"pretraining": "cpc", "options": {}}, "cpc_s4"),
        ({"options": {"nothing": 1}}, "nothing"),
        ({"options": {"momentum": 2}}, "momentum"),
    ],
)
def test_settings_of_the_method_are_checked_before_anything_runs(own: dict[str, Any], said: str) -> None:
    plan = make_plan(study(ROOT, Path("out"), upstreams={"own": {**OWN, **own}}))
    with pytest.raises(SettingError, match=said):
        check_runs(plan.runs)


@pytest.mark.slow
def test_a_study_runs_to_results_without_ever_feeding_a_test_record(
    ludb_root: Path, stores: Path, tmp_path: Path
) -> None:
    settings = study(
        ludb_root, tmp_path, stores, seeds=(0,), arms={"scratch": Arm(), "full": Arm({"recipe": "full"})}
    )
    plan = make_plan(settings)
    jobs = make_jobs(settings, plan)
    assert [execute(jobs[run.id]).error for run in plan.runs] == [None] * 3
    (own,) = [run for run in plan.runs if run.kind == "upstream"]
    (tuned,) = [run for run in plan.runs if run.kind == "fine-tuned"]
    folders = {run.id: jobs[run.id].run_folder for run in plan.runs}
    (fed,) = read_upstream(folders[own.id].best).trained_on
    tested = pd.read_csv(folders[tuned.id].test / "predictions.csv", dtype=str)
    assert len(fed.record_ids) == 30
    assert not set(fed.record_ids) & set(tested["record_id"])
    for folder in folders.values():
        assert verify_run(folder) == []
    probed, result = read_run(folders[own.id]), read_result(folders[own.id].result)
    assert set(probed.record_ids) == set(tested["record_id"])
    assert result["data"][PRETRAINING]["method"] == "jepa"
    assert result["seconds"] > 0
    assert read_result(folders[tuned.id].result)["transfer"]["overlap"]["records"] == 0
