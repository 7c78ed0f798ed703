"""The LightningModules: what they log, what their checkpoints hold, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from tiny import HALF_TRAINS, NUM_SAMPLES, SAMPLING_RATE, data_words, fit
from tiny_events import scalars

from ecg_tl.calibration import Calibration, calibrate
from ecg_tl.checkpoints.description import FORMAT, check_fits, read_description
from ecg_tl.cli import main
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.metrics import multilabel_scores, sensitivity_and_specificity
from ecg_tl.tasks import CnnClassifier, RnnClassifier
from ecg_tl.tasks.loss import classification_loss
from ecg_tl.tasks.predictions import Predictions, gather, on_cpu
from ecg_tl.transforms import NORMALIZATIONS, create_normalization

CLASSES = ["NORM", "MI", "STTC", "HYP", "CD"]
FIXED_SCALE = create_normalization().describe()


def make_rnn(**settings: Any) -> RnnClassifier:
    sizes = {"num_classes": 2, "num_leads": 3, "num_samples": 40, "hidden_size": 4}
    data = {"class_names": ["A", "B"], "normalization": FIXED_SCALE}
    return RnnClassifier("gru", **{**sizes, **data, **settings})


def load(path: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True)
    return checkpoint


def predict_part(checkpoint: Path, data: PtbXlDataModule, part: str) -> Predictions:
    """Predict without Lightning's help."""
    task = RnnClassifier.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    rows = torch.from_numpy(data.parts.split.parts()[part]).sort().values
    signal = torch.from_numpy(data.store.signals()[rows.numpy()]).float() / 1000
    with torch.no_grad():
        return Predictions(rows, task(signal), torch.from_numpy(data.parts.targets)[rows])


@pytest.fixture
def data(ptbxl_root: Path, prepared: Path) -> PtbXlDataModule:
    """The records of `trained_run`."""
    made = PtbXlDataModule(
        root=str(ptbxl_root),
        store_dir=str(prepared),
        sampling_rate=SAMPLING_RATE,
        num_samples=NUM_SAMPLES,
        split=SplitSettings(kind="patient", fractions=(0.5, 0.25, 0.25)),
    )
    made.setup()
    return made


# What is logged ---------------------------------------------------------------------------------------------


def test_tensorboard_gets_losses_scores_and_a_rate_for_each_group(trained_run: Path) -> None:
    curves = scalars(trained_run)
    assert len(curves["train/loss_epoch"]) == 2
    assert len(curves["train/loss_step"]) == 4
    averaged = ("auroc_macro", "auprc_macro", "f1_macro", "f1_weighted", "fmax", "brier", "ece", "loss")
    assert all(len(curves[f"val/{name}"]) == 2 for name in averaged)
    for score in ("auroc", "auprc", "f1", "support"):
        assert [name for name in curves if name.startswith(f"val_{score}/")] == [
            f"val_{score}/{name}" for name in CLASSES
        ]
    rates = {name.removeprefix("lr-AdamW/"): rate for name, rate in curves.items() if name.startswith("lr-")}
    assert set(rates) == {"rnn.decay", "rnn.no_decay", "head.decay", "head.no_decay"}
    # `lr_decay: 0.5`: the recurrent layer learns half as fast as the head, at every step of the schedule.
    assert rates["rnn.decay"] == pytest.approx([rate / 2 for rate in rates["head.decay"]])
    assert len(set(rates["head.decay"])) == 4
    # A row of an epoch has those of its last step, of two.
    table = pd.read_csv(trained_run / "metrics.csv")
    for group, each in rates.items():
        assert table[f"lr-AdamW/{group}"].tolist() == pytest.approx(each[1::2])


def test_the_epochs_loss_is_the_mean_over_records(trained_run: Path) -> None:
    curves = scalars(trained_run)
    train = json.loads((trained_run / "result.json").read_text())["data"]["records"]["train"]
    sizes = [16, train - 16]
    for epoch in range(2):
        steps = curves["train/loss_step"][2 * epoch : 2 * epoch + 2]
        mean = sum(loss * size for loss, size in zip(steps, sizes, strict=True)) / train
        assert curves["train/loss_epoch"][epoch] == pytest.approx(mean, rel=1e-5)


