"""Small trainings to transfer between: 40 simulated records, networks of few parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from trainings import Study

from ecg_tl.synthesis.writing import synthesize


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 records as CPSC2018 and 40 as a laboratory lays them out."""
    folder = tmp_path_factory.mktemp("records")
    for layout in ("cpsc2018", "custom"):
        # A seed whose split leaves 24 records to train: two processes then see whole batches, none twice.
        synthesize(layout, folder / layout, 40, seed=3, progress=False)
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
