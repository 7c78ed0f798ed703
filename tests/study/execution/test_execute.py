"""One run: what it leaves, and that it goes on from wherever it was cut off."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from io_faults import FullDisk, Moments, faults_of
from tiny_study import Done, outcome_of, states_of_files

from ecg_tl.callbacks import RunCheckpoint, RunHistory
from ecg_tl.cli import main
from ecg_tl.lock import try_lock
from ecg_tl.metrics import multilabel_scores
from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.design.runs import Run
from ecg_tl.study.run import execute as module
from ecg_tl.study.run import result as result_module
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.execute import execute
from ecg_tl.study.run.job import Job, make_jobs
from ecg_tl.study.run.second_opinion import SCORES, TestScoresByEpoch


class Killed(BaseException):
    """Ends a run as a kill would, as far as that is possible in one process: nothing catches it."""


def run_of(done: Done, kind: str) -> Run:
    return next(run for run in done.plan.runs if run.kind == kind)


def run_folder_of(done: Done, run: Run) -> RunFolder:
    return StudyFolder(done.folder).run(run.id)


def result_of(done: Done, run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run_folder_of(done, run).result.read_text())
    return content


@pytest.fixture
def again(finished: Done, tmp_path: Path) -> Done:
    """The same study in another folder, where all but the fine-tuned run is finished."""
    run = run_of(finished, "fine-tuned")
    leave_out = shutil.ignore_patterns(run.id)
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True, ignore=leave_out)
    return Done(replace(finished.settings, folder=str(tmp_path)), finished.plan, tmp_path)


def job_of(done: Done, run: Run) -> Job:
    return make_jobs(done.settings, done.plan)[run.id]


# What a run leaves ------------------------------------------------------------------------------------------


def test_a_runs_files(finished: Done) -> None:
    for run in finished.plan.runs:
        run_folder = run_folder_of(finished, run)
        names = {path.name for path in run_folder.path.iterdir()}
        assert names >= {"config.yaml", "metrics.csv", "fit.json", "result.json", "attempts.json", "log.txt"}
        assert ("test_by_epoch.csv" in names) == (run.kind != "upstream")
        assert ("transfer_report.json" in names) == (run.kind in ("fine-tuned", "control"))
        # Only upstreams are started from, and nothing is gone on from.
        assert [path.name for path in run_folder.path.rglob("*.ckpt")] == ["best.ckpt"] * (
            run.kind == "upstream"
        )
        assert "error.txt" not in names
        assert not list(run_folder.path.rglob("*partial*"))


def test_what_a_result_says(finished: Done) -> None:
    upstream, scratch, tuned = (run_of(finished, kind) for kind in ("upstream", "scratch", "fine-tuned"))
    result = result_of(finished, tuned)
    assert result["format"] == 1
    assert result["run"] == tuned.describe()
    assert (result["family"], result["head"]) == ("rnn", "flatten")
    assert result["head_parameters"] == 250 * 8 * 9 + 9
    assert result["parameters"] == result["trainable_parameters"] > result["head_parameters"]
    assert result["transfer"]["coverage"] == 1
    assert "tensors" not in result["transfer"]
    assert result["data"]["dataset"] == "cpsc2018"
    assert result["attempts"] == 1
    assert result["wall_seconds"] > result["seconds"] >= result["seconds_to_best"] > 0
    assert result["device_seconds"] > 0
    assert 2**26 < result["peak_memory_bytes"] < 2**36
    assert result["peak_device_memory_bytes"] is None
    assert result["hardware"]["cores"] == len(os.sched_getaffinity(0))
    assert result["versions"]["torch"]
    assert set(result["transferability"]) == {"melep", "entropy", "difference", "logme", "records"}
    assert result["transferability"]["records"] == result["data"]["records"]["train"]
    for other in (upstream, scratch):
        assert result_of(finished, other)["transferability"] is None
        assert result_of(finished, other)["transfer"] is None
    probe = result_of(finished, run_of(finished, "control"))
    assert probe["trainable_parameters"] == probe["head_parameters"]


def test_scores_are_those_of_the_predictions(finished: Done) -> None:
    run = run_of(finished, "fine-tuned")
    table = pd.read_csv(run_folder_of(finished, run).test / "predictions.csv")
    names = [column.removeprefix("target/") for column in table if column.startswith("target/")]
    scores = multilabel_scores(
        table[[f"probability/{name}" for name in names]].to_numpy(),
        table[[f"target/{name}" for name in names]].to_numpy(),
        names,
    )
    assert result_of(finished, run)["scores"]["auroc_macro"] == pytest.approx(scores.auroc_macro, abs=1e-6)


def test_test_scores_of_the_chosen_epoch_are_the_tests(finished: Done) -> None:
    for run in finished.plan.runs:
        if run.kind == "upstream":
            continue
        result, by_epoch = result_of(finished, run), pd.read_csv(run_folder_of(finished, run).test_by_epoch)
        assert by_epoch["epoch"].tolist() == list(range(1, result["epochs"] + 1))
        chosen = by_epoch[by_epoch["epoch"] == result["epochs_to_best"]].iloc[0]
        for name in SCORES:
            assert chosen[name] == pytest.approx(result["scores"][name], abs=1e-6), (run.id, name)


@pytest.mark.slow
def test_scoring_the_test_records_changes_nothing(
    again: Done, finished: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(TestScoresByEpoch, "on_validation_end", nothing)
    run = run_of(again, "fine-tuned")
    assert execute(job_of(again, run)).outcome == "finished"
    without, with_scores = (pd.read_csv(run_folder_of(d, run).metrics) for d in (again, finished))
    pd.testing.assert_frame_equal(without.drop(columns="seconds"), with_scores.drop(columns="seconds"))


@pytest.mark.slow
def test_a_runs_config_repeats_it(finished: Done, tmp_path: Path) -> None:
    run = run_of(finished, "fine-tuned")
    config = run_folder_of(finished, run).config
    assert main(["fit", "-c", str(config), "--runs_dir", str(tmp_path)]) == 0
    (metrics,) = tmp_path.rglob("metrics.csv")
    tables = [
        pd.read_csv(path).drop(columns="seconds") for path in (metrics, run_folder_of(finished, run).metrics)
    ]
    pd.testing.assert_frame_equal(*tables)


# Cut off and gone on with -----------------------------------------------------------------------------------


def killed_in_epoch(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of an epoch's end: its best checkpoint may be written, its last one is not."""
    save_last = RunCheckpoint._save_last_checkpoint

    def save(self: RunCheckpoint, trainer: Any, candidates: Any) -> None:
        if trainer.current_epoch + 1 == number:
            raise Killed
        save_last(self, trainer, candidates)

    monkeypatch.setattr(RunCheckpoint, "_save_last_checkpoint", save)


