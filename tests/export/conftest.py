from __future__ import annotations

from pathlib import Path

import pytest
from untrained import save_checkpoint

from ecg_tl.export.exporting import export


@pytest.fixture(scope="session")
def untrained_gru(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint; read, never write."""
    return save_checkpoint(tmp_path_factory.mktemp("untrained") / "gru.ckpt", hidden_size=8)


@pytest.fixture(scope="session")
def untrained_resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that torch.export is fast with; read, never write."""
    return save_checkpoint(tmp_path_factory.mktemp("untrained") / "resnet.ckpt", "resnet1d18")


@pytest.fixture(scope="session")
def onnx_file(untrained_gru: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GRU as ONNX; read, never write."""
    return export(untrained_gru, "onnx", tmp_path_factory.mktemp("exported") / "gru.onnx").path


@pytest.fixture(scope="session")
def program_file(untrained_resnet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ResNet as a program of torch.export; read, never write."""
    return export(untrained_resnet, "torch", tmp_path_factory.mktemp("exported") / "resnet.pt2").path
