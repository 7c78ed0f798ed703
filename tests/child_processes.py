"""Python processes that tests start: what they can import, and several that train together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent


def importing(folder: Path) -> dict[str, str]:
    """This environment, for a process that imports what a test in `folder` can."""
    earlier = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS), *filter(None, [earlier])])}


def run_ranks(script: Path, words: Sequence[str], folder: Path, world: int) -> None:
    """Run a script in so many processes that talk over gloo; their logs lie in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(world):
        environment = importing(script.parent) | {"OMP_NUM_THREADS": "1"}
        if world > 1:
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
            environment |= {"WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
        with (folder / f"log{rank}.txt").open("w") as log:
            command = [sys.executable, str(script), *words]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
    try:
        statuses = [process.wait(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = "\n".join((folder / f"log{rank}.txt").read_text()[-3000:] for rank in range(world))
    assert statuses == [0] * world, logs
