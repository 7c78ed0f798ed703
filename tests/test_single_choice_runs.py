"""A class chosen from several, from one's own records to an answer, an exported file and a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import HALF_TRAINS, NUM_SAMPLES, QUIET, SAMPLING_RATE, data_words, fit

from ecg_tl.calibration import calibrate
from ecg_tl.cli import main
from ecg_tl.datamodules import SplitSettings
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.export.exporting import export
from ecg_tl.inference.opening import open_model
from ecg_tl.metrics import multilabel_scores
from ecg_tl.statistics.calibration import temper
from ecg_tl.statistics.decisions import MOST_PROBABLE, softmax
from ecg_tl.store.reader import Store
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Arm, StudySettings
from ecg_tl.study.find import find
from ecg_tl.study.run.execute import execute
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.results import load_results
from ecg_tl.synthesis import synthesize
from ecg_tl.tasks import RnnClassifier
from ecg_tl.validation_predictions import read_validation

CLASSES = ("AF", "BBB", "LVH", "MI", "NORM")
SIZES: dict[str, Any] = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "batch_size": 16}
CHOICE: dict[str, Any] = {"codes_column": "finding", "single_choice": True}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of five classes, of which a column names one a record, and of the last record none."""
    root = tmp_path_factory.mktemp("choice") / "lab"
    synthesize("custom", root, 90, seed=5, progress=False)
    table = pd.read_csv(root / "labels.csv", dtype=str)
    table["finding"] = table[list(CLASSES)].astype(int).idxmax(axis=1)
    table.loc[len(table) - 1, "finding"] = ""
    table.drop(columns=list(CLASSES)).to_csv(root / "labels.csv", index=False)
    return root


@pytest.fixture(scope="module")
def words(lab: Path) -> list[str]:
    data = data_words("CustomDataModule", lab, lab.parent / "stores")
    return [*data, *HALF_TRAINS, "--data.codes_column", "finding", "--data.single_choice", "true"]


