"""`ecg-tl export` as it is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import save_checkpoint

from ecg_tl.cli import main
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.opening import open_model

RECORD_LENGTH = 300


@pytest.mark.slow
def test_a_trained_run_is_exported_and_the_difference_printed(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = trained_run / "checkpoints" / "best.ckpt"
    assert main(["export", str(checkpoint), "--format", "onnx", "--output", str(tmp_path / "m.onnx")]) == 0
    printed = capsys.readouterr().out
    assert "signal (batch, 12, 250), float32, mV at 25 Hz" in printed
    assert "largest difference from PyTorch over 27 simulated signals: " in printed
    assert "no medical device" in printed
    original, model = CheckpointModel(checkpoint), open_model(tmp_path / "m.onnx", trust_program=True)
    signal = np.random.default_rng(0).normal(size=(3, 12, 250)).astype(np.float32)
    np.testing.assert_allclose(model.logits(signal), original.logits(signal), atol=1e-4)


def test_the_file_lies_beside_the_checkpoint_by_default(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "best.ckpt", hidden_size=8)
    assert main(["export", str(checkpoint)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "best.onnx"]


def test_given_records_are_compared(
    untrained_gru: Path, ptbxl_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(untrained_gru), "--output", str(tmp_path / "m.onnx"), "--records"]
    assert main([*words, str(ptbxl_root / "records500")]) == 0
    assert "over 60 recorded signals" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.realdata
def test_real_records_are_compared(
    trained_run: Path, sample_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(trained_run / "checkpoints" / "best.ckpt"), "--output", str(tmp_path / "m.onnx")]
    records = sample_data / "ptb-xl" / "records100" / "00000"
    assert main([*words, "--records", str(records)]) == 0
    assert f"over {len(list(records.glob('*.hea')))} recorded signals" in capsys.readouterr().out


def bad_checkpoints(folder: Path) -> dict[str, Path]:
    whole = save_checkpoint(folder / "whole.ckpt", hidden_size=8).read_bytes()
    (folder / "truncated.ckpt").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.ckpt").write_bytes(b"")
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, folder / "foreign.ckpt")
    tampered = torch.load(folder / "whole.ckpt", weights_only=True)
    tampered["hyper_parameters"]["num_classes"] = 7
    torch.save(tampered, folder / "tampered.ckpt")
    said_otherwise = torch.load(folder / "whole.ckpt", weights_only=True)
    said_otherwise["ecg_tl"]["data"]["num_samples"] = 50
    torch.save(said_otherwise, folder / "said_otherwise.ckpt")
    names = ("truncated", "empty", "foreign", "tampered", "said_otherwise", "absent")
    return {name: folder / f"{name}.ckpt" for name in names}


@pytest.mark.parametrize("command", ["export", "card"])
def test_a_bad_checkpoint_is_one_clear_error(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, path in bad_checkpoints(tmp_path).items():
        assert main([command, str(path)]) == 2, name
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        assert captured.err.startswith(f"ecg-tl: error: {path}: found "), captured.err
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output", "model.ckpt"], "a file that ends in .onnx"),
        (["--format", "torch", "--output", "model.onnx"], "a file that ends in .pt2"),
        (["--format", "tflite"], "'onnx', 'torch'"),
        (["--records", "nowhere"], "no such file"),
        (["--otuput", "model.onnx"], "--otuput"),
    ],
)
def test_a_wrong_word_is_one_clear_error(
    words: list[str],
    message: str,
    untrained_gru: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = words if "--output" in words else [*words, "--output", "model.onnx"]
    assert main(["export", str(untrained_gru), *given]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_error(
    untrained_gru: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["export", str(untrained_gru), "--output", str(tmp_path / "file" / "model.onnx")]) == 2
    assert "a file, as a folder of" in capsys.readouterr().err
