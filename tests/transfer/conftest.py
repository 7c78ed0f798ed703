"""Small trainings to transfer between: 40 simulated records, networks of few parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from trainings import Study

from ecg_tl.synthesis.writing import synthesize


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors are slowed down by threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 records as CPSC2018 and 40 as a laboratory lays them out."""
    folder = tmp_path_factory.mktemp("records")
    for layout in ("cpsc2018", "custom"):
        synthesize(layout, folder / layout, 40, progress=False)
    return folder


@pytest.fixture(scope="session")
def study(roots: Path) -> Study:
    return Study(roots)


@pytest.fixture(scope="session")
def gru_upstream(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GRU of three layers after one epoch on the laboratory's five classes."""
    return study.upstream(tmp_path_factory.mktemp("gru"), "gru")


@pytest.fixture(scope="session")
def cnn_upstream(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ResNet after one epoch on the laboratory's five classes."""
    return study.upstream(tmp_path_factory.mktemp("cnn"), "cnn")
