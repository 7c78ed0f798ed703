"""A training on several processes, one of which gets a signal: all of them end, soon, with something left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import torch
from signalled import start, stop
from tiny import GRU, QUIET, data_words

from ecg_tl.stopping import GRACE_SECONDS
from ecg_tl.store.reader import Store

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

TWO = ("--trainer.strategy", "ddp", "--trainer.devices", "2")


def endless(data: list[str], runs: Path) -> list[str]:
    words = ["fit", *data, *GRU, *QUIET, *TWO, "--trainer.max_epochs", "100000"]
    words += ["--model.schedule", "constant", "--pictures.records", "0", "--curves.every_n_epochs", "0"]
    return [*words, "--runs_dir", str(runs)]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("to", ["first", "second", "both"])
def test_ranks_that_lightning_starts(
    to: str, ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    last = runs / "default" / "version_0" / "checkpoints" / "last.ckpt"
    process = start(endless(data_words("PtbXlDataModule", ptbxl_root, prepared), runs), tmp_path)
    ranks: list[int] = []
    sent: list[float] = []

    def pids() -> list[int]:
        ranks.extend([process.pid, *children(process.pid)])
        sent.append(time.monotonic())
        return {"first": ranks[:1], "second": ranks[1:2], "both": ranks[:2]}[to]

    ended = stop(process, tmp_path, last.is_file, signal.SIGTERM, pids)
    assert time.monotonic() - sent[0] < 2 * GRACE_SECONDS
    assert ended.status == 143, ended.said
    assert "The last epoch that was finished is kept. To go on: " in ended.said
    assert torch.load(last, weights_only=True)["epoch"] >= 0
    until = time.monotonic() + 2 * GRACE_SECONDS
    while any(is_alive(pid) for pid in ranks):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_that_a_scheduler_starts(
    rank: int, ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    """As `srun` does it: nobody but the other rank's sockets says that one is gone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runs = tmp_path / "runs"
    last = runs / "default" / "version_0" / "checkpoints" / "last.ckpt"
    words = endless(data_words("PtbXlDataModule", ptbxl_root, prepared), runs)
    slurm = {
        **{"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "training", "SLURM_NODELIST": "localhost"},
        **{"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"},
    }
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(2):
            folder = tmp_path / f"rank{number}"
            folder.mkdir()
            own = {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
            processes.append(start(words, folder, {**slurm, **own}))
        ended = stop(processes[rank], tmp_path / f"rank{rank}", last.is_file, signal.SIGTERM)
        assert ended.status == 143, ended.said
        assert processes[1 - rank].wait(2 * GRACE_SECONDS) != 0
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert torch.load(last, weights_only=True)["epoch"] >= 0
