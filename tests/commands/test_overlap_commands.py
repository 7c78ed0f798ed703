"""`ecg-tl test` on records that the checkpoint was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import data_words, fit

from ecg_tl.cli import main
from ecg_tl.store.reader import Store

FOLDS_OF_TRAINING = ("--data.split.validation_folds", "[1]", "--data.split.test_folds", "[2]")


@pytest.mark.usefixtures("ptbxl_store")
@pytest.mark.slow
def test_scores_of_training_records_are_refused_or_marked(
    ptbxl_root: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit(data_words("PtbXlDataModule", ptbxl_root, prepared), tmp_path / "runs")
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert "trained_on" not in (run / "result.json").read_text()
    words = ["test", "-c", str(run / "config.yaml"), "--ckpt_path", str(checkpoint)]

    assert main(words) == 0
    assert json.loads((run / "test" / "scores.json").read_text())["overlap"]["records"] == 0

    capsys.readouterr()
    assert main([*words, *FOLDS_OF_TRAINING]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"ecg-tl: error: {checkpoint}: found ")
    assert "test records of ptbxl among what it was trained on" in error
    assert "--data.allow_overlap true" in error

    assert main([*words, *FOLDS_OF_TRAINING, "--data.allow_overlap", "true"]) == 0
    scores = sorted(run.glob("test*/scores.json"), key=lambda path: path.stat().st_mtime)[-1]
    overlap = json.loads(scores.read_text())["overlap"]
    assert overlap["allowed"] is True
    assert overlap["records"] == overlap["parts"]["test"]["records"] > 0


def test_a_store_shares_all_of_itself(ptbxl_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "overlap", str(ptbxl_store.path), str(ptbxl_store.path)]) == 0
    assert "60 pairs of the same recording" in capsys.readouterr().out
