"""Small synthetic datasets, made once a session, and settings that keep trainings on them short."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tiny import STORE_SETTINGS

from ecg_tl.datasets import get_dataset
from ecg_tl.store.build import prepare
from ecg_tl.store.reader import Store
from ecg_tl.synthesis import synthesize

# Test processes share the cores: OpenMP threads that wait for each other in every one of them make such small
# networks many times slower. The variable is for the processes that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of real records."""
    folder = os.environ.get("ECG_TL_SAMPLE_DATA")
    if not folder:
        pytest.skip("ECG_TL_SAMPLE_DATA names no folder of real records")
    return Path(folder)


@pytest.fixture(scope="session")
def ptbxl_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 simulated records in PTB-XL's layout; read, never write."""
    root = tmp_path_factory.mktemp("synthetic") / "ptbxl"
    synthesize("ptbxl", root, 60, seed=1, progress=False)
    return root


@pytest.fixture(scope="session")
def cpsc2018_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 simulated records in CPSC2018's layout; read, never write."""
    root = tmp_path_factory.mktemp("synthetic") / "cpsc2018"
    synthesize("cpsc2018", root, 40, seed=2, progress=False)
    return root


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the stores of these datasets are prepared once."""
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="session")
def ptbxl_store(ptbxl_root: Path, prepared: Path) -> Store:
    return prepare(get_dataset("ptbxl"), ptbxl_root, prepared, STORE_SETTINGS, progress=False)


@pytest.fixture(scope="session")
def cpsc2018_store(cpsc2018_root: Path, prepared: Path) -> Store:
    return prepare(get_dataset("cpsc2018"), cpsc2018_root, prepared, STORE_SETTINGS, progress=False)
