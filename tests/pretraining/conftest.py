"""Simulated records, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tl.synthesis import synthesize


@pytest.fixture(scope="session")
def ludb_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 simulated records in LUDB's layout; read, never write."""
    root = tmp_path_factory.mktemp("pretraining") / "ludb"
    synthesize("ludb", root, 60, seed=3, progress=False)
    return root


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which stores are prepared once."""
    return tmp_path_factory.mktemp("pretraining-stores")
