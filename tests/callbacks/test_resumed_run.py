"""A run that is killed at any moment, and goes on, leaves the files of one that was not."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from io_faults import FullDisk, Moments, faults_of
from tiny import HALF_TRAINS, data_words, fit, fit_words

from ecg_tl.cli import main
from ecg_tl.store.reader import Store

EPOCHS = 2
LAST = Path("checkpoints") / "last.ckpt"
EVENTS = "events.out.tfevents.*"


def content(path: Path, run: Path) -> Any:
    """What a file of a run holds, but seconds, and where the run lies."""
    if path.suffix == ".ckpt":
        return neutral(torch.load(path, weights_only=True), run)
    if path.name == "metrics.csv":
        return pd.read_csv(path).drop(columns="seconds").to_csv()
    if path.suffix == ".json":
        read = json.loads(path.read_text())
        # Digests of files that hold seconds, or name a checkpoint to go on from; the result's own holds both.
        if path.name == "result.json":
            assert read.pop("digest")
        if "digests" in read:
            assert read["digests"].keys() >= {"config.yaml", "metrics.csv"}
            read["digests"] |= {"config.yaml": "", "metrics.csv": ""}
        return neutral(read, run)
    if path.name == "config.yaml":
        return neutral({**yaml.safe_load(path.read_text()), "ckpt_path": None, "runs_dir": None}, run)
    return path.read_bytes()


def neutral(value: Any, run: Path) -> Any:
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.flatten().view(torch.uint8).tolist()
    if isinstance(value, dict):
        named = {name: one for name, one in value.items() if "seconds" not in str(name)}
        return {neutral(name, run): neutral(one, run) for name, one in named.items()}
    if isinstance(value, list | tuple):
        return [neutral(one, run) for one in value]
    # A checkpoint that was the best before the kill is copied, and names the folder that it was made in.
    return re.sub(rf"{run.parent}/version_\d", "RUN", value) if isinstance(value, str) else value


def files(run: Path) -> dict[str, Any]:
    """All that a run leaves, but TensorBoard's events, which are of one process each."""
    paths = [path for path in run.rglob("*") if path.is_file() and not path.match(EVENTS)]
    return {str(path.relative_to(run)): content(path, run) for path in paths}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*map(str, one), *map(str, other)})
        ours, theirs = ({str(name): value for name, value in d.items()} for d in (one, other))
        return [line for n in names for line in differences(ours.get(n), theirs.get(n), f"{where}/{n}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for number, (a, b) in pairs for line in differences(a, b, f"{where}/{number}")]
    return [] if one == other else [f"{where}: {str(one)[:80]} and {str(other)[:80]}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "best"), [("scratch", "last"), ("transfer", "first")], ids=["scratch", "transfer"]
)
def test_killed_at_any_change_of_its_files(
    start: str,
    best: str,
    ptbxl_store: Store,
    trained_run: Path,
    cpsc2018_root: Path,
    cpsc2018_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    data = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    more = ["--trainer.log_every_n_steps", "7"]  # steps are logged more rarely than there are epochs
    # By the epoch's number, it is known which is the best: the one that is cut off, or the one before.
    more += ["--checkpoint.monitor", "epoch", "--checkpoint.mode", "max" if best == "last" else "min"]
    if start == "transfer":
        upstream = trained_run / "checkpoints" / "best.ckpt"
        more += ["--transfer.upstream", str(upstream), "--transfer.recipe", "gradual"]
    run = tmp_path / "runs" / "default" / "version_0"
    moments = Moments(run, tmp_path, EVENTS)
    with faults_of(moments):
        assert fit(data, tmp_path / "runs", *more, epochs=EPOCHS) == run
    moments.look()
    whole = files(run)
    expected = {"config.yaml", "hparams.yaml", "metrics.csv", "result.json", "validation.npz"}
    expected |= {f"checkpoints/{name}.ckpt" for name in ("best", "last")}
    assert whole.keys() == expected | ({"transfer_report.json"} if start == "transfer" else set())

    # In the second epoch validation, history and checkpoints are written once more, then the result.
    resumable = [moment for moment in moments.kept if (moment / LAST).is_file()]
    assert len(resumable) >= (5 if best == "last" else 4)
    assert not (resumable[0] / "result.json").exists()
    for moment in resumable:
        shutil.rmtree(run)
        shutil.copytree(moment, run)
        words = ["fit", "-c", str(run / "config.yaml"), "--ckpt_path", str(run / LAST)]
        assert main(words) == 0
        again = run.with_name("version_1")
        found = differences(files(again), whole)
        assert not found, "\n".join([moment.name, *found])
        shutil.rmtree(again)


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle_is_one_line_that_names_a_file(
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        logging, "raiseExceptions", False
    )  # Lightning logs to a stream that pytest has closed
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    more = ["--checkpoint.monitor", "epoch", "--trainer.log_every_n_steps", "1"]
    whole = files(fit(data, tmp_path / "whole", *more, epochs=EPOCHS))
    for name in ("validation.npz", "best.ckpt", "last.ckpt", "metrics.csv", "result.json", EVENTS):
        run = tmp_path / name / "default" / "version_0"
        disk = FullDisk(tmp_path, name, (run / LAST).is_file)
        with faults_of(disk):
            status = main(fit_words(data, tmp_path / name, *more, epochs=EPOCHS))
        said = capsys.readouterr().err
        assert disk.full, name
        assert status == 2, said
        assert "Traceback" not in said
        (line,) = [line for line in said.splitlines() if line.startswith("ecg-tl: error: ")]
        file, _, rest = line.removeprefix("ecg-tl: error: ").partition(": ")
        assert rest.startswith("found No space left on device, expected"), line
        assert Path(file).name == name or Path(file).match(EVENTS), line
        assert Path(file).is_relative_to(run), line
        assert not list(run.rglob("*.partial-*")), name

        words = ["fit", "-c", str(run / "config.yaml"), "--ckpt_path", str(run / LAST)]
        assert main(words) == 0
        found = differences(files(run.with_name("version_1")), whole)
        assert not found, "\n".join([name, *found])
        capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.yaml", "hparams.yaml", EVENTS])
def test_a_disk_that_is_full_at_the_start_is_one_line_that_names_a_file(
    name: str,
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        logging, "raiseExceptions", False
    )  # Lightning logs to a stream that pytest has closed
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    disk = FullDisk(tmp_path, name, lambda: True)
    with faults_of(disk):
        status = main(fit_words(data, tmp_path / "runs"))
    said = capsys.readouterr().err
    assert disk.full
    assert status == 2, said
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("ecg-tl: error: ")]
    run = tmp_path / "runs" / "default" / "version_0"
    assert line.startswith(f"ecg-tl: error: {run}/{name.rstrip('*')}"), line
    assert ": found No space left on device, expected" in line
    assert fit(data, tmp_path / "runs") == run.with_name("version_1")


@pytest.mark.slow
def test_validated_twice_an_epoch_the_last_checkpoint_is_of_an_epochs_end(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_words("PtbXlDataModule", ptbxl_root, prepared)
    middle = ("--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.save_top_k", "-1")
    middle += ("--trainer.callbacks.every_n_train_steps", "1", "--trainer.callbacks.filename", "{step}")
    middle += ("--trainer.callbacks.dirpath", str(tmp_path / "each"))
    run = fit(data, tmp_path, "--trainer.val_check_interval", "0.5", *middle, epochs=2)
    steps = pd.read_csv(run / "metrics.csv")["step"].tolist()
    path = run / "checkpoints" / "last.ckpt"
    last = torch.load(path, weights_only=True)
    assert (last["epoch"], last["global_step"]) == (1, steps[-1])
    words = ["fit", "-c", str(run / "config.yaml"), "--trainer.callbacks", "null"]
    assert main([*words, "--ckpt_path", str(path)]) == 0
    capsys.readouterr()
    kept = sorted((tmp_path / "each").glob("*.ckpt"))
    assert len(kept) == steps[-1]
    for path in kept:
        assert main([*words, "--ckpt_path", str(path)]) == 2
        assert "the middle of epoch" in capsys.readouterr().err