@pytest.mark.slow
def test_what_is_logged_is_computed_from_the_validation_records(
    trained_run: Path, data: PtbXlDataModule
) -> None:
    predictions = predict_part(trained_run / "checkpoints" / "last.ckpt", data, "validation")
    scores = multilabel_scores(predictions.probabilities, predictions.targets, CLASSES).as_dict()
    curves = scalars(trained_run)
    for name, value in scores.items():
        tag = f"val_{name}" if "/" in name else f"val/{name}"
        assert curves[tag][-1] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_binary_cross_entropy_in_single_precision(dtype: torch.dtype) -> None:
    logits = torch.tensor([[12.0, -12.0], [0.5, 3.0]], dtype=dtype)
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = classification_loss(logits, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, F.binary_cross_entropy_with_logits(logits.double(), target.double()).float()
    )


# The checkpoint ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_checkpoint_holds_the_calibration_of_its_own_weights(
    name: str, trained_run: Path, data: PtbXlDataModule
) -> None:
    path = trained_run / "checkpoints" / f"{name}.ckpt"
    kept = Calibration.from_dict(load(path)["ecg_tl"]["calibration"])
    predictions = predict_part(path, data, "validation")
    fitted = calibrate(predictions.logits, predictions.targets)
    assert kept.tuned == fitted.tuned
    assert any(kept.tuned)
    assert kept.thresholds == pytest.approx(fitted.thresholds, abs=1e-5)
    assert kept.temperature == pytest.approx(fitted.temperature, rel=1e-3)


@pytest.mark.slow
def test_calibrations_of_different_epochs_differ(
    ptbxl_root: Path, prepared: Path, trained_run: Path, tmp_path: Path
) -> None:
    words = ["fit", "-c", str(trained_run / "config.yaml"), "--runs_dir", str(tmp_path)]
    words += ["--checkpoint.filename", "{epoch}", "--checkpoint.save_top_k", "-1", "--pictures.records", "0"]
    assert main(words) == 0
    paths = sorted(tmp_path.glob("*/*/checkpoints/epoch=*.ckpt"))
    temperatures = [load(path)["ecg_tl"]["calibration"]["temperature"] for path in paths]
    assert len(temperatures) == len(set(temperatures)) == 2


@pytest.mark.slow
def test_the_best_checkpoint_carries_what_its_own_validation_decided(
    ptbxl_root: Path, prepared: Path, data: PtbXlDataModule, tmp_path: Path
) -> None:
    words = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    words += ["--model.thresholds", "sensitivity", "--model.threshold_target", "0.8"]
    words += ["--model.learning_rate", "0.03"]
    # By its own number the first epoch is the best: training goes on behind it.
    words += ["--checkpoint.monitor", "epoch", "--checkpoint.mode", "min"]
    run = fit(words, tmp_path, epochs=2)
    kept = {}
    for name in ("best", "last"):
        path = run / "checkpoints" / f"{name}.ckpt"
        kept[name] = Calibration.from_dict(load(path)["ecg_tl"]["calibration"])
        predictions = predict_part(path, data, "validation")
        fitted = calibrate(predictions.logits, predictions.targets, "sensitivity", 0.8)
        assert (kept[name].rule, kept[name].target) == ("sensitivity", 0.8)
        assert kept[name].thresholds == pytest.approx(fitted.thresholds, abs=1e-5)
        sensitivity, _ = sensitivity_and_specificity(
            predictions.probabilities, predictions.targets, CLASSES, fitted.thresholds
        )
        assert all(sensitivity[c] >= 0.8 for c, tuned in zip(CLASSES, fitted.tuned, strict=True) if tuned)
    assert kept["best"].thresholds != pytest.approx(kept["last"].thresholds, abs=1e-3)


