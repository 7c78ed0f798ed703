"""A class chosen from several on two processes: weights equal on both, to those of one, and when resumed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from launching import launch, states
from trainings import Study, equal

pytestmark = [pytest.mark.ddp, pytest.mark.slow]


def one_class_each(labels: Path, table: Path) -> None:
    """Write a table that names of each record the first of its classes."""
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [name for name in rows[0] if name not in ("record", "patient_id", "age", "sex")]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record", "patient_id", "finding"])
        for row in rows:
            writer.writerow([row["record"], row["patient_id"], next(n for n in classes if row[n] == "1")])


def test_two_processes_give_what_one_gives_whole_or_resumed(study: Study, tmp_path: Path) -> None:
    one_class_each(study.roots / "custom" / "labels.csv", study.roots / "custom" / "one_class.csv")
    training: dict[str, Any] = {
        "family": "gru",
        "optimizer": "adamw",
        "transfer": None,
        "epochs": 3,
        "resume_after": [1],
        "data": {
            "layout": "custom",
            "table": "one_class.csv",
            "codes_column": "finding",
            "single_choice": True,
        },
        "task": {"pos_weight": "balanced"},
    }
    job = {"roots": str(study.roots), "trainings": {"choice": training}}
    launch(job, tmp_path / "two", 2)
    launch(job, tmp_path / "one", 1)
    ranks = [states(tmp_path / "two", "choice", rank) for rank in range(2)]
    alone = states(tmp_path / "one", "choice")["whole"]
    for run, epochs in ranks[0].items():
        for epoch, tensors in epochs.items():
            for name, tensor in tensors.items():
                assert equal(tensor, ranks[1][run][epoch][name]), (run, epoch, name)
                assert equal(tensor, ranks[0]["whole"][epoch][name]), (run, epoch, name)
                torch.testing.assert_close(tensor, alone[epoch][name], rtol=1e-3, atol=1e-5)
