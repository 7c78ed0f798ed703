"""Trainings of `two_ranks.py` on several processes, and what they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from child_processes import run_ranks

States = dict[str, dict[int, dict[str, torch.Tensor]]]


def launch(job: dict[str, Any], folder: Path, world: int) -> None:
    """Run a job on so many processes that talk over gloo."""
    folder.mkdir()
    settings = folder / "job.json"
    settings.write_text(json.dumps({**job, "out": str(folder)}))
    run_ranks(Path(__file__).parent / "two_ranks.py", [str(settings)], folder, world)


def states(folder: Path, name: str, rank: int = 0) -> States:
    loaded: States = torch.load(folder / f"{name}-rank{rank}.pt", weights_only=True)
    return loaded
