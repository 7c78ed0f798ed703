"""Trainings of `two_ranks.py` on several processes, and what they leave."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from child_processes import importing

States = dict[str, dict[int, dict[str, torch.Tensor]]]


def launch(job: dict[str, Any], folder: Path, world: int) -> None:
    """Run a job on so many processes that talk over gloo."""
    folder.mkdir()
    settings = folder / "job.json"
    settings.write_text(json.dumps({**job, "out": str(folder)}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    processes = []
    for rank in range(world):
        environment = importing(here) | {"OMP_NUM_THREADS": "1"}
        if world > 1:
            environment |= {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "WORLD_SIZE": str(world),
                "LOCAL_RANK": str(rank),
                "NODE_RANK": "0",
            }
        with (folder / f"log{rank}.txt").open("w") as log:
            command = [sys.executable, str(here / "two_ranks.py"), str(settings)]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
    try:
        statuses = [process.wait(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = "\n".join((folder / f"log{rank}.txt").read_text()[-3000:] for rank in range(world))
    assert statuses == [0] * world, logs


def states(folder: Path, name: str, rank: int = 0) -> States:
    loaded: States = torch.load(folder / f"{name}-rank{rank}.pt", weights_only=True)
    return loaded
