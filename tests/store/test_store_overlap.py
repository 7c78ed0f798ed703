"""Two stores of the same recordings, prepared differently, and the command that shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_dataset import FakeDataset, ecg, write_fake

from ecg_tl.cli import main
from ecg_tl.store.build import prepare
from ecg_tl.store.overlap import compare_stores
from ecg_tl.store.reader import Store
from ecg_tl.store.settings import StoreSettings


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    """A: r0 to r4. B: two of them, renamed and with other gains, and two others, at another rate."""
    write_fake(tmp_path / "a", {f"r{number}": ecg(number) for number in range(5)})
    signals = {"x": ecg(11), "y": ecg(3) * 1.7, "z": ecg(12), "w": np.rint(ecg(1) * 200) / 200}
    write_fake(tmp_path / "b", signals)
    one = prepare(FakeDataset(), tmp_path / "a", tmp_path, StoreSettings(), progress=False)
    settings = StoreSettings(leads=("II", "V2"), sampling_rate=250, num_samples=1200)
    return one, prepare(FakeDataset(), tmp_path / "b", tmp_path, settings, progress=False)


def test_common_recordings_are_counted_and_named(stores: tuple[Store, Store]) -> None:
    overlap = compare_stores(*stores)
    assert overlap.records == (5, 4)
    assert overlap.matched == (2, 2)
    assert overlap.incomparable == (0, 0)
    assert list(zip(overlap.pairs["record_id_a"], overlap.pairs["record_id_b"], strict=True)) == [
        ("r1", "w"),
        ("r3", "y"),
    ]
    assert (overlap.pairs["similarity"] > 0.95).all()


@pytest.mark.slow
def test_the_command_prints_counts_and_pairs_and_writes_them(
    stores: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pairs.csv"
    words = ["data", "overlap", *(str(store.path) for store in stores), "--csv", str(table)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "2 pairs of the same recording" in printed
    assert "r3" in printed
    pairs = pd.read_csv(table, dtype={"record_id_a": str, "record_id_b": str})
    assert pairs[["record_id_a", "record_id_b"]].to_numpy().tolist() == [["r1", "w"], ["r3", "y"]]


@pytest.mark.slow
def test_stores_without_common_recordings_say_so(
    tmp_path: Path, stores: tuple[Store, Store], capsys: pytest.CaptureFixture[str]
) -> None:
    write_fake(tmp_path / "c", {"other": ecg(40)})
    third = prepare(FakeDataset(), tmp_path / "c", tmp_path, StoreSettings(), progress=False)
    assert main(["data", "overlap", str(stores[0].path), str(third.path)]) == 0
    assert "No recording is in both" in capsys.readouterr().out


def test_recordings_that_cannot_be_compared_are_counted(tmp_path: Path, stores: tuple[Store, Store]) -> None:
    write_fake(tmp_path / "flat", {"flat": np.zeros((12, 5000), np.float32), "good": ecg(50)})
    flat = prepare(FakeDataset(), tmp_path / "flat", tmp_path, StoreSettings(), progress=False)
    assert compare_stores(stores[0], flat).incomparable == (0, 1)
    assert len(compare_stores(flat, flat).pairs) == 1


@pytest.mark.parametrize("fault", ["no store", "no folder for the table"])
def test_what_cannot_be_read_or_written_is_one_line(
    fault: str, stores: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (str(store.path) for store in stores)
    (tmp_path / "file").write_text("no folder")
    table = str(tmp_path / "file" / "pairs.csv")
    words = ["nowhere", second] if fault == "no store" else [first, second, "--csv", table]
    assert main(["data", "overlap", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ecg-tl: error: ")
    assert ("nowhere" if fault == "no store" else table) in error
    assert error.count("\n") == 1
