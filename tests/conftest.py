"""Small synthetic datasets, made once a session, and settings that keep trainings on them short."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from tiny import HALF_TRAINS, STORE_SETTINGS, data_words, fit

from ecg_tl.datasets import get_dataset
from ecg_tl.help_texts import CACHE_FOLDER
from ecg_tl.store.build import prepare
from ecg_tl.store.reader import Store
from ecg_tl.synthesis import synthesize

# Test processes share the cores: OpenMP threads that wait for each other in every one of them make such small
# networks many times slower. The variable is for the processes that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_kept_in_the_users_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ[CACHE_FOLDER] = str(tmp_path_factory.mktemp("cache"))


# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _no_process_group_is_left() -> Iterator[None]:
    """End what a strategy for several processes began in this one: the next training is alone again."""
    yield
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)


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


@pytest.fixture(scope="session")
def trained_run(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run of two epochs, with pictures; read, never write."""
    return fit(
        [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS],
        tmp_path_factory.mktemp("trained"),
        *("--pictures.records", "2", "--pictures.every_n_epochs", "1", "--trainer.log_every_n_steps", "1"),
        *("--model.learning_rate", "0.03", "--model.lr_decay", "0.5"),
        epochs=2,
    )


@pytest.fixture
def run_copy(trained_run: Path, tmp_path: Path) -> Path:
    """A copy of `trained_run` to test, resume and spoil."""
    return shutil.copytree(trained_run, tmp_path / "runs" / "default" / "version_0")
