"""Recordings to spoil, ways to write them, and networks whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.inference.model import ModelDescription
from ecg_tl.signals import LEADS, Recording
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples

RATE = 500


@pytest.fixture(scope="session")
def ecg(ptbxl_root: Path) -> Recording:
    """A simulated 12-lead ECG of 10 s at 500 Hz."""
    dataset = get_dataset("ptbxl")
    scan = dataset.scan(ptbxl_root)
    return dataset.read(ptbxl_root, scan.records["path"][0])


WriteWfdb = Callable[..., Path]


@pytest.fixture
def write_wfdb(tmp_path: Path) -> WriteWfdb:
    """Write a WFDB record and return its path without extension."""

    def write(
        values: np.ndarray,
        name: str = "record",
        leads: Sequence[str] = LEADS,
        rate: int = RATE,
        gain: float = 1000.0,
        unit: str = "mV",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        steps = to_steps(values, gain)
        style = HeaderStyle(gain=f"{gain:g}/{unit}")
        write_samples(path.with_name(f"{path.name}.dat"), steps)
        lines = signal_lines(f"{path.name}.dat", leads, steps, style, [gain] * len(leads), [0] * len(leads))
        write_header(path.with_name(f"{path.name}.hea"), rate, steps.shape[1], lines)
        return path

    return write


class FakeModel:
    """A network of two classes: a logit that is lead I's mean in mV, and one that is always 1."""

    def __init__(self, **changes: Any) -> None:
        self.description = describe(**changes)
        self.seen: list[np.ndarray] = []

    def logits(self, signal: np.ndarray) -> np.ndarray:
        self.seen.append(signal)
        return np.stack([signal[:, 0].mean(axis=-1), np.ones(len(signal))], axis=1).astype(np.float32)


def describe(**changes: Any) -> ModelDescription:
    """A network's description that takes 10 s at 100 Hz."""
    defaults: dict[str, Any] = {
        "class_names": ("UP", "ONE"),
        "leads": LEADS,
        "sampling_rate": 100.0,
        "num_samples": 1000,
        "thresholds": (0.6, 0.5),
        "tuned": (True, False),
        "calibrated": True,
        "class_codes": {"UP": ["1", "2"], "ONE": []},
    }
    return ModelDescription(**{**defaults, **changes}).checked("test")
