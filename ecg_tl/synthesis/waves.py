"""One beat as Gaussian kernels of a moving dipole, and beats as a signal.

The model is that of McSharry et al., "A dynamical model for generating synthetic electrocardiogram signals",
IEEE TBME 50:289-294 (2003), taken to three dimensions as by Sameni et al., "Multichannel ECG and noise
modeling", EURASIP JASP 2007:043407: each wave is a bump of a vector, in Frank's coordinates X (left),
Y (foot) and Z (back).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REACH = 4.5  # standard deviations after which a kernel is under 0.005 % of its height
_WIDTH_CLASSES = (0.016, 0.040)  # s; kernels of like width are laid out together


@dataclass(frozen=True, eq=False)
class Wave:
    """One kernel.

    Attributes:
        time: Of its peak, in seconds after the onset of the QRS.
        rise: Standard deviation before the peak, in seconds.
        fall: Standard deviation after the peak, in seconds.
        vector: `(3,)`, the dipole at the peak, in millivolts.
        repolarisation: Whether it moves with the QT interval.
    """

    time: float
    rise: float
    fall: float
    vector: NDArray[np.float64]
    repolarisation: bool = False


@dataclass(frozen=True, eq=False)
class Kernels:
    """A record's kernels: `centre`, `rise`, `fall` `(kernels,)` in seconds, `vector` `(kernels, 3)` in mV."""

    centre: NDArray[np.float64]
    rise: NDArray[np.float64]
    fall: NDArray[np.float64]
    vector: NDArray[np.float64]

    def __add__(self, other: Kernels) -> Kernels:
        return Kernels(
            np.concatenate([self.centre, other.centre]),
            np.concatenate([self.rise, other.rise]),
            np.concatenate([self.fall, other.fall]),
            np.concatenate([self.vector, other.vector]),
        )


def repeat_beat(
    waves: Sequence[Wave],
    onset: NDArray[np.float64],
    stretch: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> Kernels:
    """Lay one beat's waves out at every onset.

    Args:
        waves: Of the beat.
        onset: `(beats,)`, seconds.
        stretch: `(beats,)`, factor on times and widths of repolarisation.
        gain: `(beats, waves)`, factor on amplitudes.
    """
    moves = np.array([wave.repolarisation for wave in waves])
    scale = np.where(moves, stretch[:, None], 1.0)
    time = np.array([wave.time for wave in waves])
    rise = np.array([wave.rise for wave in waves])
    fall = np.array([wave.fall for wave in waves])
    vector = np.stack([wave.vector for wave in waves])
    return Kernels(
        (onset[:, None] + time * scale).ravel(),
        (rise * scale).ravel(),
        (fall * scale).ravel(),
        (gain[:, :, None] * vector).reshape(-1, 3),
    )


def render_dipole(kernels: Kernels, sampling_rate: float, samples: int) -> NDArray[np.float64]:
    """Return the dipole over time, `(3, samples)` in millivolts."""
    dipole = np.zeros((3, samples))
    width = np.maximum(kernels.rise, kernels.fall)
    lower = 0.0
    for upper in (*_WIDTH_CLASSES, np.inf):
        chosen = np.flatnonzero((width > lower) & (width <= upper))
        lower = upper
        if not len(chosen):
            continue
        reach = int(np.ceil(_REACH * width[chosen].max() * sampling_rate))
        middle = np.rint(kernels.centre[chosen] * sampling_rate).astype(np.int64)
        index = middle[:, None] + np.arange(-reach, reach + 1)
        distance = index / sampling_rate - kernels.centre[chosen, None]
        deviation = np.where(distance < 0, kernels.rise[chosen, None], kernels.fall[chosen, None])
        height = np.exp(-0.5 * (distance / deviation) ** 2)
        inside = (index >= 0) & (index < samples)
        position = index[inside]
        for axis in range(3):
            weight = (height * kernels.vector[chosen, axis, None])[inside]
            dipole[axis] += np.bincount(position, weights=weight, minlength=samples)
    return dipole


def sample_beat(waves: Sequence[Wave], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one beat's dipole at `time` (seconds after the onset of the QRS), `(3, times)`."""
    dipole = np.zeros((3, len(time)))
    for wave in waves:
        distance = time - wave.time
        deviation = np.where(distance < 0, wave.rise, wave.fall)
        dipole += wave.vector[:, None] * np.exp(-0.5 * (distance / deviation) ** 2)
    return dipole
