from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from ecg_measures import NO_NOISE, Clean

from ecg_tl.synthesis.patients import draw_patient
from ecg_tl.synthesis.simulator import simulate


@cache
def _simulate(conditions: frozenset[str], severity: float, records: int) -> np.ndarray:
    rng = np.random.default_rng(11)
    # Slow hearts, so that T and P waves lie apart and can be measured.
    patients = [replace(draw_patient(rng), heart_rate=61.0) for _ in range(records)]
    return simulate([conditions] * records, seed=11, patients=patients, severity=severity, noise=NO_NOISE)


@pytest.fixture(scope="session")
def clean() -> Clean:
    """Make `(8, 12, 5000)` noise-free records of eight patients, the same ones for every condition."""

    def make(*conditions: str, severity: float = 0.5) -> np.ndarray:
        return _simulate(frozenset(conditions), severity, 8)

    return make
