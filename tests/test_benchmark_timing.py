"""The parts that benchmarks share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from stores import write_noise_store
from timing import Paired, interleave, print_table

from ecg_tl.datamodules.ptbxl import PtbXlDataModule


def test_subjects_take_turns_and_the_first_turn_does_not_count() -> None:
    said: list[str] = []
    paired = interleave({name: lambda name=name: said.append(name) for name in "abc"}, budget=0, fewest=2)
    assert "".join(said) == "abc" + "abc" + "bca"
    assert {name: len(seconds) for name, seconds in paired.seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_ratios_are_within_rounds() -> None:
    # The second round was disturbed: both took ten times as long, and the ratio is the same.
    paired = Paired({"slow": [2.0, 20.0, 2.0], "fast": [1.0, 10.0, 0.5]})
    assert paired.ratio("slow", "fast") == 2.0
    assert paired.spread("slow", "fast") == "2.00-4.00"
    assert paired.median("slow") == 2.0


def test_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["what", "records/s"], [["a", 1234.5], ["bc", 2.0]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "| what | records/s |",
        "| ---- | --------: |",
        "| a    |     1,234 |",
        "| bc   |      2.00 |",
    ]


def test_a_store_of_noise_trains(tmp_path: Path) -> None:
    store = write_noise_store(tmp_path / "store", 1200, 20)
    data = PtbXlDataModule(store=str(store.path), num_samples=20, batch_size=100)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["signal"].shape == (100, 12, 20)
    assert len(data.parts.split.train) == 960
    assert batch["target"].sum(dim=0).min() > 0
