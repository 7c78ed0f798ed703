"""The signals that the reference numbers of published networks and preprocessing were computed from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


def heartbeats(record: int, leads: int, samples: int, rate: float, phase: float = 0.0) -> Signal:
    """One record `(leads, samples)` in millivolts: beats of Gaussians, breathing, a little tremor."""
    time = np.arange(samples) / rate
    lead = np.arange(leads)[:, None]
    interval = 0.8 - 0.13 * record
    first = 0.05 + 0.11 * record + phase

    def wave(centre: float, width: float) -> Signal:
        return np.exp(-((time - centre) ** 2) / (2 * width * width))

    qrs, t_wave = np.zeros(samples), np.zeros(samples)
    for beat in range(-2, math.ceil(samples / rate / interval) + 3):
        at = first + interval * beat
        qrs += wave(at, 0.012) - 0.15 * wave(at - 0.03, 0.008) - 0.25 * wave(at + 0.03, 0.010)
        qrs += 0.12 * wave(at - 0.16, 0.022)
        t_wave += wave(at + 0.26, 0.05)
    return (
        np.cos(0.5 * lead + 0.3) * qrs
        + 0.30 * np.cos(0.4 * lead - 0.2) * t_wave
        + 0.05 * np.sin(2 * math.pi * 0.33 * time + 0.7 * lead + phase)
        + 0.02 * np.sin(2 * math.pi * 7.3 * time + 1.3 * lead + record)
    )


def disturbed(samples: int, rate: float, noise: int = 0) -> Signal:
    """Twelve leads with wandering baselines, mains, noise and offsets; `noise` numbers the noise."""
    time = np.arange(samples) / rate
    lead = np.arange(12)[:, None]
    wander = 0.3 * np.sin(2 * math.pi * 0.15 * time + 0.5 * lead) + 0.1 * np.sin(2 * math.pi * 0.31 * time)
    mains = 0.05 * np.sin(2 * math.pi * 50 * time + 0.2 * lead)
    mixed = np.arange(12 * samples, dtype=np.uint64).reshape(12, samples) + np.uint64(1 + 1_000_000 * noise)
    for factor, shift in ((2654435761, 16), (2246822519, 13)):
        mixed = mixed * np.uint64(factor) % np.uint64(2**32)
        mixed ^= mixed >> np.uint64(shift)
    uniform = 0.04 * (mixed / 2**32 - 0.5)
    return heartbeats(0, 12, samples, rate) + wander + mains + uniform + 0.2 * np.cos(lead)


def batch(records: int, leads: int, samples: int, rate: float, phase: float = 0.0) -> Signal:
    """Records `(records, leads, samples)` in millivolts."""
    return np.stack([heartbeats(record, leads, samples, rate, phase) for record in range(records)])
