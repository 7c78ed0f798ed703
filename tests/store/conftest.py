from __future__ import annotations

from pathlib import Path

import pytest
from fake_dataset import ecg, write_fake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight good records of the fake dataset, r0 ... r7."""
    folder = tmp_path / "fake"
    write_fake(folder, {f"r{number}": ecg(number) for number in range(8)})
    return folder


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    return tmp_path / "stores"
