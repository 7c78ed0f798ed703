"""`ecg-tl pretrain`, from records to a checkpoint that is an upstream like any other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny import QUIET

from ecg_tl.checkpoints.reading import read_upstream
from ecg_tl.cli import main
from ecg_tl.commands.pretrain import sources_together
from ecg_tl.errors import SettingError

SIGNALS = ("--data.sampling_rate", "50", "--data.num_samples", "500")
GRU = ("--model.network", "gru", "--model.network_options", "null")
VIT = "{size: tiny, pooling: mean}"


@pytest.fixture(scope="module")
def pretrained(ludb_root: Path, stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four epochs, of which every other one is probed."""
    runs = tmp_path_factory.mktemp("pretrained")
    words = ["pretrain", "-c", "jepa", "--data", "ludb", "--data.root", str(ludb_root), *SIGNALS]
    words += ["--data.store_dir", str(stores), "--data.batch_size", "16", "--runs_dir", str(runs)]
    words += ["--model.network_options", VIT, "--model.probe_every", "2", "--trainer.max_epochs", "4"]
    words += ["--pictures.records", "2", *QUIET]
    assert main(words) == 0
    return runs / "default" / "version_0"


@pytest.mark.slow
def test_its_checkpoint_describes_itself_and_what_it_was_trained_on(pretrained: Path) -> None:
    upstream = read_upstream(pretrained / "checkpoints" / "best.ckpt")
    assert upstream.data is not None
    assert upstream.data["pretraining"]["method"] == "jepa"
    assert (upstream.data["sampling_rate"], upstream.data["num_samples"]) == (50, 500)
    (trained_on,) = upstream.trained_on
    assert trained_on.dataset == "ludb"
    assert len(trained_on.record_ids) == len(trained_on.fingerprints) == 42
    assert not trained_on.labels
    assert upstream.outside == {}
    assert "patch_embed.proj.weight" in upstream.weights


@pytest.mark.slow
def test_it_leaves_scores_and_pictures(pretrained: Path) -> None:
    table = pd.read_csv(pretrained / "metrics.csv")
    for name in ("train/loss", "val/loss", "val/feature_rank", "val/feature_spread"):
        assert table[name].notna().tolist() == [True, True, True, True]
    # A probe stands in the row of its own epoch, and not in those after it.
    assert table["val/probe_auroc"].notna().tolist() == [False, True, False, True]
    events = b"".join(path.read_bytes() for path in pretrained.glob("events*"))
    assert b"pretraining/masks" in events
    assert b"pretraining/neighbours" in events


@pytest.mark.slow
def test_a_downstream_starts_from_it_on_the_same_training_records(
    pretrained: Path, ludb_root: Path, stores: Path, tmp_path: Path
) -> None:
    best = pretrained / "checkpoints" / "best.ckpt"
    words = ["fit", "--model", "EcgClassifier", "--model.network", "weimann_vit"]
    words += ["--model.network_options", VIT, "--data", "LudbDataModule", "--data.root", str(ludb_root)]
    words += [*SIGNALS, "--data.store_dir", str(stores), "--transfer.upstream", str(best)]
    words += ["--trainer.max_epochs", "1", "--pictures.records", "0", "--curves.every_n_epochs", "0", *QUIET]
    assert main([*words, "--runs_dir", str(tmp_path)]) == 0
    run = tmp_path / "default" / "version_0"
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    report = checkpoint["ecg_tl"]["transfer"]
    assert report["coverage"] == 1.0
    assert report["overlap"]["records"] == 0
    assert [one.get("labels", True) for one in checkpoint["ecg_tl_trained_on"]] == [False, True]


@pytest.mark.slow
def test_it_has_no_answers_and_says_so_in_one_line(
    pretrained: Path, ludb_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = pretrained / "checkpoints" / "best.ckpt"
    assert main(["infer", str(best), str(ludb_root / "data" / "1.hea")]) == 2
    said = capsys.readouterr().err
    assert "pre-trained without labels ('jepa')" in said
    assert len(said.splitlines()) == 1
    assert main(["transfer", "inspect", str(best)]) == 0


def test_datasets_and_their_settings_are_put_together() -> None:
    words = ["pretrain", "--data", "ludb", "--data.root", "a", "--data.batch_size", "4"]
    words += [
        "--data=PtbXlDataModule",
        "--data.weight",
        "2",
        "--data.split.seed=3",
        "--data.crop_seconds",
        "9",
    ]
    assert sources_together(words) == [
        *("pretrain", "--data.batch_size", "4", "--data.crop_seconds", "9", "--data.sources"),
        '[{"dataset": "ludb", "root": "a"}, {"dataset": "ptbxl", "weight": 2, "split": {"seed": 3}}]',
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data"], "no value"),
        (["--data", "nowhere"], "'nowhere'"),
        (["--data.root", "a"], "no dataset before it"),
        (["--data", "ludb", "--data.root"], "no value"),
        (["--data", "ludb", "--data.split.seed", "[1"], "YAML"),
        (["--data", "ludb", "--data.split", "3", "--data.split.seed", "1"], "split too"),
    ],
)
def test_words_that_name_no_dataset_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(SettingError, match=said.replace("[", r"\[")):
        sources_together(["pretrain", *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-c", "jepa"], "no dataset"),
        (["-c", "jepa", "--data", "ludb", "--data.nothing", "1"], "nothing"),
        (["-c", "jepa", "--data", "ludb", "--data.augmentation", "{}"], "augmentation"),
        (["-c", "jepa", "--data", "ludb", "--model.masks.min_keep", "2"], "min_keep"),
        (["-c", "jepa", "--data", "ludb", *GRU], "no tokens"),
        (["-c", "cpc", "--data", "ludb", *GRU], "cpc_s4"),
        (["-c", "simclr", "--data", "ludb", "--data.crop_seconds", "50"], "which a stored record has"),
    ],
)
@pytest.mark.slow
def test_settings_that_make_no_sense_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", *words, "--runs_dir", str(tmp_path), *QUIET]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecg-tl: error")]
    assert len(lines) == 1
    assert said in lines[0]
