"""By which score an epoch is chosen, which way it is better, and what happens where it has no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from tiny import GRU, HALF_TRAINS, QUIET, data_words, fit

from ecg_tl.callbacks import RunCheckpoint, ScoreStopping
from ecg_tl.callbacks.monitors import choose_mode, score_names
from ecg_tl.cli import main
from ecg_tl.datamodules.parts import Parts, divide
from ecg_tl.errors import SettingError
from ecg_tl.metrics import multilabel_scores
from ecg_tl.statistics.directions import DIRECTIONS, direction
from ecg_tl.store.reader import Store
from ecg_tl.tasks import EcgClassifier

CLASSES = ["NORM", "MI", "STTC", "HYP", "CD"]


@pytest.fixture
def data(ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> list[str]:
    return [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]


# Which way a score is better ----------------------------------------------------------------------------


def test_every_score_is_greater_or_smaller_the_better_as_its_definition_says() -> None:
    """Perfect predictions against bad ones: the direction is measured, not repeated."""
    targets = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    good, bad = (targets * 0.98 + 0.01, 0.99 - targets * 0.98)
    scores = [multilabel_scores(p, targets, ["A", "B"]).as_dict() for p in (good, bad)]
    one_each = torch.eye(2)
    for found, p in zip(scores, (one_each, 1 - one_each), strict=True):
        found["accuracy"] = multilabel_scores(p, one_each, ["A", "B"], None).as_dict()["accuracy"]
    losses = [float(torch.nn.functional.binary_cross_entropy(p, targets.float())) for p in (good, bad)]
    for name in DIRECTIONS:
        better, worse = losses if name == "loss" else [s[name if name in s else f"{name}/A"] for s in scores]
        assert DIRECTIONS[name] == ("max" if better > worse else "min"), name


@pytest.mark.slow
def test_every_score_that_a_training_logs_has_a_direction_and_every_count_has_none(trained_run: Path) -> None:
    columns = set(pd.read_csv(trained_run / "metrics.csv").columns)
    logged = {name for name in columns if name.startswith(("val", "train")) and direction(name)}
    assert {name for name in columns if name.startswith("val")} - logged == {
        *("val/auroc_classes_scored", "val/auprc_classes_scored"),
        *(f"val_support/{name}" for name in CLASSES),
    }
    assert logged <= set(score_names(CLASSES))
    for name in ("val_loss", "val/auroc", "val/auroc/MI", "val_ece/MI", "loss", "", "val/", "epoch"):
        assert direction(name) is None, name


@pytest.mark.parametrize("kind", [RunCheckpoint, ScoreStopping])
def test_the_mode_follows_from_the_score_and_a_contradiction_is_refused(kind: type[Any]) -> None:
    for name in score_names(CLASSES):
        right = direction(name)
        assert kind(monitor=name).mode == kind(monitor=name, mode=right).mode == right
        with pytest.raises(SettingError, match=f"for {name}, of which the (greater|smaller) is the better"):
            kind(monitor=name, mode="min" if right == "max" else "max")


def test_a_score_of_somebodys_own_task_has_the_mode_that_is_given() -> None:
    assert choose_mode("val/own", "min", "here") == "min"
    assert choose_mode("epoch", None, "here") == "max"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("monitor", "best"), [("val/loss", "idxmin"), ("val/brier", "idxmin"), ("val_f1/MI", "idxmax")]
)
def test_the_checkpoint_is_of_the_best_epoch_by_any_score(
    data: list[str], tmp_path: Path, monitor: str, best: str
) -> None:
    run = fit(data, tmp_path, "--checkpoint.monitor", monitor, "--model.learning_rate", "0.1", epochs=4)
    table = pd.read_csv(run / "metrics.csv")
    row = table.loc[getattr(table[monitor], best)()]
    assert torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] + 1 == row["epoch"]
    result = json.loads((run / "result.json").read_text())
    assert result["epochs_to_best"] == row["epoch"]
    assert result["unscored"] is None


# Names that are no score --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "monitor", "said"),
    [
        ("checkpoint", "val_loss", "Did you mean val/loss?"),
        ("checkpoint", "val/auroc/MI", "Did you mean val_auroc/MI?"),
        ("checkpoint", "val_support/MI", "no score"),
        ("ScoreStopping", "val_auroc/XY", "classes: NORM, MI"),
        ("EarlyStopping", "nonsense", "val/auroc_macro"),
    ],
)
def test_an_unknown_monitor_is_refused_before_training(
    data: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
    monitor: str,
    said: str,
) -> None:
    monkeypatch.setattr(EcgClassifier, "training_step", lambda *_: pytest.fail("trained"))
    more = ["--checkpoint.monitor", monitor]
    if flag != "checkpoint":
        more = ["--trainer.callbacks+", flag, "--trainer.callbacks.monitor", monitor]
    assert main(["fit", *data, *GRU, *QUIET, "--runs_dir", str(tmp_path), *more]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert said in line
    assert monitor in line


@pytest.mark.slow
def test_lightnings_own_early_stopping_is_refused_the_wrong_way_round(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = ["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "val/auroc_macro"]
    assert main(["fit", *data, *GRU, *QUIET, "--runs_dir", str(tmp_path), *stopping]) == 2
    assert "EarlyStopping.mode: found min for val/auroc_macro" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", [("--trainer.limit_val_batches", "0"), ("--trainer.check_val_every_n_epoch", "30")]
)
def test_a_score_of_a_validation_that_never_comes_is_refused(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: tuple[str, str]
) -> None:
    assert main(["fit", *data, *GRU, *QUIET, "--runs_dir", str(tmp_path), *setting]) == 2
    assert "validation" in capsys.readouterr().err


# Scores without a value ---------------------------------------------------------------------------------


@pytest.fixture
def no_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no validation record have any class."""

    def without(*args: Any, **kwargs: Any) -> Parts:
        parts = divide(*args, **kwargs)
        parts.targets[parts.split.validation] = 0.0
        return parts

    monkeypatch.setattr("ecg_tl.datamodules.base.divide", without)