@pytest.mark.slow
def test_weights_that_were_not_validated_carry_no_thresholds(
    ptbxl_root: Path, prepared: Path, tmp_path: Path
) -> None:
    words = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    run = fit([*words, "--trainer.check_val_every_n_epoch", "2"], tmp_path, epochs=3)
    kept = {name: load(run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last")}
    assert {name: content["epoch"] for name, content in kept.items()} == {"best": 1, "last": 2}
    assert kept["best"]["ecg_tl"]["calibration"] is not None
    assert kept["last"]["ecg_tl"]["calibration"] is None


def test_a_checkpoint_says_what_it_is(trained_run: Path, data: PtbXlDataModule) -> None:
    checkpoint = load(trained_run / "checkpoints" / "best.ckpt")
    description = read_description(checkpoint, "best.ckpt")
    assert description.format == FORMAT
    assert description.class_names == tuple(CLASSES)
    assert description.transfer is None
    assert description.data == data.describe()
    assert set(description.versions) >= {"python", "torch", "lightning", "ecg-tl", "numpy"}


def test_a_checkpoint_makes_its_task_again(trained_run: Path) -> None:
    path = trained_run / "checkpoints" / "best.ckpt"
    task = RnnClassifier.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    checkpoint = load(path)
    assert all(
        torch.equal(tensor, checkpoint["state_dict"][name]) for name, tensor in task.state_dict().items()
    )
    assert task.class_names == tuple(CLASSES)
    assert task.calibration == Calibration.from_dict(checkpoint["ecg_tl"]["calibration"])
    assert (task.network.num_leads, task.network.num_samples) == (12, NUM_SAMPLES)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_network_sees_normalised_signals(normalization: str) -> None:
    task = make_rnn(normalization={"name": normalization}).eval()
    signal = torch.randn(4, 3, 40, generator=torch.Generator().manual_seed(0))
    expected = task.network(create_normalization(normalization)(signal))
    torch.testing.assert_close(task(signal), expected)


def test_hyperparameters_are_plain_values(tmp_path: Path) -> None:
    for task in (
        make_rnn(),
        CnnClassifier("resnet1d18", 2, 3, 64, class_names=["A", "B"], normalization=FIXED_SCALE),
    ):
        torch.save(dict(task.hparams), tmp_path / "hparams.pt")
        assert torch.load(tmp_path / "hparams.pt", weights_only=True) == dict(task.hparams)


@pytest.mark.parametrize(
    ("checkpoint", "found"),
    [
        ({}, "no description"),
        ({"ecg_tl": {"format": 99}}, "format 99"),
        ({"ecg_tl": {"format": FORMAT}}, "malformed"),
        ({"ecg_tl": {"format": FORMAT, "class_names": ["A"], "more": 1}}, "malformed"),
    ],
)
def test_a_description_that_cannot_be_read_is_named(checkpoint: dict[str, Any], found: str) -> None:
    with pytest.raises(CheckpointError, match=rf"some\.ckpt: found .*{found}"):
        read_description(checkpoint, "some.ckpt")


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("class_names", ["NORM"]),
        ("leads", ["I", "II"]),
        ("sampling_rate", 500.0),
        ("num_samples", 1000),
        ("units", "uV"),
        ("normalization", {"name": "min_max"}),
    ],
)
def test_data_that_do_not_fit_are_refused_naming_both_sides(
    field: str, other: object, data: PtbXlDataModule
) -> None:
    trained_on = data.describe()
    check_fits(trained_on, data.describe())
    at_hand = {**trained_on, field: other, "dataset": "elsewhere"}
    with pytest.raises(CheckpointError) as caught:
        check_fits(trained_on, at_hand, "best.ckpt")
    assert f"{field} {other} in elsewhere" in caught.value.found
    assert f"{field} {trained_on[field]}" in caught.value.expected
    assert "ptbxl" in caught.value.expected


def test_other_records_of_the_same_kind_fit(data: PtbXlDataModule) -> None:
    check_fits(data.describe(), {**data.describe(), "dataset": "custom", "split_hash": "0", "store": "x"})


# Predictions ------------------------------------------------------------------------------------------------


def test_predictions_are_gathered_in_the_stores_order() -> None:
    rows = torch.tensor([5, 1, 9, 3])
    logits = torch.stack([rows.float(), -rows.float()], dim=1)
    batches = [on_cpu(rows[:3], logits[:3], logits[:3] > 4), on_cpu(rows[3:], logits[3:], logits[3:] > 4)]
    together = gather(batches)
    assert together.index.tolist() == [1, 3, 5, 9]
    assert together.logits[:, 0].tolist() == [1, 3, 5, 9]
    assert together.targets[:, 0].tolist() == [0, 0, 1, 1]


