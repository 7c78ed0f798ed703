"""Recipes that set their weights, or have a head of their own, are arms of a study as any other."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny_study import Done, dataset, outcome_of

from ecg_tl.cli import main
from ecg_tl.metrics import multilabel_scores
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import Arm
from ecg_tl.study.run.execute import execute
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.results import load_results, verify_run
from ecg_tl.validation_predictions import read_validation

ARMS = {
    "exact": Arm(transfer={"recipe": "exact_probe", "options": {"strengths": [0.01, 1.0]}}),
    "wise": Arm(transfer={"recipe": "wise_ft", "options": {"alphas": [0.0, 0.5, 1.0]}}),
    "attention": Arm(transfer={"recipe": "attention_probe", "options": {"heads": 4}}),
}
RECIPES_SAID = {"exact": "exact_probe", "wise": "wise_ft", "attention": "attention_probe"}


def study_of_recipes(finished: Done, folder: Path, keep: str = "upstreams") -> Done:
    """The finished study's upstream with other arms."""
    settings = replace(
        finished.settings,
        folder=str(folder),
        arms={"scratch": Arm(), **ARMS},
        primary_arm="wise",
        second_opinion=False,
        keep=keep,
    )
    plan = make_plan(settings)
    known = {run.id for run in plan.runs}
    for run in finished.plan.runs:
        if run.id in known and run.kind in ("upstream", "scratch"):
            shutil.copytree(finished.folder / "runs" / run.id, folder / "runs" / run.id)
    return Done(settings, plan, folder)


def run_all(done: Done) -> None:
    jobs = make_jobs(done.settings, done.plan)
    assert [execute(jobs[run.id]).error for run in done.plan.runs] == [None] * len(done.plan.runs)


@pytest.fixture(scope="module")
def studied(finished: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    done = study_of_recipes(finished, tmp_path_factory.mktemp("recipes"), keep="best")
    run_all(done)
    return done


def result_of(done: Done, arm: str) -> tuple[Any, dict[str, Any]]:
    (run,) = (run for run in done.plan.runs if run.arm == arm and run.kind == "fine-tuned")
    folder = StudyFolder(done.folder).run(run.id)
    return folder, json.loads(folder.result.read_text())


@pytest.mark.slow
def test_each_recipe_is_an_arm_whose_result_says_what_it_chose(studied: Done) -> None:
    folder, exact = result_of(studied, "exact")
    assert exact["transfer"]["training"]["recipe"] == "exact_probe"
    assert set(exact["transfer"]["chosen"]["strengths"].values()) <= {0.01, 1.0, None}
    assert exact["epochs"] == exact["epochs_to_best"] == 1
    _, wise = result_of(studied, "wise")
    assert wise["transfer"]["chosen"]["alpha"] in (0.0, 0.5, 1.0)
    assert wise["epochs_to_best"] == wise["epochs"]
    best = wise["transfer"]["chosen"]["alphas"].index(wise["transfer"]["chosen"]["alpha"])
    assert wise["best_scores"][wise["monitor"]] == pytest.approx(wise["transfer"]["chosen"]["scores"][best])
    _, attention = result_of(studied, "attention")
    assert attention["transfer"]["training"]["recipe"] == "attention_probe"
    assert attention["trainable_parameters"] < attention["parameters"]
    for arm in ARMS:
        folder, result = result_of(studied, arm)
        rows = pd.read_csv(folder.metrics)
        chosen = rows[rows.epoch == result["epochs_to_best"]].iloc[0]
        assert chosen["val/loss"] == pytest.approx(result["best_scores"]["val/loss"])


@pytest.mark.slow
def test_the_files_are_the_runs_own_and_the_choice_of_the_epoch_follows_from_them(studied: Done) -> None:
    results = load_results(studied.folder)
    assert results.missing == ()
    for arm in ARMS:
        folder, result = result_of(studied, arm)
        assert verify_run(folder) == []
        kept = read_validation(folder.validation)
        scores = multilabel_scores(
            torch.from_numpy(kept.logits[result["epochs_to_best"] - 1]).sigmoid(),
            torch.from_numpy(kept.targets),
            tuple(kept.class_names),
        )
        assert scores.auroc_macro == pytest.approx(result["best_scores"]["val/auroc_macro"], nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["wise", "exact"])
def test_cut_off_before_its_result_it_goes_on_to_the_same(
    studied: Done, finished: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    again = study_of_recipes(finished, tmp_path, keep="best")
    (run,) = (run for run in again.plan.runs if run.arm == arm and run.kind == "fine-tuned")
    job = make_jobs(again.settings, again.plan)[run.id]

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("ecg_tl.study.run.execute._test", killed)
        with pytest.raises(Killed):
            execute(job)
    # As if it had been killed after the last epoch and before what follows from it.
    StudyFolder(tmp_path).run(run.id).fit.unlink()
    assert execute(job).error is None
    only = Plan((run,))
    assert outcome_of(again.settings, only) == outcome_of(studied.settings, only)


@pytest.mark.slow
def test_a_checkpoint_of_each_is_exported_described_and_ranked(
    studied: Done, roots: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = dataset("Cpsc2018DataModule", roots / "cpsc2018")["data"]["init_args"]
    data = ["--data", "Cpsc2018DataModule", "--data.root", shape["root"], "--data.store_dir", str(prepared)]
    for name in ("sampling_rate", "num_samples", "batch_size"):
        data += [f"--data.{name}", str(shape[name])]
    data += ["--data.split.kind", "patient", "--data.split.fractions", str(shape["split"]["fractions"])]
    every = [str(result_of(studied, arm)[0].best) for arm in ARMS]
    assert main(["transfer", "rank", "--checkpoints", *every, *data]) == 0
    assert "gru" in capsys.readouterr().out
    for arm in ARMS:
        best = str(result_of(studied, arm)[0].best)
        for form, suffix in (("onnx", ".onnx"), ("torch", ".pt2")):
            target = tmp_path / f"{arm}{suffix}"
            assert main(["export", best, "--format", form, "--output", str(target)]) == 0
            assert target.stat().st_size > 0
        card = tmp_path / f"{arm}.md"
        assert main(["card", best, "--output", str(card)]) == 0
        assert f"recipe {RECIPES_SAID[arm]}" in card.read_text()