@pytest.mark.slow
@pytest.mark.usefixtures("no_positives")
@pytest.mark.parametrize("stopping", [None, "ScoreStopping", "EarlyStopping"])
def test_without_a_score_the_last_epoch_is_kept_and_it_is_said(
    data: list[str], tmp_path: Path, stopping: str | None
) -> None:
    more = () if stopping is None else ("--trainer.callbacks+", stopping)
    if stopping is not None:
        more += ("--trainer.callbacks.monitor", "val/auroc_macro", "--trainer.callbacks.mode", "max")
        more += ("--trainer.callbacks.patience", "1")
    with pytest.warns(UserWarning, match="has no value") as warned:
        run = fit(data, tmp_path, *more, epochs=4)
    said = " ".join(str(one.message) for one in warned)
    ended = 1 if stopping == "EarlyStopping" else 4
    assert "val/auroc_macro has no value in this validation: no class has both" in said
    assert f"is of the last epoch ({ended})" in said
    assert ("EarlyStopping ends the training here" in said) == (stopping == "EarlyStopping")
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["epoch"] + 1 == ended
    result = json.loads((run / "result.json").read_text(), parse_constant=pytest.fail)
    assert (result["epochs_to_best"], result["best_scores"]["val/auroc_macro"]) == (ended, None)
    assert "no class has both positives and negatives" in result["unscored"]
    last = [*("fit", "-c", str(run / "config.yaml")), "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    assert main(last) == 0  # and what was kept stays the last epoch when the training is resumed
    resumed = torch.load(run.with_name("version_1") / "checkpoints" / "best.ckpt", weights_only=True)
    assert resumed["epoch"] + 1 == ended


def test_a_later_score_is_better_than_none(tmp_path: Path) -> None:
    checkpoint = RunCheckpoint(dirpath=tmp_path)
    strategy = type("S", (), {"reduce_boolean_decision": staticmethod(bool)})
    trainer: Any = type("T", (), {"strategy": strategy, "lightning_module": None})
    nan, score = torch.tensor(float("nan")), torch.tensor(0.1)
    for before, now, taken in [
        (float("-inf"), nan, True),
        (float("-inf"), score, True),
        (0.2, nan, False),
        (0.2, score, False),
    ]:
        checkpoint.best_k_models = {"best.ckpt": torch.tensor(before)}
        checkpoint.kth_best_model_path = "best.ckpt"
        assert checkpoint.check_monitor_top_k(trainer, now) is taken


@pytest.mark.slow
@pytest.mark.usefixtures("no_positives")
def test_a_class_that_cannot_be_scored_is_refused_as_a_monitor(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", *data, *GRU, *QUIET, "--runs_dir", str(tmp_path), "--checkpoint.monitor", "val_auroc/MI"]
    assert main(words) == 2
    assert "val_auroc/MI, with 0 positives among" in capsys.readouterr().err


def test_a_score_stopping_takes_up_what_earlier_checkpoints_say_of_early_stopping() -> None:
    monitor = "val/auroc_macro"
    assert ScoreStopping(monitor).state_key == EarlyStopping(monitor, mode="max").state_key
