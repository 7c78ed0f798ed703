"""Configs are checked before anything runs, and the time is reckoned from sizes and measured speeds."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl import acceleration
from ecg_tl.errors import SettingError
from ecg_tl.store.reader import Store
from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.estimate import backward_epochs, correction, estimate, makespan, run_seconds
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.measured import SPEED_FILE, MeasuredSpeed, PartSizes
from ecg_tl.study.design.overlay import layered
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.plan_table import dependencies, group_runs, plan_table, rough_duration, run_table
from ecg_tl.study.design.runs import Run
from ecg_tl.study.design.settings import Arm, Block, StudySettings
from ecg_tl.study.design.sizes import measure_sizes
from ecg_tl.study.design.speed import SpeedBook, chosen_precision
from ecg_tl.study.run.forecast import forecast, summary


@pytest.fixture
def study(
    ptbxl_root: Path,
    cpsc2018_root: Path,
    prepared: Path,
    ptbxl_store: Store,
    cpsc2018_store: Store,
    tmp_path: Path,
) -> StudySettings:
    """A study of a small GRU on the simulated records, whose stores are prepared."""
    return StudySettings(
        name="tiny",
        folder=str(tmp_path / "study"),
        store_dir=str(prepared),
        upstreams={"ptbxl": dataset("PtbXl", ptbxl_root)},
        downstreams={"cpsc2018": dataset("Cpsc2018", cpsc2018_root)},
        networks={
            "gru": {
                "model": {"class_path": "RnnClassifier", "init_args": {"network": "gru", "hidden_size": 8}}
            }
        },
        arms={
            "scratch": Arm(),
            "full": Arm(transfer={"recipe": "full"}),
            "lp_ft": Arm(transfer={"recipe": "lp_ft", "train": {"phase_epochs": 3}}),
            "linear_probe": Arm(transfer={"recipe": "linear_probe"}),
        },
        settings={
            "data": {
                "init_args": {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "batch_size": 8}
            },
            "trainer": {"max_epochs": 10, "precision": "32-true", "accelerator": "cpu"},
        },
        grid=(Block(sizes=(10, "all")),),
        seeds=(0,),
        second_opinion=False,
    )


def dataset(kind: str, root: Path) -> dict[str, Any]:
    return {"data": {"class_path": f"{kind}DataModule", "init_args": {"root": str(root)}}}


def one(study: StudySettings, arm: str, size: int | None = None) -> Run:
    (run,) = [run for run in make_plan(study).runs if (run.arm, run.size) == (arm, size)]
    return run


# Configs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_config_that_fit_takes_is_fine(study: StudySettings) -> None:
    check_runs(make_plan(replace(study, second_opinion=True)).runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"data": {"class_path": "PtbxlDataModule"}},
            r"data: found the class PtbxlDataModule.*such as PtbXlDataM",
        ),
        ({"data": {"init_args": {"rot": "x"}}}, r"data: found.*'rot' is not accepted.*such as root"),
        ({"data": {"init_args": {"query": "import os"}}}, r"data: query: found 'import os'"),
        ({"data": {"init_args": {"split": {"kind": "best"}}}}, r"data: found.*split\.kind.*Got value: best"),
        (
            {"model": {"class_path": "CnnClasifier"}},
            r"model: found the class CnnClasifier.*such as CnnClassifier",
        ),
        (
            {"model": {"init_args": {"hiden_size": 3}}},
            r"model: found.*'hiden_size' is not.*such as hidden_size",
        ),
        ({"trainer": {"max_epoch": 3}}, r"trainer: found.*'max_epoch'.*such as max_epochs"),
        (
            {"trainer": {"callbacks": [{"class_path": "EarlyStoping"}]}},
            r"trainer: found the class EarlyStoping",
        ),
        ({"chekpoint": {"monitor": "x"}}, r"found a section `chekpoint`.*Did you mean checkpoint\?"),
        ({"checkpoint": {"monitr": "x"}}, r"checkpoint: found.*such as monitor"),
    ],
)
def test_what_fit_does_not_take_is_one_line_that_names_the_run(
    study: StudySettings, wrong: dict[str, Any], message: str
) -> None:
    runs = make_plan(replace(study, downstream_settings=wrong)).runs
    runs = tuple(replace(run, config=layered(run.config, wrong)) for run in runs)
    with pytest.raises(SettingError, match=message) as caught:
        check_runs(runs)
    assert caught.value.where.startswith(runs[0].id)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("transfer", "expected"),
    [
        ({"recipe": "full"}, 10),
        ({"recipe": "l2_sp"}, 10),
        ({"recipe": "lora"}, 10),
        ({"recipe": "linear_probe"}, 0),
        ({"recipe": "lp_ft", "train": {"phase_epochs": 3}}, 7),
        ({"recipe": "lp_ft", "train": {"phase_epochs": 30}}, 0),
        # One more of three recurrent layers every other epoch: two epochs each of 0, 1/3 and 2/3 of the way.
        ({"recipe": "gradual", "train": {"phase_epochs": 2}}, 4 + 2 * (1 / 3 + 2 / 3)),
        (
            {"train": {"phases": [{"epoch": 0, "train": ["head"]}, {"epoch": 4, "train": ["rnn.1"]}]}},
            6 * 2 / 3,
        ),
        ({"schedule": "gradual", "phase_epochs": 2}, 4 + 2 * (1 / 3 + 2 / 3)),
    ],
)
def test_an_epoch_of_layers_that_are_frozen_has_no_backward_pass_through_them(
    study: StudySettings, transfer: dict[str, Any], expected: float
) -> None:
    deep = {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru", "num_layers": 3}}}
    arms = {"scratch": Arm(), "arm": Arm(transfer=transfer)}
    run = one(replace(study, networks={"deep": deep}, arms=arms), "arm")
    assert backward_epochs(run, 10) == pytest.approx(expected)


@pytest.mark.slow
def test_a_misspelt_recipe_is_one_line(study: StudySettings) -> None:
    arms = {**study.arms, "full": Arm(transfer={"recipe": "ful"})}
    with pytest.raises(SettingError, match=r"full.*trainer: found.*Got value: ful"):
        check_runs(make_plan(replace(study, arms=arms)).runs)


def test_a_dataset_without_a_class_is_told(study: StudySettings) -> None:
    with pytest.raises(
        SettingError, match=r"data: found no `class_path`, expected one, such as PtbXlDataModule"
    ):
        check_runs(make_plan(replace(study, downstreams={"cpsc2018": {}})).runs)


# Sizes ------------------------------------------------------------------------------------------------------


def test_each_run_has_the_sizes_of_its_own_split(study: StudySettings) -> None:
    plan = make_plan(study)
    sizes = measure_sizes(plan.runs)
    assert not sizes.absent
    whole = sizes.parts[one(study, "scratch").id]
    assert whole.train + whole.validation + whole.test == 40
    assert sizes.parts[one(study, "full", 10).id] == replace(whole, train=10)
    assert sizes.parts[one(study, "upstream").id].train > 30
    assert len({id(data) for data in sizes.data.values()}) == 2  # each dataset divided once


def test_more_training_records_than_there_are_is_told_before_anything_runs(study: StudySettings) -> None:
    runs = make_plan(replace(study, grid=(Block(sizes=(39,)),))).runs
    with pytest.raises(
        SettingError, match=r"39 training records, expected at most \d+, as many as cpsc2018 has"
    ):
        measure_sizes(runs)


def test_data_that_are_not_there_are_told_and_the_rest_is_measured(study: StudySettings) -> None:
    study = replace(study, upstreams={"ptbxl": dataset("PtbXl", Path("/nowhere"))})
    sizes = measure_sizes(make_plan(study).runs)
    assert sizes.absent == {"ptbxl": "/nowhere is not there"}
    assert {run.dataset for run in make_plan(study).runs if run.id in sizes.parts} == {"cpsc2018"}


# Speeds -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_is_measured_once_on_a_machine(
    study: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg_tl.study.design.speed.LONGEST_SECONDS", 0.1)
    plan = make_plan(study)
    sizes = measure_sizes(plan.runs)
    message: list[tuple[str, int, int]] = []
    first = estimate(plan.runs, sizes, SpeedBook(tmp_path, 1, "cpu"), lambda *step: message.append(step))
    assert message == [("gru", 0, 1), ("", 1, 1)]
    assert (tmp_path / SPEED_FILE).is_file()
    again = estimate(
        plan.runs, sizes, SpeedBook(tmp_path, 1, "cpu"), lambda *step: pytest.fail("measured again")
    )
    assert again == first
    assert set(first) == {run.id for run in plan.runs}
    other = SpeedBook(tmp_path, 2, "cpu")  # with two threads it is another speed
    assert other.find(plan.runs[0], sizes.data[plan.runs[0].id]) is None


def test_a_damaged_file_of_speeds_costs_a_measurement_and_no_more(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"a": 3}', '{"a": {"train": "x", "evaluate": 1}}'):
        (tmp_path / SPEED_FILE).write_text(content)
        SpeedBook(tmp_path, 1, "cpu")


# Reckoning --------------------------------------------------------------------------------------------------


def test_seconds_follow_epochs_records_and_what_is_frozen(study: StudySettings) -> None:
    speed, sizes = MeasuredSpeed(train=100, evaluate=400), PartSizes(train=1000, validation=100, test=100)
    seconds = {
        arm: run_seconds(one(study, arm), sizes, speed)
        for arm in ("scratch", "full", "lp_ft", "linear_probe")
    }
    assert seconds["full"] == seconds["scratch"]
    assert seconds["full"] - seconds["lp_ft"] == pytest.approx(3 * 1000 * (1 / 100 - 1 / 400))
    assert seconds["full"] - seconds["linear_probe"] == pytest.approx(10 * 1000 * (1 / 100 - 1 / 400))
    longer = replace(study, downstream_settings={"trainer": {"max_epochs": 20}})
    more = run_seconds(one(longer, "full"), sizes, speed) - seconds["full"]
    assert more == pytest.approx(10 * (1000 / 100 + 200 / 400), rel=0.1)
    assert backward_epochs(one(study, "scratch"), 10) == 10


@st.composite
def workloads(draw: st.DrawFn) -> tuple[list[Run], dict[str, float]]:
    runs: list[Run] = []
    for number in range(draw(st.integers(1, 12))):
        before = [run.id for run in runs]
        needs, after = (draw(st.none() | st.sampled_from(before)) if before else None for _ in "ab")
        runs.append(
            Run(f"r{number}", "scratch", "d", None, "n", "a", None, 0, {}, "strict", needs, after, {})
        )
    return runs, {run.id: draw(st.integers(1, 50)) / 1 for run in runs}


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(workloads(), st.integers(1, 5))
def test_the_time_for_all_lies_between_its_bounds(
    load: tuple[list[Run], dict[str, float]], run_folders: int
) -> None:
    runs, seconds = load
    total = makespan(runs, seconds, run_folders)
    ends: dict[str, float] = {}
    for run in runs:
        ends[run.id] = seconds[run.id] + max((ends[o] for o in (run.needs, run.after) if o), default=0.0)
    longest, work = max(ends.values()), sum(seconds.values())
    assert max(longest, work / run_folders) - 1e-9 <= total <= longest + work / run_folders + 1e-9
    assert makespan(runs, seconds, 1) == pytest.approx(work)
    assert makespan(runs, seconds, len(runs)) == pytest.approx(longest)


def test_finished_runs_correct_the_estimate_of_the_others() -> None:
    assert correction({"a": 10, "b": 30, "c": 7}, {"a": 20, "b": 60, "z": 5}) == 2
    assert correction({"a": 10}, {}) == 1


@pytest.mark.slow
def test_a_forecast_counts_what_is_finished(study: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpeedBook, "measure", lambda *_: MeasuredSpeed(50, 200))
    plan = make_plan(study)
    before = forecast(study, plan, concurrent=2, console=Console(quiet=True))
    assert (before.finished, before.correction, before.concurrent) == (frozenset(), 1, 2)
    assert before.to_go == pytest.approx(makespan(plan.runs, before.seconds, 2))
    upstream = one(study, "upstream")
    run_folder = StudyFolder(Path(study.folder)).run(upstream.id)
    run_folder.path.mkdir(parents=True)
    run_folder.result.write_text("{}")
    run_folder.attempts.write_text(attempts(3 * before.seconds[upstream.id]))
    after = forecast(study, plan, concurrent=2, console=Console(quiet=True))
    assert after.finished == {upstream.id}
    assert after.correction == pytest.approx(3)
    scratch = one(study, "scratch").id
    assert after.seconds[scratch] == pytest.approx(3 * before.seconds[scratch])
    assert summary(plan, after)[0] == f"1 of {len(plan.runs)} runs are finished already."


def attempts(wall_seconds: float) -> str:
    attempt = {"started": "2026-01-01T00:00:00+00:00", "host": "h", "pid": 1, "epochs": 10}
    attempt |= {"wall_seconds": wall_seconds, "outcome": "finished"}
    return json.dumps({"max_epochs": 10, "attempts": [attempt]})


# What is shown ----------------------------------------------------------------------------------------------


def test_runs_are_shown_in_groups_that_hold_each_once(study: StudySettings) -> None:
    networks = {**study.networks, "lstm": study.networks["gru"]}
    sweep = Block(networks=("gru",), arms=("scratch", "full"), sizes=(5, 20), seeds=(0, 1, 2, 5))
    plan = make_plan(replace(study, networks=networks, grid=(Block(), sweep), second_opinion=True))
    groups = group_runs(plan)
    assert sorted(run.id for group in groups for run in group.runs) == sorted(run.id for run in plan.runs)
    for group in groups:
        assert len(group.runs) == len(group.networks) * len(group.sizes) * len(group.seeds)
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(plan_table(plan, study, {run.id: 60.0 for run in plan.runs}, {plan.runs[0].id}))
    console.print(run_table(plan, {}, {plan.runs[0].id}))
    printed = console.export_text()
    for words in ("judged as the paper does", "5, 20", "0-2, 5", "linear_probe", "gru, lstm", "finished"):
        assert words in printed
    assert all(run.id in printed for run in plan.runs)
    assert "2 train an upstream" in dependencies(plan)


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "3 s"), (119, "2 min"), (7200, "2.0 h"), (86400 * 3, "3.0 days")]
)
def test_durations_have_the_unit_that_suits_them(seconds: float, said: str) -> None:
    assert rough_duration(seconds) == said


@pytest.mark.parametrize(("network", "expected"), [("gru", "32-true"), ("lstm", "bf16-mixed")])
def test_a_speed_is_that_of_the_precision_that_fit_chooses(
    study: StudySettings, monkeypatch: pytest.MonkeyPatch, network: str, expected: str
) -> None:
    monkeypatch.setattr(acceleration, "_cpu_has_bfloat16", lambda: True)
    run = one(study, "scratch")
    trainer = {name: value for name, value in run.config["trainer"].items() if name != "precision"}
    model = layered(run.config["model"], {"init_args": {"network": network}})
    assert (
        chosen_precision(replace(run, config={**run.config, "trainer": trainer, "model": model})) == expected
    )


def test_a_networks_options_are_checked_before_the_first_run(study: StudySettings) -> None:
    model = {
        "class_path": "EcgClassifier",
        "init_args": {"network": "gru", "network_options": {"hiden_size": 3}},
    }
    with pytest.raises(
        SettingError, match=r"model: options of gru: found hiden_size.*Did you mean hidden_size"
    ):
        check_runs(make_plan(replace(study, networks={"gru": {"model": model}})).runs)
