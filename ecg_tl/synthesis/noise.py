"""What an electrocardiograph picks up besides the heart: wander, mains, muscle, contact noise.

Everything arises at the electrodes, so that the lead relations hold for the noise too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ecg_tl.synthesis.leads import ELECTRODES


@dataclass(frozen=True)
class NoiseLevels:
    """Typical strength of each kind of noise at one electrode, root mean square in millivolts.

    Every record draws its own strengths around these: most are cleaner, some much worse.
    """

    wander: float = 0.045
    mains: float = 0.004
    muscle: float = 0.013
    contact: float = 0.010

    def scaled(self, factor: float) -> NoiseLevels:
        """Return all levels times `factor`."""
        return NoiseLevels(
            self.wander * factor, self.mains * factor, self.muscle * factor, self.contact * factor
        )


def electrode_noise(
    samples: int,
    sampling_rate: float,
    levels: NoiseLevels,
    mains_frequency: float,
    breath: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw the noise of one record at each of `ELECTRODES`, `(9, samples)` in millivolts.

    Args:
        samples: Length of the record.
        sampling_rate: In Hz.
        levels: Typical strengths.
        mains_frequency: 50 or 60 Hz.
        breath: Breaths a second; the wander follows it in part.
        rng: Where the draws come from.
    """
    electrodes = len(ELECTRODES)
    time = np.arange(samples, dtype=np.float32) / np.float32(sampling_rate)
    strength = np.exp(rng.normal(-0.2, 0.7, size=4))
    contact = np.exp(rng.normal(0.0, 0.4, size=(4, electrodes)))  # some electrodes stick better than others

    # Slow and mains components: few frequencies shared by all electrodes, mixed with weights of their own.
    slow = np.array([breath, *rng.uniform(0.05, 0.5, size=4)])
    tones = 2.0 * np.pi * np.concatenate([slow, [mains_frequency, 3.0 * mains_frequency]])
    phase = tones.astype(np.float32)[:, None] * time
    weights = rng.standard_normal((2, electrodes, len(tones)))
    weights[..., : len(slow)] *= (levels.wander * strength[0] * contact[0])[:, None] * np.sqrt(
        1.0 / len(slow)
    )
    weights[..., len(slow)] *= levels.mains * strength[1] * contact[1]
    # The third harmonic is weaker, and absent where the sampling rate cannot carry it.
    third = 0.25 if 3.0 * mains_frequency < 0.5 * sampling_rate else 0.0
    weights[..., len(slow) + 1] *= third * levels.mains * strength[1] * contact[1]
    if mains_frequency >= 0.5 * sampling_rate:
        weights[..., len(slow)] = 0.0
    weights = weights.astype(np.float32)
    noise: NDArray[np.float32] = weights[0] @ np.sin(phase) + weights[1] @ np.cos(phase)

    # Muscle (20 Hz and up) and contact noise (1/f in power): white noise shaped in frequency.
    length = fft.next_fast_len(samples, real=True)
    frequency = np.fft.rfftfreq(length, 1.0 / sampling_rate).astype(np.float32)
    muscle_shape = (
        (frequency / 20.0) ** 2 / (1.0 + (frequency / 20.0) ** 2) / (1.0 + (frequency / 120.0) ** 2)
    )
    contact_shape = np.zeros_like(frequency)
    contact_shape[1:] = 1.0 / np.sqrt(np.maximum(frequency[1:], 0.5)) / (1.0 + (frequency[1:] / 40.0) ** 2)
    spectrum = rng.standard_normal((electrodes, len(frequency), 2), dtype=np.float32)
    white = spectrum[..., 0] + 1j * spectrum[..., 1]
    for row, (level, shape) in enumerate(
        ((levels.muscle, muscle_shape), (levels.contact, contact_shape)), start=2
    ):
        # Parseval: a one-sided spectrum of unit complex normals times `shape` has this mean square.
        unit = np.sqrt(4.0 * np.sum(shape**2)) / length
        amplitude = (level * strength[row] * contact[row] / unit).astype(np.float32)
        part = white if row == 2 else white[::-1]
        coloured = fft.irfft(part * shape, n=length, axis=1, overwrite_x=True)[:, :samples]
        if row == 2:
            coloured *= _tension(samples, sampling_rate, rng)
        noise += amplitude[:, None] * coloured
    return noise


def _tension(samples: int, sampling_rate: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return how tense the muscles are over time, `(samples,)` around 1: it comes and goes in seconds."""
    knots = int(samples / sampling_rate) + 2
    level = np.exp(0.5 * rng.standard_normal(knots))
    tension: NDArray[np.float32] = np.interp(
        np.arange(samples) / sampling_rate, np.arange(knots), level
    ).astype(np.float32)
    return tension