@pytest.fixture(scope="module")
def run(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained and tested; read, never write."""
    folder = fit(words, tmp_path_factory.mktemp("choices"), "--model.pos_weight", "balanced", epochs=2)
    test = ["test", "-c", str(folder / "config.yaml"), "--verbose", "false", *QUIET]
    assert main([*test, "--ckpt_path", str(folder / "checkpoints" / "best.ckpt")]) == 0
    return folder


@pytest.mark.slow
def test_it_goes_from_a_table_of_classes_to_scores_an_answer_and_exported_files(
    run: Path, lab: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = run / "checkpoints" / "best.ckpt"
    # All scores follow from the file of predictions, the temperature from that of validations.
    table = pd.read_csv(run / "test" / "predictions.csv")
    p, y = (
        table[[f"{part}/{name}" for name in CLASSES]].to_numpy(float) for part in ("probability", "target")
    )
    said = json.loads((run / "test" / "scores.json").read_text())
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (y.sum(axis=1) == 1).all()
    scores = multilabel_scores(p, y, CLASSES, None)
    for name in ("accuracy", "f1_macro", "f1_weighted", "auroc_macro", "brier"):
        assert said["scores"][name] == pytest.approx(getattr(scores, name), abs=1e-6)
    assert not [name for name in said["scores"] if "tuned" in name or name == "fmax"]
    assert (said["calibration"]["thresholds"], said["calibration"]["rule"]) == ([], MOST_PROBABLE)
    assert said["data"]["unanswered"] == 1
    temperature = said["calibration"]["temperature"]
    assert (temperature is not None) == ("calibrated/AF" in table)
    if temperature is not None:
        calibrated = table[[f"calibrated/{name}" for name in CLASSES]].to_numpy(float)
        np.testing.assert_allclose(calibrated, temper(p, temperature, single_choice=True), atol=1e-5)
    validations = read_validation(run / "validation.npz")
    found = [
        calibrate(torch.from_numpy(z), torch.from_numpy(validations.targets), single_choice=True)
        for z in validations.logits
    ]
    assert temperature in [one.temperature for one in found]

    # An answer gives the numbers of the test, and one class.
    record = lab / f"{table['record_id'][0]}.hea"
    assert main(["infer", str(best), str(record), "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    assert "most probable class is chosen" in printed
    assert "threshold" not in printed.replace("thresholds f1", "").replace("threshold_target 0.9", "")
    (answer,) = json.loads((tmp_path / "out.json").read_text())["records"]
    probabilities = {one["name"]: one["probability_uncalibrated"] for one in answer["classes"]}
    assert [probabilities[name] for name in CLASSES] == pytest.approx(p[0].tolist(), abs=1e-5)
    assert answer["found"] == [CLASSES[int(p[0].argmax())]]
    assert main(["infer", str(best), str(record), "--aggregation", "max"]) == 2
    assert "do not sum up to 1" in capsys.readouterr().err

    # Exported files hold the softmax.
    signal = np.random.default_rng(0).normal(0, 0.3, (3, 12, NUM_SAMPLES)).astype(np.float32)
    logits = open_model(best, "cpu").logits(signal)
    for format in ("onnx", "torch"):
        exported = open_model(
            export(best, format, tmp_path / f"net.{'pt2' if format == 'torch' else format}").path,
            trust_program=True,
        )  # type: ignore[arg-type]
        assert exported.description.single_choice
        probability, raw = exported.outputs(signal)  # type: ignore[attr-defined]
        np.testing.assert_allclose(raw, logits, atol=1e-4)
        np.testing.assert_allclose(probability, softmax(raw / exported.description.temperature), atol=1e-5)

    # What is said of it.
    assert main(["card", str(best), "--output", str(tmp_path / "card.md")]) == 0
    card = (tmp_path / "card.md").read_text()
    assert f"Accuracy: {scores.accuracy:.3f}." in card
    assert "there are no thresholds" in card
    assert "at the thresholds" not in card
    assert main(["transfer", "inspect", str(best)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "threshold" not in printed.replace("thresholds f1, threshold_target 0.9", "")
    csv = tmp_path / "robust.csv"
    flags = ["--kinds", "muscle", "--resamples", "20", "--metric", "f1_macro_tuned", "--csv", str(csv)]
    assert main(["robustness", str(best), *words, *flags]) == 0
    clean = pd.read_csv(csv).iloc[0]
    assert clean["score"] == pytest.approx(scores.f1_macro, abs=1e-5)


@pytest.mark.slow
def test_an_upstream_that_decides_each_class_leads_to_a_choice_and_the_other_way_round(
    run: Path,
    lab: Path,
    words: list[str],
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    shape = {**SIZES, "split": {"kind": "patient", "fractions": [0.5, 0.25, 0.25]}}
    ours = {"class_path": "CustomDataModule", "init_args": {"root": str(lab), **shape, **CHOICE}}
    theirs = {"class_path": "PtbXlDataModule", "init_args": {"root": str(ptbxl_root), **shape}}
    gru = {"network": "gru", "hidden_size": 8, "learning_rate": 0.02}
    settings = StudySettings(
        name="choice",
        folder=str(tmp_path / "study"),
        store_dir=str(prepared),
        upstreams={"ptbxl": {"data": theirs}},
        downstreams={"lab": {"data": ours}},
        networks={"gru": {"model": {"class_path": "RnnClassifier", "init_args": gru}}},
        arms={"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        seeds=(0,),
        settings={"trainer": {"max_epochs": 1, "accelerator": "cpu", "log_every_n_steps": 1}},
        second_opinion=False,
    )
    plan = make_plan(settings)
    jobs = make_jobs(settings, plan)
    assert [execute(jobs[one.id]).error for one in plan.runs] == [None] * 3
    results = load_results(tmp_path / "study", [one.id for one in plan.runs])
    assert sorted(one.single_choice for one in results.runs) == [False, True, True]
    findings = find(results, settings, resamples=50)
    (row,) = (one for one in findings.data if one.name == "lab")
    assert any("most probable class" in warning for warning in row.warnings)
    for one in results.runs:
        if one.single_choice:
            assert one.thresholds is None
            scored = multilabel_scores(one.probabilities, one.answers, one.class_names, None)
            assert one.result["scores"]["f1_macro"] == pytest.approx(scores_of(findings, one)[0], abs=1e-6)
            assert scored.f1_macro == pytest.approx(scores_of(findings, one)[0], abs=1e-6)
    # And back: a choice as the upstream of questions that are answered one by one.
    back = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    fit(back, tmp_path / "back", "--transfer.upstream", str(run / "checkpoints" / "best.ckpt"))


def scores_of(findings: Any, run: Any) -> tuple[float, float]:
    (one,) = (m for m in findings.models if m.dataset == "lab" and m.arm == run.run["arm"])
    return one.f1_macro, one.f1_weighted


@pytest.mark.slow
def test_a_resumed_training_of_a_choice_ends_with_the_same_weights(lab: Path, tmp_path: Path) -> None:
    def train(folder: Path, ckpt_path: str | None = None) -> dict[str, torch.Tensor]:
        seed_everything(0, verbose=False)
        data = CustomDataModule(
            root=str(lab),
            store_dir=str(lab.parent / "stores"),
            split=SplitSettings(kind="patient", fractions=(0.5, 0.25, 0.25)),
            **SIZES,
            **CHOICE,
        )
        task = RnnClassifier.for_data(data, "gru", hidden_size=8, pos_weight="root")
        saver = ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}", enable_version_counter=False)
        trainer = Trainer(
            default_root_dir=folder,
            accelerator="cpu",
            devices=1,
            max_epochs=3,
            logger=False,
            callbacks=[saver],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
        return {name: tensor.clone() for name, tensor in task.network.state_dict().items()}

    whole = train(tmp_path / "whole")
    resumed = train(tmp_path / "resumed", str(tmp_path / "whole" / "epoch=0.ckpt"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
