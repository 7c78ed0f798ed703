"""What a run leaves in its folder: history, result, pictures, hyperparameters, predictions."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import GRU, HALF_TRAINS, QUIET, data_words, fit, fit_words
from tiny_events import events, scalars

from ecg_tl.calibration import calibrate
from ecg_tl.callbacks import EcgPictures, RunHistory
from ecg_tl.cli import main
from ecg_tl.csv_text import write_csv
from ecg_tl.errors import SettingError, StoreError
from ecg_tl.files import write_json, write_text
from ecg_tl.metrics import multilabel_scores
from ecg_tl.store.reader import Store
from ecg_tl.tasks import EcgClassifier
from ecg_tl.validation_predictions import read_validation

CLASSES = ["NORM", "MI", "STTC", "HYP", "CD"]


def words_of(run: Path, command: str, checkpoint: str = "best", *more: str) -> list[str]:
    return [
        *(command, "-c", str(run / "config.yaml")),
        *("--ckpt_path", str(run / "checkpoints" / f"{checkpoint}.ckpt"), *more),
    ]


# metrics.csv and result.json --------------------------------------------------------------------------------


def test_metrics_has_a_row_an_epoch(trained_run: Path) -> None:
    table = pd.read_csv(trained_run / "metrics.csv")
    curves = scalars(trained_run)
    assert table["epoch"].tolist() == [1, 2]
    assert table["step"].tolist() == [2, 4]
    assert table["seconds"].is_monotonic_increasing
    for name in ("val/auroc_macro", "val/loss", "val_f1/NORM", "train/loss_epoch"):
        assert table[name].tolist() == pytest.approx(curves[name], rel=1e-6)


@pytest.mark.slow
def test_an_epoch_without_validation_has_no_scores_of_another(
    ptbxl_root: Path, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    run = fit(data, tmp_path, "--trainer.check_val_every_n_epoch", "2", epochs=4)
    table = pd.read_csv(run / "metrics.csv")
    assert table["val/auroc_macro"].notna().tolist() == [False, True, False, True]
    assert table["train/loss_epoch"].notna().all()


def test_result_says_which_epoch_was_chosen(trained_run: Path) -> None:
    result = json.loads((trained_run / "result.json").read_text())
    table = pd.read_csv(trained_run / "metrics.csv")
    best = table.loc[table["val/auroc_macro"].idxmax()]
    assert result["monitor"] == "val/auroc_macro"
    assert (result["epochs"], result["epochs_to_best"]) == (2, int(best["epoch"]))
    assert result["best_scores"]["val/auroc_macro"] == pytest.approx(best["val/auroc_macro"])
    assert result["seconds_to_best"] == pytest.approx(best["seconds"])
    assert result["seconds_to_best"] <= result["seconds"]
    assert result["best_checkpoint"] == str(trained_run / "checkpoints" / "best.ckpt")
    checkpoint = torch.load(result["best_checkpoint"], weights_only=True)
    assert checkpoint["epoch"] + 1 == result["epochs_to_best"]
    assert result["trainable_parameters"] == sum(t.numel() for t in checkpoint["state_dict"].values())
    assert result["data"] == checkpoint["ecg_tl"]["data"]


@pytest.mark.parametrize(("mode", "epoch"), [("max", 2), ("min", 4)])
def test_the_best_epoch_is_the_first_of_equals_and_never_a_nan(mode: str, epoch: int) -> None:
    history = RunHistory()
    scores = [0.5, 0.8, 0.8, 0.2, float("nan")]
    history.rows = [
        {"epoch": float(n), "step": 1.0, "seconds": 1.0, "score": s} for n, s in enumerate(scores, start=1)
    ]
    best = history.best("score", mode)
    assert best is not None
    assert best.epoch == epoch
    assert best.chosen


def test_without_any_score_the_last_epoch_is_the_best_and_is_not_chosen() -> None:
    history = RunHistory()
    assert history.best("score", "max") is None
    history.rows = [{"epoch": n, "step": n, "seconds": n, "score": float("nan")} for n in (1.0, 2.0)]
    best = history.best("score", "max")
    assert best is not None
    assert (best.epoch, best.chosen) == (2, False)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_end(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    augmented = ("--data.augmentation.gaussian_noise", "0.1")
    keep = ("--checkpoint.save_top_k", "-1", "--checkpoint.filename", "{epoch}")
    whole = fit(data, tmp_path, *augmented, *keep, epochs=3)
    cut = words_of(whole, "fit", "epoch=0", "--experiment", "resumed")
    assert main(cut) == 0
    resumed = tmp_path / "resumed" / "version_0"
    ends = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (whole, resumed)
    ]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
    tables = [pd.read_csv(run / "metrics.csv").drop(columns="seconds") for run in (whole, resumed)]
    assert tables[1]["epoch"].tolist() == [1, 2, 3]
    pd.testing.assert_frame_equal(tables[0], tables[1], check_like=True)
    results = [json.loads((run / "result.json").read_text()) for run in (whole, resumed)]
    assert results[0]["best_scores"] == results[1]["best_scores"]


@pytest.mark.slow
def test_the_best_checkpoint_outlives_a_resumption(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    # The epoch's own number is the score: by it, no later epoch is better.
    monitor = ("--checkpoint.monitor", "epoch", "--checkpoint.mode", "min")
    first = fit(data, tmp_path, "--model.schedule", "constant", *monitor)
    assert main(words_of(first, "fit", "last", "--trainer.max_epochs", "2")) == 0
    second = first.with_name("version_1")
    kept = torch.load(second / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["epoch"] == 0
    assert torch.load(second / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    assert sorted(path.name for path in (second / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert torch.load(first / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0


@pytest.mark.slow
def test_the_last_checkpoint_is_of_the_last_epoch_that_was_completed(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(task: EcgClassifier) -> None:
        if task.current_epoch == 2:
            raise SettingError("this run", "an epoch too many", "two", "Resume it.")

    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    monitor = ("--checkpoint.monitor", "epoch", "--checkpoint.mode", "min")
    monkeypatch.setattr(EcgClassifier, "on_train_epoch_start", cut_off)
    words = ["fit", *data, *GRU, *QUIET, *monitor, "--runs_dir", str(tmp_path), "--trainer.max_epochs", "4"]
    assert main([*words, "--pictures.records", "0"]) == 2
    run = tmp_path / "default" / "version_0"
    kept = {
        name: torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("best", "last")
    }
    assert (kept["best"]["epoch"], kept["last"]["epoch"]) == (0, 1)
    assert kept["last"]["callbacks"]["RunHistory"]["rows"][-1]["epoch"] == 2
    monkeypatch.undo()
    assert main(words_of(run, "fit", "last")) == 0
    resumed = run.with_name("version_1")
    assert pd.read_csv(resumed / "metrics.csv")["epoch"].tolist() == [1, 2, 3, 4]
    assert torch.load(resumed / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 3


@pytest.mark.slow
def test_a_checkpoint_cut_off_leaves_the_one_before(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(b"PK half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = run_copy / "checkpoints"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(Path, "write_bytes", half)
    words = ["fit", "-c", str(run_copy / "config.yaml"), "--runs_dir", str(run_copy / "again")]
    words += ["--checkpoint.dirpath", str(folder), "--checkpoint.enable_version_counter", "false"]
    assert main(words) == 2
    assert "best.ckpt: found No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_a_better_epoch_after_a_resumption_is_taken(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    monitor = ("--checkpoint.monitor", "epoch", "--checkpoint.mode", "max")
    first = fit(data, tmp_path, "--model.schedule", "constant", *monitor)
    assert main(words_of(first, "fit", "last", "--trainer.max_epochs", "2")) == 0
    checkpoints = first.with_name("version_1") / "checkpoints"
    assert torch.load(checkpoints / "best.ckpt", weights_only=True)["epoch"] == 1
    assert sorted(path.name for path in checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]


@pytest.mark.slow
def test_a_schedule_planned_for_other_steps_does_not_go_on(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words_of(run_copy, "fit", "last", "--trainer.max_epochs", "3")) == 2
    error = capsys.readouterr().err
    assert "max_epochs: found 6 optimizer steps, expected 4" in error
    assert "schedule: constant" in error


# TensorBoard ------------------------------------------------------------------------------------------------


def test_the_same_records_are_drawn_each_time(trained_run: Path) -> None:
    loaded = events(trained_run)
    tags = loaded.Tags()["images"]
    assert len(tags) == 2
    assert all(tag.startswith("ecg/") for tag in tags)
    validation = json.loads((trained_run / "result.json").read_text())["data"]["records"]["validation"]
    assert len(tags) <= validation
    for tag in tags:
        pictures = loaded.Images(tag)
        assert [picture.step for picture in pictures] == [2, 4]  # `every_n_epochs: 1`
        assert min(pictures[0].width, pictures[0].height) > 200
        # The network has learned in between: other labels are predicted, the ECG is the same.
        assert pictures[0].encoded_image_string.startswith(b"\x89PNG")


@pytest.mark.slow
def test_pictures_can_be_rare_or_off(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = data_words("PtbXlDataModule", ptbxl_root, prepared)
    rare = fit(data, tmp_path, "--pictures.records", "1", epochs=3)
    assert [p.step for tag in events(rare).Tags()["images"] for p in events(rare).Images(tag)] == [3, 9]
    assert not events(fit(data, tmp_path)).Tags()["images"]


@pytest.mark.parametrize(("name", "value"), [("records", -1), ("every_n_epochs", 0)])
def test_impossible_pictures_are_refused(name: str, value: int) -> None:
    with pytest.raises(
        SettingError, match=rf"^pictures\.{name}: found {value}, expected a whole number from"
    ):
        EcgPictures(**{name: value})


def test_hyperparameters_come_with_the_final_scores(trained_run: Path) -> None:
    loaded = events(trained_run)
    result = json.loads((trained_run / "result.json").read_text())
    finals = {tag: loaded.Scalars(tag)[-1].value for tag in loaded.Tags()["scalars"] if tag.startswith("hp/")}
    assert finals["hp/epochs_to_best"] == result["epochs_to_best"]
    assert finals["hp/val/auroc_macro"] == pytest.approx(result["best_scores"]["val/auroc_macro"])
    summaries = loaded.summary_metadata
    assert any("hparams" in tag for tag in summaries)
    content = str(summaries["_hparams_/session_start_info"])
    assert all(name in content for name in ("learning_rate", "hidden_size", "lr_decay"))
    assert all(
        name in content for name in ("data/dataset", "data/training_records", "upstream", "max_epochs")
    )
    assert "_class_path" not in content


# Predictions ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_scores_can_be_computed_again_from_the_predictions(run_copy: Path) -> None:
    assert main(words_of(run_copy, "test")) == 0
    content = json.loads((run_copy / "test" / "scores.json").read_text())
    table = pd.read_csv(run_copy / "test" / "predictions.csv", dtype=str)
    assert list(table.columns) == [
        "record_id",
        "patient_id",
        *(f"{kind}/{name}" for name in CLASSES for kind in ("target", "probability", "calibrated")),
    ]
    assert table["record_id"].is_unique
    assert len(table) == content["data"]["records"]["test"]
    # In C order, as the network gave them: the order of a sum decides its last digit.
    probabilities, targets = (
        table[[f"{kind}/{name}" for name in CLASSES]].to_numpy(str).astype("float32", order="C")
        for kind in ("probability", "target")
    )
    again = multilabel_scores(probabilities, targets, CLASSES).as_dict()
    assert {name: content["scores"][name] for name in again} == again


@pytest.mark.slow
def test_targets_are_the_published_labels(run_copy: Path, ptbxl_store: Store) -> None:
    assert main(words_of(run_copy, "predict")) == 0
    table = pd.read_csv(run_copy / "predict" / "predictions.csv", dtype={"record_id": str})
    assert table["record_id"].tolist() == ptbxl_store.records["record_id"].tolist()
    targets = ptbxl_store.manifest.rule("superdiagnostic").targets(ptbxl_store.records["codes"].tolist())
    assert (table[[f"target/{name}" for name in CLASSES]].to_numpy() == targets).all()
    assert table[[f"probability/{name}" for name in CLASSES]].stack().between(0, 1).all()
    assert not (run_copy / "predict" / "scores.json").exists()


@pytest.mark.slow
def test_predictions_name_the_patients(
    run_copy: Path,
    ptbxl_store: Store,
    cpsc2018_root: Path,
    cpsc2018_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    assert main(words_of(run_copy, "predict")) == 0
    table = pd.read_csv(run_copy / "predict" / "predictions.csv", dtype=str)
    assert table["patient_id"].tolist() == ptbxl_store.records["patient_id"].tolist()
    unknown = fit([*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS], tmp_path)
    assert main(words_of(unknown, "test")) == 0
    assert pd.read_csv(unknown / "test" / "predictions.csv")["patient_id"].isna().all()


@pytest.mark.slow
def test_calibrated_probabilities_are_those_of_the_checkpoints_temperature(run_copy: Path) -> None:
    checkpoint = run_copy / "checkpoints" / "best.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["ecg_tl"]["calibration"]["temperature"] = 2.0
    torch.save(content, checkpoint)
    assert main(words_of(run_copy, "predict")) == 0
    table = pd.read_csv(run_copy / "predict" / "predictions.csv")
    for name in CLASSES:
        p = table[f"probability/{name}"]
        root_odds = ((p / (1 - p)) ** 0.5).to_numpy()
        assert table[f"calibrated/{name}"].to_numpy() == pytest.approx(root_odds / (1 + root_odds), abs=1e-5)
    content["ecg_tl"]["calibration"] = None
    torch.save(content, checkpoint)
    assert main(words_of(run_copy, "predict")) == 0
    columns = pd.read_csv(run_copy / "predict_2" / "predictions.csv").columns
    assert not [column for column in columns if column.startswith("calibrated/")]


# Whole or not at all ----------------------------------------------------------------------------------------


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"b": 1})
    write_csv(tmp_path / "new" / "t.csv", pd.DataFrame({"x": [0.1, 1 / 3]}))
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"b": 1}
    assert (tmp_path / "new" / "t.csv").read_text() == f"x\n0.1\n{1 / 3!r}\n"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.csv"
    write_text(path, "old")
    original = Path.write_text

    def half(self: Path, text: str, *args: Any, **kwargs: Any) -> int:
        original(self, text[: len(text) // 2], *args, **kwargs)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(StoreError, match=r"metrics\.csv: found No space left on device"):
        write_text(path, "something new")
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]
    assert path.read_text() == "old"


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="a folder that can be written"):
        write_text(tmp_path / "taken" / "a.json", "{}")


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_with_one_line(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    assert main(words_of(run_copy, "test")) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert len(lines) == 1
    assert "predictions.csv" in lines[0]
    assert "No space left on device" in lines[0]
    assert not [
        p for p in (run_copy / "test").iterdir() if p.suffix in (".csv", ".json") or "partial" in p.name
    ]


# Validations in the middle of an epoch --------------------------------------------------------------------


@pytest.mark.slow
def test_each_validation_has_a_row_and_the_result_is_of_the_one_that_was_kept(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS, "--data.batch_size", "6"]
    # Validated after two and four of five batches, not at the epoch's end.
    for every in ("2", "0.5"):
        more = ("--trainer.val_check_interval", every, "--model.learning_rate", "0.03")
        run = fit(data, tmp_path / every, *more, epochs=3)
        kept, table = read_validation(run / "validation.npz"), pd.read_csv(run / "metrics.csv")
        result = json.loads((run / "result.json").read_text())
        best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
        validated = table[table["val/auroc_macro"].notna()]
        assert validated["step"].tolist() == kept.steps.tolist()
        assert validated["epoch"].tolist() == kept.epochs.tolist()
        assert len(validated) == 6
        assert table["train/loss_epoch"].notna().sum() == result["epochs"] == 3
        assert table["step"].is_monotonic_increasing
        assert table["step"].is_unique
        targets, names = torch.from_numpy(kept.targets), kept.class_names.tolist()
        logits = [torch.from_numpy(one) for one in kept.logits]
        scores = [float(multilabel_scores(one.sigmoid(), targets, names).auroc_macro) for one in logits]
        np.testing.assert_array_equal(np.float32(scores), np.float32(validated["val/auroc_macro"]))
        chosen = int(np.argmax(np.float32(scores)))
        assert best["global_step"] == kept.steps[chosen]
        assert result["epochs_to_best"] == kept.epochs[chosen] == best["epoch"] + 1
        assert result["best_scores"]["val/auroc_macro"] == validated["val/auroc_macro"].iloc[chosen]
        again = calibrate(logits[chosen], targets, "f1", 0.9)
        assert again.as_dict() == best["ecg_tl"]["calibration"]


@pytest.mark.slow
def test_a_training_loss_is_looked_at_when_its_epoch_is_over(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS, "--data.batch_size", "6"]
    more = ("--trainer.val_check_interval", "2", "--checkpoint.monitor", "train/loss_epoch")
    run = fit(data, tmp_path, *more, epochs=2)
    table = pd.read_csv(run / "metrics.csv")
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    least = table.loc[table["train/loss_epoch"].idxmin()]
    assert (best["global_step"], best["epoch"] + 1) == (least["step"], least["epoch"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            ("--trainer.val_check_interval", "1", "--trainer.accumulate_grad_batches", "4"),
            "trainer.val_check_interval",
        ),
        (("--checkpoint.save_on_train_epoch_end", "true"), "checkpoint.save_on_train_epoch_end"),
        (("--checkpoint.every_n_train_steps", "1"), "checkpoint.every_n_train_steps"),
    ],
)
def test_a_score_of_other_weights_than_the_checkpoints_is_refused(
    words: tuple[str, ...],
    named: str,
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS, "--data.batch_size", "6"]
    assert main(fit_words(data, tmp_path, "--trainer.val_check_interval", "0.5", *words)) == 2
    assert f"error: {named}: found " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_a_checkpoint_of_every_other_epoch_is_what_the_result_is_of(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    more = ("--checkpoint.every_n_epochs", "2", "--checkpoint.monitor", "epoch", "--checkpoint.mode", "min")
    for monitor in (
        more,
        (*more[:2], "--checkpoint.monitor", "train/loss_epoch", "--model.learning_rate", "1e-9"),
    ):
        run = fit(data, tmp_path / monitor[3].partition("/")[0], *monitor, epochs=2)
        best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
        result = json.loads((run / "result.json").read_text())
        assert best["epoch"] + 1 == result["epochs_to_best"] == 2
