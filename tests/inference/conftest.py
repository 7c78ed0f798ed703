"""Recordings to spoil, and ways to write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets import get_dataset
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
