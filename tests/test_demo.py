"""The demo runs from nothing to its table, and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tl.cli import main

TINY = ["--upstream_records", "60", "--downstream_records", "40", "--progress", "false"]
TINY += ["--upstream_epochs", "1", "--downstream_epochs", "1"]


@pytest.mark.slow
def test_the_demo_prints_one_table_and_says_where_things_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["demo", *TINY]) == 0
    printed = capsys.readouterr().out
    for column in ("network", "arm", "macro AUROC", "weighted F1", "epochs to best", "seconds"):
        assert column in printed
    for network in ("resnet1d18", "lstm"):
        for arm in ("upstream", "scratch", "fine-tuned"):
            run = tmp_path / "demo" / "runs" / f"{network}-{arm}" / "version_0"
            assert (run / "checkpoints" / "best.ckpt").is_file()
            assert (run / "test" / "scores.json").is_file()
            assert (run / "transfer_report.json").is_file() == (arm == "fine-tuned")
    assert "tensorboard --logdir demo/runs" in printed
    assert "demo/runs/*/version_*/checkpoints/best.ckpt" in printed
