"""fit, validate, test and predict from the command line, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from tiny import GRU, HALF_TRAINS, QUIET, RESNET, data_words, fit
from tiny_events import scalars

from ecg_tl.cli import main
from ecg_tl.store.reader import Store
from ecg_tl.training import EcgCLI, train


def words_of(run: Path, command: str, checkpoint: str = "best", *more: str) -> list[str]:
    return [
        *(command, "-c", str(run / "config.yaml")),
        *("--ckpt_path", str(run / "checkpoints" / f"{checkpoint}.ckpt"), *more),
    ]


@pytest.mark.parametrize("model", [GRU, RESNET], ids=["rnn", "cnn"])
@pytest.mark.slow
def test_from_training_to_predictions(
    model: tuple[str, ...], cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    run = fit(data, tmp_path / "runs", model=model)
    assert run == tmp_path / "runs" / "default" / "version_0"
    for command in ("validate", "test", "predict"):
        assert main(words_of(run, command)) == 0
    sizes = json.loads((run / "result.json").read_text())["data"]["records"]
    assert len(pd.read_csv(run / "test" / "predictions.csv")) == sizes["test"]
    assert len(pd.read_csv(run / "predict" / "predictions.csv")) == 40
    # The same network on the same records: what `fit` saw last, `validate` sees again.
    logged = scalars(run / "validate")
    for name in ("val/auroc_macro", "val/loss"):
        assert logged[name] == pytest.approx([scalars(run)[name][-1]], rel=1e-5)
    assert not list(run.rglob("*partial*"))


@pytest.mark.slow
def test_the_config_and_the_checkpoint_are_enough(
    run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "alone"
    (alone / "checkpoints").mkdir(parents=True)
    shutil.copy(run_copy / "config.yaml", alone)
    shutil.copy(run_copy / "checkpoints" / "best.ckpt", alone / "checkpoints")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(words_of(run_copy, "test")) == 0
    assert main(words_of(alone, "test")) == 0
    scores = [json.loads((run / "test" / "scores.json").read_text()) for run in (run_copy, alone)]
    assert scores[0] == scores[1]
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_no_result_is_written_over(
    cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    runs = [fit(data, tmp_path, "--experiment", "mine") for _ in range(2)]
    assert [run.relative_to(tmp_path).as_posix() for run in runs] == ["mine/version_0", "mine/version_1"]
    for _ in range(3):
        assert main(words_of(runs[0], "test")) == 0
    assert {p.name for p in runs[0].glob("test*")} == {"test", "test_2", "test_3"}
    contents = {(runs[0] / name / "scores.json").read_text() for name in ("test", "test_2", "test_3")}
    assert len(contents) == 1


@pytest.mark.slow
def test_equal_commands_give_equal_runs(
    cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    seeds = (["--seed_everything", seed] for seed in ("3", "3", "4"))
    runs = [fit(data, tmp_path, *seed) for seed in seeds]
    states = [torch.load(r / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for r in runs]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert not all(torch.equal(tensor, states[2][name]) for name, tensor in states[0].items())


# What the network takes from the data -----------------------------------------------------------------------


@pytest.fixture
def made(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EcgCLI:
    """A trial run of settings that are no defaults."""
    monkeypatch.chdir(tmp_path)
    words = [
        *("fit", *data_words("PtbXlDataModule", ptbxl_root, prepared), *GRU, *QUIET),
        *("--data.task", "rhythm", "--data.leads", "[V1, II]", "--data.num_samples", "120"),
        *("--data.normalization", "z_score", "--seed_everything", "7"),
        *("--trainer.fast_dev_run", "true"),
    ]
    return train(words)


@pytest.mark.slow
def test_each_link_reaches_the_network(made: EcgCLI) -> None:
    network, task = made.model.network, made.model
    assert network.num_classes == made.datamodule.num_classes == 12
    assert list(task.class_names) == made.datamodule.class_names
    assert network.num_leads == made.datamodule.num_leads == 2
    assert network.num_samples == made.datamodule.num_samples == 120
    assert task.normalization.describe() == made.datamodule.normalization == {"name": "z_score"}
    assert made.datamodule.seed == 7


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["true", "false"])
def test_a_seed_without_a_number(seed: str, ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> None:
    words = ["fit", *data_words("PtbXlDataModule", ptbxl_root, prepared), *GRU, *QUIET]
    assert train([*words, "--seed_everything", seed, "--trainer.fast_dev_run", "true"]).datamodule.seed == 0


@pytest.mark.slow
def test_a_trial_run_leaves_nothing_behind(made: EcgCLI, tmp_path: Path) -> None:
    assert made.trainer.global_step == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_training_without_a_logger(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("mine\n")
    words = ["fit", *data_words("PtbXlDataModule", ptbxl_root, prepared), *GRU, *QUIET]
    words += ["--trainer.logger", "false", "--trainer.max_epochs", "1", "--checkpoint.dirpath", "kept"]
    assert main(words) == 0
    assert (tmp_path / "config.yaml").read_text() == "mine\n"
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "kept"}


def test_a_runs_config_holds_every_setting(trained_run: Path) -> None:
    config = yaml.safe_load((trained_run / "config.yaml").read_text())
    assert config["model"]["init_args"]["learning_rate"] == 0.03
    assert config["data"]["init_args"]["split"]["kind"] == "patient"
    assert config["checkpoint"]["monitor"] == "val/auroc_macro"
    # Linked: the data say it, and a config that says it again could only contradict them.
    assert not {"num_classes", "class_names", "num_leads"} & set(config["model"]["init_args"])


@pytest.mark.slow
def test_settings_of_the_run_win_over_a_checkpoint(run_copy: Path) -> None:
    words = words_of(run_copy, "test", "best", "--data.batch_size", "3")
    assert main(words) == 0
    config = yaml.safe_load((run_copy / "test" / "config.yaml").read_text())
    assert config["data"]["init_args"]["batch_size"] == 3
