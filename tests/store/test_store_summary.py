from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from fake_dataset import FakeDataset, ecg, write_fake
from rich.console import RenderableType

from ecg_tl.store.build import prepare
from ecg_tl.store.check import check_dataset
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.summary import render_check, render_store
from ecg_tl.terminal import TextConsole


def shown(renderable: RenderableType) -> str:
    console = TextConsole(width=200, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    holes, long_hole = ecg(1), ecg(2)
    holes[4, 10:15] = np.nan
    long_hole[4, 10:500] = np.nan
    signals: dict[str, np.ndarray | None] = {f"gone{number}": None for number in range(7)}
    signals |= {"[bold]a": ecg(0), "twin": ecg(0), "holes": holes, "hole": long_hole, "short": ecg(3, 2000)}
    write_fake(tmp_path / "fake", signals, codes={"short": ["9"], "holes": ["8", "9"]})
    return tmp_path / "fake"


def test_the_summary_of_a_store_says_all_that_happened(messy: Path, store_dir: Path) -> None:
    store = prepare(FakeDataset(), messy, store_dir, StoreSettings(), progress=False)
    text = shown(render_store(store))
    for expected in (
        "Fake ECGs (CC0-1.0)",
        "4 of 12 records",
        "12 leads, 1000 samples at 100 Hz (polyphase), 0.1 MB",
        "7 such as gone0, gone1, gone2, gone3, gone4, ...: ",
        "1 such as hole: ",
        "5 samples in 1 records",
        "9 (2), 8 (1)",
        "1 recordings under several ids: [bold]a = twin",
        "made up",
        str(store.path),
    ):
        assert expected in text, expected


def test_records_too_short_are_listed(tmp_path: Path, store_dir: Path) -> None:
    write_fake(tmp_path / "fake", {"a": ecg(0), "brief": ecg(1, 2000)})
    store = prepare(FakeDataset(), tmp_path / "fake", store_dir, StoreSettings(short="drop"), progress=False)
    assert "1: brief" in shown(render_store(store))


def test_a_check_shows_the_first_records_of_each_kind(messy: Path) -> None:
    text = shown(render_check(check_dataset(FakeDataset(), messy, progress=False)))
    for expected in (
        "cannot be read",
        "gone4",
        "and 2 more",
        "[bold]a, twin: different patients",
        "unknown codes: 9 (5), 8 (1)",
    ):
        assert expected in text, expected
    assert "gone5" not in text


def test_a_clean_check_says_so(tmp_path: Path) -> None:
    write_fake(tmp_path, {"a": ecg(0)})
    assert "Nothing is wrong" in shown(render_check(check_dataset(FakeDataset(), tmp_path, progress=False)))
