"""Training and testing on two processes, as `ecg-tl` starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from child_processes import importing
from tiny import HALF_TRAINS, QUIET, RESNET, data_words

from ecg_tl.cli import main
from ecg_tl.store.reader import Store

TWO = ("--trainer.strategy", "ddp", "--trainer.devices", "2")


def run(words: list[str], folder: Path) -> str:
    """Run a command in a process of its own, which starts the second one; return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "ecg_tl", *words],
        cwd=folder,
        env=importing(Path(__file__).parent),
        capture_output=True,
        text=True,
        timeout=900,  # far more than it takes: a busy machine is no fault
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_train_one_network_on_one_store_and_score_each_record_once(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    # Odd numbers of records to validate (15) and of batches: the processes have different numbers of them.
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS, "--data.batch_size", "7"]
    words = ["fit", *data, *RESNET, *QUIET, *TWO, "--trainer.max_epochs", "2", "--pictures.records", "0"]
    words += ["--data.residency", "disk", "--trust_config"]  # for the callbacks of this test
    pages_are_known = Path("/proc/self/smaps").exists()
    for callback in ("RankWeights", "RankPages") if pages_are_known else ("RankWeights",):
        words += ["--trainer.callbacks+", f"ranks.{callback}", "--trainer.callbacks.folder", str(tmp_path)]
    logged = run([*words, "--runs_dir", str(tmp_path / "runs")], tmp_path)
    assert "sync_dist" not in logged

    weights = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    for rank in range(2) if pages_are_known else ():
        pages = json.loads((tmp_path / f"pages{rank}.json").read_text())
        # Of one store, which is read where it lies: a copy would be pages of a process's own.
        assert pages["Rss"] * 1024 > 0.5 * ptbxl_store.manifest.signals_bytes
        assert pages["Private_Dirty"] == 0
    folder = tmp_path / "runs" / "default" / "version_0"
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.equal(tensor, last["state_dict"][name]) for name, tensor in weights[0].items())
    assert pd.read_csv(folder / "metrics.csv")["epoch"].tolist() == [1, 2]

    checkpoint = str(folder / "checkpoints" / "best.ckpt")
    testing = ["test", "-c", str(folder / "config.yaml"), "--ckpt_path", checkpoint, "--trust_config"]
    logged = run(testing, tmp_path)
    assert "replicates some samples" not in logged
    alone = ["--trainer.strategy", "auto", "--trainer.devices", "1", "--trainer.callbacks", "null"]
    assert main([*testing, *alone]) == 0
    tables = [pd.read_csv(folder / name / "predictions.csv") for name in ("test", "test_2")]
    pd.testing.assert_frame_equal(*tables, rtol=1e-5)
    assert tables[0]["record_id"].is_unique
    contents = [json.loads((folder / name / "scores.json").read_text()) for name in ("test", "test_2")]
    assert len(tables[0]) == contents[0]["data"]["records"]["test"] == 15
    assert contents[0]["scores"] == pytest.approx(contents[1]["scores"], rel=1e-5)
    assert contents[0]["data"] == contents[1]["data"]
