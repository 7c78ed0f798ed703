"""`ecg-tl robustness` from words to files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from tiny import HALF_TRAINS, NUM_SAMPLES, SAMPLING_RATE, data_words

from ecg_tl.checkpoints.digest import DIGEST, weights_digest
from ecg_tl.cli import main
from ecg_tl.store.reader import Store


@pytest.fixture
def words(ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> list[str]:
    """Words that name the data that `trained_run` was trained on."""
    return [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]


@pytest.fixture
def two(trained_run: Path, tmp_path: Path) -> list[str]:
    """The trained checkpoint, and one whose weights are others."""
    best = trained_run / "checkpoints" / "best.ckpt"
    content = torch.load(best, map_location="cpu", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in content["state_dict"].items():
        content["state_dict"][name] = torch.randn(tensor.shape, generator=generator)
    content[DIGEST] = weights_digest(content["state_dict"])
    other = tmp_path / "other" / "best.ckpt"
    other.parent.mkdir()
    torch.save(content, other)
    return [str(best), str(other)]


@pytest.mark.slow
def test_it_compares_checkpoints_in_a_table_a_csv_and_a_figure(
    words: list[str], two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, figure = tmp_path / "out" / "table.csv", tmp_path / "out" / "figure.svg"
    names = ["--names", "trained", "random", "--resamples", "100"]
    files = ["--csv", str(csv), "--figure", str(figure)]
    assert main(["robustness", *two, *words, *names, *files]) == 0
    printed = capsys.readouterr().out
    for said in (
        "macro AUROC",
        "wander",
        "6 leads",
        "LA–RA",
        "× 10",
        "20 Hz",
        "2 s",
        "random",
        "less trained",
    ):
        assert said in printed
    assert "mains left out: 50 Hz are not below 12.5 Hz" in printed
    table = pd.read_csv(csv)
    assert set(table["checkpoint"]) == {"trained", "random"}
    assert table.groupby("checkpoint").size().nunique() == 1
    assert set(table["path"]) == set(two)
    assert "leads lost at random" in figure.read_text()


@pytest.mark.slow
def test_data_may_be_named_in_a_config(
    two: list[str], ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    settings = {
        "root": str(ptbxl_root),
        "store_dir": str(prepared),
        "sampling_rate": SAMPLING_RATE,
        "num_samples": NUM_SAMPLES,
        "split": {"kind": "patient", "fractions": [0.5, 0.25, 0.25]},
    }
    config = tmp_path / "data.yaml"
    config.write_text(yaml.safe_dump({"data": {"class_path": "PtbXlDataModule", "init_args": settings}}))
    csv = tmp_path / "table.csv"
    more = ["--kinds", "gain", "--metric", "f1_macro_tuned", "--resamples", "0", "--csv", str(csv)]
    assert main(["robustness", two[0], "-c", str(config), *more]) == 0
    table = pd.read_csv(csv)
    assert table["kind"].unique().tolist() == ["clean", "gain"]
    assert (table["classes_scored"] == 5).all()
    assert table["low"].isna().all()


@pytest.mark.slow
def test_a_seed_gives_the_same_file(words: list[str], two: list[str], tmp_path: Path) -> None:
    contents = []
    for seed in ("1", "1", "2"):
        csv = tmp_path / "table.csv"
        more = ["--kinds", "motion", "--resamples", "100", "--seed", seed, "--csv", str(csv)]
        assert main(["robustness", two[0], *words, *more]) == 0
        contents.append(csv.read_bytes())
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--figure", "a.gif"], "a.gif: found the suffix '.gif'"),
        (["--kinds", "wnader"], "found wnader, expected some of wander"),
        (["--kinds", "mains"], "half the sampling rate"),
        (["--metric", "accuracy"], "metric"),
        (["--names", "a", "b"], "a, b for 1 checkpoint"),
        (["--data.split.seed", "5"], "test records of ptbxl among what it was trained on"),
        (["--sed", "1"], "sed"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    more: list[str], said: str, words: list[str], two: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["robustness", two[0], *words, *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_a_checkpoint_that_is_none_is_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.ckpt"
    other.write_bytes(b"nothing of the kind")
    assert main(["robustness", str(other), *words]) == 2
    assert str(other) in capsys.readouterr().err
    assert main(["robustness", *words]) == 2