def killed_before_fit_json(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(RunHistory, "on_fit_end", end)


def killed_in_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("ecg_tl.callbacks.predictions.write_json", write)


def killed_before_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(result_module, "write_json", write)


def killed_while_tidying(monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(path: Path) -> None:
        if Path(path).name == "checkpoints":
            raise Killed

    monkeypatch.setattr(module.shutil, "rmtree", remove)


STAGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "first epoch": lambda patch: killed_in_epoch(1, patch),
    "third epoch": lambda patch: killed_in_epoch(3, patch),
    "end of training": killed_before_fit_json,
    "test": killed_in_test,
    "result": killed_before_result,
    "tidying": killed_while_tidying,
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.slow
def test_cut_off_and_gone_on_with(stage: str, again: Done, finished: Done) -> None:
    run = run_of(again, "fine-tuned")
    with pytest.MonkeyPatch.context() as patch:
        STAGES[stage](patch)
        with pytest.raises(Killed):
            execute(job_of(again, run))
    done_already = stage == "tidying"
    assert run_folder_of(again, run).finished == done_already
    assert execute(job_of(again, run)).outcome == "finished"
    expected, found = outcome_of(finished.settings, finished.plan), outcome_of(again.settings, again.plan)
    assert found == expected
    attempts = json.loads(run_folder_of(again, run).attempts.read_text())["attempts"]
    outcomes = ["finished"] if done_already else ["cut off", "finished"]
    assert [attempt["outcome"] for attempt in attempts] == outcomes


@pytest.mark.slow
def test_killed_at_any_change_of_its_files(
    again: Done, finished: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = run_of(again, "fine-tuned")
    run_folder = run_folder_of(again, run)
    moments = Moments(run_folder.path, tmp_path_factory.mktemp("moments"), "log.txt")
    with faults_of(moments):
        assert execute(job_of(again, run)).outcome == "finished"
    after = [moment for moment in moments.kept if (moment / "fit.json").is_file()]
    during = [moment for moment in moments.kept if moment not in after]
    assert len(after) >= 5  # predictions, scores, result, and what is tidied up
    assert len(during) >= 10
    # A training that is cut off is tried at every change by itself; here, at some of them.
    for moment in during[::5] + after:
        shutil.rmtree(run_folder.path)
        shutil.copytree(moment, run_folder.path)
        assert execute(job_of(again, run)).outcome == "finished", moment.name
        assert outcome_of(again.settings, again.plan) == outcome_of(finished.settings, finished.plan), (
            moment.name
        )
        assert not list(run_folder.path.rglob("*.partial-*"))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other(path: Path) -> None:
    path.write_text("- [1]" if path.suffix == ".yaml" else "[1]")


def changed(path: Path) -> None:
    content = json.loads(path.read_text()) if path.suffix == ".json" else None
    if path.name == "attempts.json":
        content["attempts"][0]["wall_seconds"] = "x"
    elif path.name == "fit.json":
        content["epochs_to_best"] += 1  # no value that could not be
    path.write_bytes(path.read_bytes() + b"1" if content is None else json.dumps(content).encode())


STATE = [
    *(("third epoch", f"checkpoints/{name}.ckpt", half) for name in ("best", "last")),
    *(("third epoch", "validation.npz", damage) for damage in (half, Path.unlink)),
    *(("third epoch", "config.yaml", damage) for damage in (other, Path.unlink)),
    *(("third epoch", "attempts.json", damage) for damage in (half, other, changed)),
    *(("test", "fit.json", damage) for damage in (half, other, changed)),
    *(("test", name, changed) for name in ("metrics.csv", "validation.npz", "transfer_report.json")),
    *(("test", "test_by_epoch.csv", damage) for damage in (changed, Path.unlink)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "name", "damage"), STATE)
def test_a_file_of_state_that_is_damaged_is_named_and_done_again(
    stage: str, name: str, damage: Callable[[Path], None], again: Done, finished: Done
) -> None:
    run = run_of(again, "fine-tuned")
    run_folder = run_folder_of(again, run)
    with pytest.MonkeyPatch.context() as patch:
        STAGES[stage](patch)
        with pytest.raises(Killed):
            execute(job_of(again, run))
    before = run_folder.log.read_text()
    assert "anew" not in before
    damage(run_folder.path / name)
    assert execute(job_of(again, run)).outcome == "finished"
    (line,) = [
        line for line in run_folder.log.read_text()[len(before) :].splitlines() if line.endswith("anew.")
    ]
    assert line.startswith(f"{run_folder.path / name}: found "), line
    assert outcome_of(again.settings, again.plan) == outcome_of(finished.settings, finished.plan)


@pytest.mark.slow
def test_a_folder_that_was_moved(again: Done, finished: Done) -> None:
    run = run_of(again, "fine-tuned")
    with pytest.MonkeyPatch.context() as patch:
        killed_in_epoch(3, patch)
        with pytest.raises(Killed):
            execute(job_of(again, run))
    folder = again.folder / "moved"
    folder.mkdir()
    for name in ("runs", "locks"):
        shutil.move(again.folder / name, folder / name)
    moved = Done(replace(again.settings, folder=str(folder)), again.plan, folder)
    assert execute(job_of(moved, run)).outcome == "finished"
    assert outcome_of(moved.settings, moved.plan) == outcome_of(finished.settings, finished.plan)
    assert not list(folder.rglob("*-v1.ckpt"))


@pytest.mark.slow
def test_a_finished_run_is_not_touched(finished: Done) -> None:
    before = states_of_files(finished.folder)
    for job in make_jobs(finished.settings, finished.plan).values():
        assert execute(job).outcome == "finished"
    assert states_of_files(finished.folder) == before


@pytest.mark.slow
def test_a_run_that_another_process_is_at(again: Done) -> None:
    run = run_of(again, "fine-tuned")
    with try_lock(run_folder_of(again, run).lock) as state:
        assert state == "held"
        assert execute(job_of(again, run)).outcome == "busy"
    assert not list(run_folder_of(again, run).path.iterdir())


# Failures ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_failure_is_kept_until_it_is_mended(again: Done, finished: Done) -> None:
    run = run_of(again, "fine-tuned")
    upstream = run_folder_of(again, run_of(again, "upstream")).best
    upstream.rename(upstream.with_suffix(".away"))
    report = execute(job_of(again, run))
    assert report.outcome == "failed"
    assert report.error is not None
    assert str(upstream) in report.error
    run_folder = run_folder_of(again, run)
    assert run_folder.failure() == report.error
    assert "Traceback" in run_folder.error.read_text()
    assert "Traceback" in run_folder.log.read_text()

    upstream.with_suffix(".away").rename(upstream)
    assert execute(job_of(again, run)).outcome == "finished"
    assert run_folder.failure() is None
    assert outcome_of(again.settings, again.plan) == outcome_of(finished.settings, finished.plan)


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "value"), [("devices", 2), ("val_check_interval", 0.5)])
def test_what_a_study_cannot_compare(again: Done, setting: str, value: float) -> None:
    run = run_of(again, "fine-tuned")
    config = yaml.safe_load(yaml.safe_dump(run.config))
    config["trainer"][setting] = value
    job = job_of(again, run)
    report = execute(Job(job.study, Run(**{**vars(run), "config": config}), job.folder))
    assert report.outcome == "failed"
    assert f"trainer.{setting}" in str(report.error)


@pytest.mark.slow
def test_a_config_that_lies_in_a_runs_folder_is_not_carried_out(
    again: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(again, run_of(again, "fine-tuned"))
    job.run_folder.path.mkdir(parents=True)
    job.run_folder.config.write_text("trainer: {callbacks: [{class_path: os.system}]}")
    trained: list[str] = []
    monkeypatch.setattr(module, "train", lambda words, **_: trained.append(job.run_folder.config.read_text()))
    execute(job)
    assert len(trained) == 1
    assert "os.system" not in trained[0]


@pytest.mark.slow
def test_nothing_that_an_upstreams_checkpoint_names_is_executed(again: Done, tmp_path: Path) -> None:
    path = run_folder_of(again, run_of(again, "upstream")).best
    content = torch.load(path, weights_only=True)
    call = {"class_path": "os.system", "init_args": {"command": f"touch {tmp_path / 'owned'}"}}
    content["hyper_parameters"]["normalization"]["x"] = call
    torch.save(content, path)
    report = execute(job_of(again, run_of(again, "fine-tuned")))
    assert report.outcome == "failed"
    assert report.error is not None
    assert report.error.startswith(f"{path}: found normalization")
    assert "\n" not in report.error
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
@pytest.mark.parametrize("others", [True, False], ids=["all files", "large ones"])
@pytest.mark.parametrize("name", ["validation.npz", "last.ckpt", "fit.json", "predictions.csv"])
def test_a_full_disk_is_recorded_with_the_file_that_found_no_room(
    finished: Done, again: Done, name: str, others: bool
) -> None:
    run = run_of(again, "fine-tuned")
    job, run_folder = job_of(again, run), run_folder_of(again, run)
    disk = FullDisk(again.folder, name, run_folder.last.is_file, small_ones_fit=not others)
    with faults_of(disk):
        report = execute(job)
    assert disk.full
    assert report.outcome == "failed"
    assert report.error is not None
    assert f"/{name}: found No space left on device, expected " in report.error
    assert "\n" not in report.error
    if not others:
        assert run_folder.error.read_text().startswith(f"{report.error}\n")
        assert read_attempts(run_folder.attempts).all[-1].outcome == "failed"
    assert execute(job).outcome == "finished"
    assert outcome_of(again.settings, again.plan) == outcome_of(finished.settings, finished.plan)
    assert not run_folder.error.exists()
