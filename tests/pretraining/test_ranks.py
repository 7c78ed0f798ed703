"""On two processes: equal weights on both, and of JEPA those of one process with the same batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from child_processes import run_ranks
from small import METHODS, data

pytestmark = [pytest.mark.ddp, pytest.mark.slow]
HERE = Path(__file__).parent


def launch(root: Path, stores: Path, out: Path, world: int) -> None:
    """Pre-train with every method on so many processes that talk over gloo."""
    out.mkdir()
    run_ranks(HERE / "one_rank.py", [str(root), str(stores), str(out)], out, world)


@pytest.fixture(scope="module")
def trained(ludb_root: Path, stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same pre-trainings on one process and on two."""
    folder = tmp_path_factory.mktemp("ranks")
    data(ludb_root, stores).prepare_data()
    for world, name in ((1, "one"), (2, "two")):
        launch(ludb_root, stores, folder / name, world)
    return folder


def ended(folder: Path, method: str, rank: int = 0) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(folder / f"{method}-{rank}.pt", weights_only=True)
    return loaded


def is_statistic(name: str) -> bool:
    return "running" in name or "num_batches" in name  # each process's own, but for SyncBatchNorm


@pytest.mark.parametrize("method", METHODS)
def test_both_processes_end_with_equal_weights(trained: Path, method: str) -> None:
    one, other = (ended(trained / "two", method, rank) for rank in range(2))
    for name, tensor in one["weights"].items():
        assert is_statistic(name) or torch.equal(tensor, other["weights"][name]), name
    assert torch.equal(one["index"], other["index"])
    assert torch.equal(one["features"], other["features"])


def test_two_processes_give_what_one_gives_with_the_same_batches(trained: Path) -> None:
    alone, together = (ended(trained / name, "jepa")["weights"] for name in ("one", "two"))
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