# What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"class_names": ["A", "B", "C"]}, "class_names"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"lr_decay": -1.0}, "lr_decay"),
        ({"thresholds": "youden"}, "thresholds"),
        ({"thresholds": "sensitivity", "threshold_target": 90.0}, "threshold_target"),
        ({"normalization": {"name": "unit"}}, "normalization"),
        ({"hidden_size": 0}, "hidden_size"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        make_rnn(**settings)


@pytest.mark.slow
def test_tuned_scores_use_the_checkpoints_thresholds(run_copy: Path) -> None:
    checkpoint = run_copy / "checkpoints" / "best.ckpt"
    assert main(["test", "-c", str(run_copy / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    content = json.loads((run_copy / "test" / "scores.json").read_text())
    calibration = Calibration.from_dict(load(checkpoint)["ecg_tl"]["calibration"])
    assert content["calibration"] == calibration.as_dict()
    table = pd.read_csv(run_copy / "test" / "predictions.csv")
    probabilities = table[[f"probability/{name}" for name in CLASSES]].to_numpy()
    targets = table[[f"target/{name}" for name in CLASSES]].to_numpy()
    tuned = multilabel_scores(probabilities, targets, CLASSES, calibration.thresholds)
    scores = content["scores"]
    assert scores["f1_macro_tuned"] == pytest.approx(tuned.f1_macro)
    assert scores["f1_weighted_tuned"] == pytest.approx(tuned.f1_weighted)
    logits = torch.logit(torch.from_numpy(probabilities))
    cooled = multilabel_scores((logits / calibration.temperature).sigmoid(), targets, CLASSES)
    assert scores["brier_calibrated"] == pytest.approx(cooled.brier, abs=1e-5)
    assert scores["ece_calibrated"] == pytest.approx(cooled.ece, abs=1e-5)
    assert scores["brier_calibrated"] != pytest.approx(scores["brier"], abs=1e-4)
    assert scores["loss_calibrated"] == pytest.approx(
        float(
            F.binary_cross_entropy_with_logits(
                logits / calibration.temperature, torch.from_numpy(targets).double()
            )
        ),
        abs=1e-5,
    )
    for suffix, at in (("", 0.5), ("_tuned", calibration.thresholds)):
        sensitivity, specificity = sensitivity_and_specificity(probabilities, targets, CLASSES, at)
        assert {
            f"sensitivity{suffix}/{name}": value for name, value in sensitivity.items()
        }.items() <= scores.items()
        assert {
            f"specificity{suffix}/{name}": value for name, value in specificity.items()
        }.items() <= scores.items()
    assert all(scores[f"f1_tuned/{name}"] == pytest.approx(value) for name, value in tuned.f1.items())


# Class weights, rates by depth ------------------------------------------------------------------------------


@pytest.mark.slow
def test_positives_weigh_more_in_the_trainings_loss_alone(
    ptbxl_root: Path, prepared: Path, tmp_path: Path, data: PtbXlDataModule
) -> None:
    """At a rate of next to nothing the weights stay, and both losses are those of the first weights."""
    words = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    still = ("--model.learning_rate", "1e-12", "--trainer.log_every_n_steps", "1")
    runs = [fit(words, tmp_path, *still, "--model.pos_weight", how) for how in ("none", "balanced")]
    plain, weighted = (pd.read_csv(run / "metrics.csv").iloc[0] for run in runs)
    assert plain["val/loss"] == weighted["val/loss"]
    predicted = predict_part(runs[1] / "checkpoints" / "best.ckpt", data, "train")
    positives = predicted.targets.sum(dim=0)
    weight = (len(predicted.targets) - positives) / positives
    expected = F.binary_cross_entropy_with_logits(predicted.logits, predicted.targets, pos_weight=weight)
    assert weighted["train/loss_epoch"] == pytest.approx(float(expected), rel=0.02)  # batches differ in size
    assert weighted["train/loss_epoch"] > 1.1 * plain["train/loss_epoch"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pos_weight": "much"}, "pos_weight: found 'much'"),
        ({"lr_by_depth": [1e-3, 0.0]}, "lr_by_depth: found 0"),
        ({"lr_by_depth": [1e-3], "lr_decay": 0.5}, "lr_by_depth: found it beside lr_decay 0.5"),
    ],
)
def test_weights_and_rates_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make_rnn(**settings)
