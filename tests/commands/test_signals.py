"""Commands that a signal ends: one line, the status that a shell expects, and something to go on from."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pandas as pd
import pytest
import yaml
from signalled import start, stop
from tiny import GRU, QUIET, data_words

from ecg_tl.cli import main
from ecg_tl.store.reader import Store

pytestmark = pytest.mark.slow

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "training",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODELIST": "localhost",
}


def endless(data: list[str], runs: Path) -> list[str]:
    words = ["fit", *data, *GRU, *QUIET, "--trainer.max_epochs", "100000", "--model.schedule", "constant"]
    words += ["--pictures.records", "0", "--curves.every_n_epochs", "0", "--data.prepare_workers", "1"]
    return [*words, "--runs_dir", str(runs)]


@pytest.mark.parametrize(
    ("name", "environment"),
    [("SIGINT", {}), ("SIGTERM", {}), ("SIGHUP", {}), ("SIGUSR1", SLURM), ("SIGTERM", SLURM)],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SLURM-SIGUSR1", "SLURM-SIGTERM"],
)
def test_a_fit_leaves_its_last_epoch_and_says_how_to_go_on(
    name: str,
    environment: dict[str, str],
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    words = endless(data_words("PtbXlDataModule", ptbxl_root, prepared), tmp_path / "runs")
    run = tmp_path / "runs" / "default" / "version_0"
    last = run / "checkpoints" / "last.ckpt"
    number = getattr(signal, name)
    ended = stop(start(words, tmp_path, environment), tmp_path, last.is_file, number)
    assert ended.status == 128 + number, ended.said
    assert ended.line.startswith(f"ecg-tl: stopped by {name}. The last epoch that was finished is kept.")
    assert not list(run.rglob("*partial*"))
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    assert not (run / "result.json").exists()

    command = shlex.split(ended.line.partition("To go on: ")[2])
    assert command[:2] == ["ecg-tl", "fit"]
    epochs = len(pd.read_csv(run / "metrics.csv"))
    assert main([*command[1:], "--trainer.max_epochs", str(epochs + 2)]) == 0
    again = run.with_name("version_1")
    assert pd.read_csv(again / "metrics.csv")["epoch"].tolist() == list(range(1, epochs + 3))
    assert json.loads((again / "result.json").read_text())["epochs"] == epochs + 2


def test_a_fit_before_its_first_epoch_is_finished(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    words = endless(data_words("PtbXlDataModule", ptbxl_root, prepared), tmp_path / "runs")
    waiting = tmp_path / "waiting"
    words += [
        "--trust_config",
        "--trainer.callbacks+",
        "waiting.WaitInBatch",
        "--trainer.callbacks.file",
        str(waiting),
    ]
    ended = stop(start(words, tmp_path), tmp_path, waiting.is_file, signal.SIGTERM)
    assert ended.status == 143, ended.said
    assert ended.line == ("ecg-tl: stopped by SIGTERM. No epoch was finished. The same command begins anew.")


def test_a_signal_that_is_swallowed_ends_the_process_all_the_same(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    words = endless(data_words("PtbXlDataModule", ptbxl_root, prepared), tmp_path / "runs")
    waiting = tmp_path / "waiting"
    words += [
        "--trust_config",
        "--trainer.callbacks+",
        "waiting.SwallowSignals",
        "--trainer.callbacks.file",
        str(waiting),
    ]
    ended = stop(start(words, tmp_path), tmp_path, waiting.is_file, signal.SIGTERM)
    assert ended.status == 143, ended.said
    assert ended.line.startswith("ecg-tl: stopped by SIGTERM.")


@pytest.mark.parametrize("whole_group", [False, True], ids=["the process", "its group"])
def test_a_study_goes_on_by_the_same_command(
    whole_group: bool, ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    gru = {"network": "gru", "hidden_size": 8, "schedule": "constant"}
    data = {"root": str(ptbxl_root), "sampling_rate": 25, "num_samples": 250, "batch_size": 16}
    study = {
        "name": "stopped",
        "folder": str(tmp_path / "study"),
        "store_dir": str(prepared),
        "downstreams": {"ptbxl": {"data": {"class_path": "PtbXlDataModule", "init_args": data}}},
        "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": gru}}},
        "arms": {"scratch": {}},
        "seeds": [0],
        "second_opinion": False,
        "settings": {"trainer": {"max_epochs": 100000, "accelerator": "cpu"}},
    }
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump(study))

    def worked_on() -> bool:
        return any((tmp_path / "study" / "runs").glob("*/checkpoints/last.ckpt"))

    process = start(["study", "run", str(config)], tmp_path)

    def everybody() -> list[int]:
        own = [int(path.name) for path in Path("/proc").glob("[0-9]*") if group_of(path) == process.pid]
        return own if whole_group else [process.pid]

    ended = stop(process, tmp_path, worked_on, signal.SIGTERM, everybody)
    assert ended.status == 143, ended.said
    line = "ecg-tl: stopped by SIGTERM. 0 of 1 runs are finished. The same command goes on"
    assert ended.line.startswith(line)
    (run,) = (tmp_path / "study" / "runs").iterdir()
    assert not (run / "error.txt").exists()
    attempts = json.loads((run / "attempts.json").read_text())["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["running"]  # nobody has taken it up yet


def group_of(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, ValueError):
        return None


def test_other_commands_begin_anew(ptbxl_root: Path, tmp_path: Path) -> None:
    root, stores = tmp_path / "ptbxl", tmp_path / "stores"
    words = ["data", "synthesize", "ptbxl", "--root", str(root), "--records", "100000"]
    ended = stop(start(words, tmp_path), tmp_path, lambda: len(list(tmp_path.iterdir())) > 1, signal.SIGTERM)
    assert ended.status == 143, ended.said
    assert ended.line.endswith("No output is left half-written. The same command begins anew.")
    assert not root.exists()

    words = ["data", "prepare", "ptbxl", "--root", str(ptbxl_root), "--store_dir", str(stores)]
    ended = stop(start(words, tmp_path), tmp_path, lambda: any(stores.rglob("*")), signal.SIGINT)
    if ended.status:  # it may have been done before
        assert ended.status == 130, ended.said
        assert ended.line.endswith("No output is left half-written. The same command begins anew.")
