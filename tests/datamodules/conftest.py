from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.cpsc2018 import Cpsc2018DataModule
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.store.reader import Store

MakeData = Callable[..., EcgDataModule]


@pytest.fixture
def ptbxl(ptbxl_root: Path, prepared: Path, ptbxl_store: Store) -> MakeData:
    """Make a datamodule of the 60 records in PTB-XL's layout, ready for its loaders."""

    def make(**settings: Any) -> EcgDataModule:
        sizes = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "batch_size": 16}
        data = PtbXlDataModule(root=str(ptbxl_root), store_dir=str(prepared), **{**sizes, **settings})
        data.setup()
        return data

    return make


@pytest.fixture
def cpsc2018(cpsc2018_root: Path, prepared: Path, cpsc2018_store: Store) -> MakeData:
    """Make a datamodule of the 40 records in CPSC2018's layout, ready for its loaders."""

    def make(**settings: Any) -> EcgDataModule:
        sizes = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "batch_size": 16}
        data = Cpsc2018DataModule(root=str(cpsc2018_root), store_dir=str(prepared), **{**sizes, **settings})
        data.setup()
        return data

    return make
