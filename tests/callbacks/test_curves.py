"""What lies behind the scores in TensorBoard, and what the terminal says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.pr_curve import metadata as pr_metadata
from tensorboard.util import tensor_util
from tiny import GRU, HALF_TRAINS, QUIET, data_words, fit
from tiny_events import events, scalars

from ecg_tl.calibration import Calibration
from ecg_tl.callbacks import EcgPictures, ScoreCurves
from ecg_tl.callbacks.curves import scalar_layout
from ecg_tl.callbacks.summary import print_scores
from ecg_tl.cli import main
from ecg_tl.errors import SettingError
from ecg_tl.store.reader import Store
from ecg_tl.training import train

CLASSES = ["NORM", "MI", "STTC", "HYP", "CD"]
DRAWN = ("--pictures.records", "1", "--curves.every_n_epochs", "2")


@pytest.fixture(scope="module")
def words(ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> list[str]:
    return [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]


@pytest.fixture(scope="module")
def run(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs with everything drawn, and a test."""
    folder = fit(words, tmp_path_factory.mktemp("drawn"), *DRAWN, epochs=4)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    assert main(["test", "-c", str(folder / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    return folder


# Custom scalars ---------------------------------------------------------------------------------------------


def shown_layout(folder: Path) -> dict[str, dict[str, list[str]]]:
    (event,) = events(folder).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    return {c.title: {chart.title: list(chart.multiline.tag) for chart in c.chart} for c in layout.category}


@pytest.mark.slow
def test_classes_are_laid_out_side_by_side(run: Path) -> None:
    layout = shown_layout(run)
    side_by_side = layout["all classes (validation)"]
    assert list(side_by_side) == ["F1 at 0.5", "AUROC", "AUPRC"]
    assert all(len(tags) == len(CLASSES) for tags in side_by_side.values())
    assert list(layout["class by class (validation)"]) == CLASSES


def test_every_chart_finds_its_curves_and_no_others(run: Path) -> None:
    curves = list(scalars(run))
    for charts in shown_layout(run).values():
        for title, tags in charts.items():
            for tag in tags:
                assert len([name for name in curves if re.match(tag, name)]) == 1, (title, tag)


def test_names_of_classes_are_no_patterns() -> None:
    charts = scalar_layout(["ST (any)", "ST"])["all classes (validation)"]["AUROC"][1]
    assert re.match(charts[0], "val_auroc/ST (any)")
    assert not re.match(charts[1], "val_auroc/ST (any)")


# Curves and images ------------------------------------------------------------------------------------------


def pr_curve(folder: Path, tag: str) -> list[Any]:
    return [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events(folder).Tensors(tag)]


@pytest.mark.slow
def test_precision_and_recall_in_the_first_and_the_last_epoch_and_between(run: Path) -> None:
    tags = [tag for tag in events(run).Tags()["tensors"] if tag.startswith("val/")]
    assert tags == [f"val/{name}" for name in CLASSES]
    curve = pr_curve(run, "val/NORM")
    assert [step for step, _ in curve] == [2, 6, 8]  # epochs 1, 3 and, as the last, 4; two steps each
    assert events(run).summary_metadata["val/NORM"].plugin_data.plugin_name == pr_metadata.PLUGIN_NAME


def test_precision_and_recall_of_the_test_are_those_of_its_predictions(run: Path) -> None:
    import pandas as pd

    table = pd.read_csv(run / "test" / "predictions.csv")
    p, y = table["probability/NORM"].to_numpy(), table["target/NORM"].to_numpy() == 1
    ((_, curve),) = pr_curve(run / "test", "test/NORM")
    true_positives, false_positives = curve[0], curve[1]
    cut = 63
    predicted = p >= cut / (curve.shape[1] - 1)
    assert true_positives[cut] == (predicted & y).sum()
    assert false_positives[cut] == (predicted & ~y).sum()


def test_reliability_and_confusion_are_drawn_with_the_curves(run: Path) -> None:
    for folder, stage, steps in ((run, "val", [2, 6, 8]), (run / "test", "test", [0])):
        loaded = events(folder)
        for name in ("reliability", "confusion"):
            assert [image.step for image in loaded.Images(f"{name}/{stage}")] == steps


@pytest.mark.slow
def test_an_ecg_is_drawn_with_what_the_network_looked_at_at_the_start_and_at_the_end(
    run: Path, words: list[str], tmp_path: Path
) -> None:
    def pictures(folder: Path) -> dict[int, bytes]:
        (tag,) = [tag for tag in events(folder).Tags()["images"] if tag.startswith("ecg/")]
        return {image.step: image.encoded_image_string for image in events(folder).Images(tag)}

    assert list(pictures(run)) == [2, 8]
    plain = fit(words, tmp_path, "--pictures.records", "1", "--pictures.attributions", "false")
    assert len(pictures(plain)[2]) < len(pictures(run)[2]), "colours take room"


@pytest.mark.slow
def test_drawing_changes_nothing_of_a_training(run: Path, words: list[str], tmp_path: Path) -> None:
    plain = fit(words, tmp_path, epochs=4)
    assert not events(plain).Tags()["images"]
    assert "custom_scalars__config__" not in events(plain).Tags()["tensors"]
    kept = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (run, plain)]
    assert all(torch.equal(t, kept[1]["state_dict"][name]) for name, t in kept[0]["state_dict"].items())
    assert torch.equal(kept[0]["random_states"][0]["cpu"], kept[1]["random_states"][0]["cpu"])
    moments = [content["optimizer_states"][0]["state"][0]["exp_avg"] for content in kept]
    assert torch.equal(*moments)


@pytest.mark.slow
def test_an_epoch_that_ends_early_is_drawn_as_the_last(words: list[str], tmp_path: Path) -> None:
    stopped = fit(words, tmp_path, "--curves.every_n_epochs", "2", "--trainer.max_steps", "4", epochs=4)
    assert [step for step, _ in pr_curve(stopped, "val/NORM")] == [2, 4]


@pytest.mark.slow
def test_a_trial_run_and_a_run_without_a_logger_draw_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("drawn")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecg_tl.callbacks.curves._images", forbidden)
    monkeypatch.setattr("ecg_tl.callbacks.pictures._picture", forbidden)
    always = [*words, *GRU, *QUIET, "--curves.every_n_epochs", "1", "--pictures.every_n_epochs", "1"]
    assert main(["fit", *always, "--trainer.fast_dev_run", "true"]) == 0
    bare = ["--trainer.logger", "false", "--trainer.max_epochs", "1", "--checkpoint.dirpath", "kept"]
    assert main(["fit", *always, *bare]) == 0


@pytest.mark.parametrize("callback", [ScoreCurves, EcgPictures])
def test_only_the_first_process_draws(callback: type[Any]) -> None:
    class SecondProcess:
        """Whatever else a callback asks of this trainer is an error."""

        is_global_zero = False
        sanity_checking = False
        current_epoch = 0
        global_step = 4
        state = type("State", (), {"fn": "fit"})
        datamodule = None

    made = callback()
    made.on_validation_end(SecondProcess(), object())
    made.on_train_end(SecondProcess(), object())


def test_impossible_curves_are_refused() -> None:
    with pytest.raises(SettingError, match="every_n_epochs"):
        ScoreCurves(every_n_epochs=-1)


# The terminal -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fit_ends_with_what_its_best_checkpoint_decided(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = ("--checkpoint.monitor", "epoch", "--checkpoint.mode", "min")
    with caplog.at_level("INFO"):
        folder = fit(words, tmp_path, *monitor, "--model.learning_rate", "0.03", epochs=2)
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("best.ckpt: ")]
    content = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert content["epoch"] == 0
    calibration = Calibration.from_dict(content["ecg_tl"]["calibration"])
    assert said == [f"best.ckpt: {line}" for line in calibration.summary(CLASSES)]
    left = [name for name, tuned in zip(CLASSES, calibration.tuned, strict=True) if not tuned]
    assert left, "a class of this few records has fewer than five positives"
    assert f"0.5 is kept: {', '.join(left)}" in " ".join(said)


def printed(command: str, run: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    checkpoint = run / "checkpoints" / "best.ckpt"
    capsys.readouterr()
    words = [command, "-c", str(run / "config.yaml"), "--ckpt_path", str(checkpoint), *more]
    assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_test_prints_scores_at_one_half_and_at_the_thresholds(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    text = printed("test", run, capsys)
    scores = json.loads((run / "test" / "scores.json").read_text())["scores"]
    row = next(line for line in text.splitlines() if line.split()[:1] == ["NORM"]).split()
    fields = ("auroc", "auprc", "f1", "sensitivity", "specificity", "", "f1_tuned", "sensitivity_tuned")
    for position, field in enumerate(fields, start=2):
        if field:
            assert row[position] == f"{scores[f'{field}/NORM']:.3f}", field
    for name in ("ece", "brier"):
        before, after = (f"{scores[f'{name}{suffix}']:.3f}" for suffix in ("", "_calibrated"))
        assert re.search(rf"{before} +{after}", text), name
    assert "0.5 is kept" in text
    assert "Test metric" not in text, "Lightning's own table is as long as there are scores"
    assert max(map(len, text.splitlines()[:12])) < 130


@pytest.mark.slow
def test_a_validation_prints_nothing_that_was_fitted_on_what_it_scores(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed("validate", run, capsys)
    assert "AUROC" in text
    assert "threshold" not in text


@pytest.mark.slow
def test_scores_can_be_kept_from_the_terminal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "AUROC" not in printed("test", run, capsys, "--verbose", "false")


@pytest.mark.slow
def test_classes_without_scores_are_named(words: list[str], tmp_path: Path) -> None:
    made = train(
        ["fit", *words, *GRU, *QUIET, "--runs_dir", str(tmp_path), *DRAWN, "--trainer.max_epochs", "1"]
    )
    made.model.scores["val"] = {
        name: value for name, value in made.model.scores["val"].items() if name != "auroc/HYP"
    }
    console = Console(width=200, record=True, file=(tmp_path / "out.txt").open("w"))
    print_scores(made.model, "val", console)
    text = console.export_text()
    assert "in no mean: HYP" in text
    assert np.count_nonzero([line.split()[:1] == ["HYP"] for line in text.splitlines()]) == 1
