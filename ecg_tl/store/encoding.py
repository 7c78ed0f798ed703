"""Signals as int16 at 1 µV a step, and back."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ecg_tl.signals import MICROVOLTS_PER_STEP

STEPS_PER_MILLIVOLT = 1000.0 / MICROVOLTS_PER_STEP

SIGNAL_DTYPE = np.dtype("<i2")
"""Little-endian whatever the machine, so that a store can be carried."""

_RAIL = 32767


def encode(
    signal: NDArray[np.float32], resolution: float = 1.0 / STEPS_PER_MILLIVOLT
) -> tuple[NDArray[np.int16], int]:
    """Round millivolts to steps of 1 µV; return them and how many samples were beyond ±32.767 mV.

    Args:
        signal: In millivolts, or relative.
        resolution: What one step stands for.
    """
    steps = np.rint(signal * np.float32(1.0 / resolution))
    clipped = int(np.count_nonzero(np.abs(steps) > _RAIL))
    return np.clip(steps, -_RAIL, _RAIL).astype(SIGNAL_DTYPE), clipped


def decode(steps: NDArray[np.int16], resolution: float = 1.0 / STEPS_PER_MILLIVOLT) -> NDArray[np.float32]:
    """Return stored steps as millivolts, or as what else a step stands for."""
    return steps.astype(np.float32) / np.float32(1.0 / resolution)


HASH_BYTES = 16
"""Of a signal."""


def signal_hash(steps: NDArray[np.generic]) -> str:
    """Return a hash (32 hex digits) of a signal's bytes; equal signals, and only these, share it."""
    return blake2b(np.ascontiguousarray(steps).tobytes(), digest_size=HASH_BYTES).hexdigest()
