"""Other sampling rates, in the ways that published networks were made for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ecg_tl.limits import SAMPLES, SAMPLING_RATE
from ecg_tl.preprocessing.polyphase import polyphase, rate_ratio
from ecg_tl.preprocessing.step import Signal, Step, Values

Method = Literal["polyphase", "fourier", "linear"]


@dataclass(frozen=True)
class Resample(Step, name="resample"):
    """Bring a signal to another sampling rate.

    Attributes:
        rate: The new rate in Hz.
        method: `polyphase` is the filter of this project's stores, which keeps 0.8 of the band and lets
            nothing alias. `fourier` cuts or lengthens the spectrum, as if the signal began again at its end.
            `linear` draws lines between samples, keeps the first and last, and lets frequencies above the
            new band alias.
    """

    rate: float
    method: Method = "polyphase"

    def __post_init__(self) -> None:
        if not SAMPLING_RATE.holds(self.rate):
            raise self.wrong("rate", self.rate, str(SAMPLING_RATE))

    def __call__(self, signal: Signal) -> Signal:
        """Resample each lead to `int(samples * rate / old rate)` samples (polyphase: rounded up)."""
        if signal.sampling_rate == self.rate:
            return signal
        if self.method == "polyphase":
            ratio = rate_ratio(signal.sampling_rate, self.rate)
            values = polyphase(signal.values.astype(np.float32), ratio).astype(np.float64)
        else:
            samples = int(signal.values.shape[-1] * self.rate / signal.sampling_rate)
            if samples < 1:
                raise self.unfit(
                    f"a signal of {signal.values.shape[-1]} samples at {signal.sampling_rate:g} Hz",
                    f"one that lasts a sample at {self.rate:g} Hz",
                    "Take longer recordings.",
                )
            values = (
                _by_lines(signal.values, samples)
                if self.method == "linear"
                else _by_fourier(signal.values, samples)
            )
        return replace(signal, values=values, sampling_rate=self.rate)


@dataclass(frozen=True)
class Stretch(Step, name="stretch"):
    """Draw lines between samples and read a number of them off, whatever time the signal lasts.

    The rate that a signal then has is kept as it follows; cut a signal to its duration first.

    Attributes:
        samples: The new number of samples; first and last are kept.
    """

    samples: int

    def __post_init__(self) -> None:
        if not SAMPLES.holds(self.samples):
            raise self.wrong("samples", self.samples, str(SAMPLES))

    def __call__(self, signal: Signal) -> Signal:
        """Stretch each lead."""
        rate = signal.sampling_rate * self.samples / signal.values.shape[-1]
        return replace(signal, values=_by_lines(signal.values, self.samples), sampling_rate=rate)


@dataclass(frozen=True)
class Decimate(Step, name="decimate"):
    """Keep every k-th sample after a low-pass: Chebyshev of order 8, both ways, at 0.8 of the new band.

    Attributes:
        factor: Which samples are kept, counted from the first.
    """

    factor: int

    def __post_init__(self) -> None:
        if not 2 <= self.factor <= 13:
            raise self.wrong("factor", self.factor, "a whole number from 2 to 13")

    def __call__(self, signal: Signal) -> Signal:
        """Decimate each lead."""
        from scipy.signal import decimate

        if signal.values.shape[-1] <= 27:  # what the filter reflects at each end
            raise self.unfit(
                f"a signal of {signal.values.shape[-1]} samples", "more than 27", "Take longer recordings."
            )
        values = decimate(signal.values, self.factor, axis=-1)
        return replace(signal, values=values, sampling_rate=signal.sampling_rate / self.factor)


def _by_lines(values: Values, samples: int) -> Values:
    known = np.linspace(0, samples - 1, values.shape[-1])
    wanted = np.arange(samples)
    return np.stack([np.interp(wanted, known, lead) for lead in values])


def _by_fourier(values: Values, samples: int) -> Values:
    from scipy.signal import resample

    resampled: Values = resample(values, samples, axis=-1)
    return resampled
