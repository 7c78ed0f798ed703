"""Filters, all of them without delay: each runs forward and then backward over every lead.

`scipy.signal` takes a second to import, so that only what filters imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecg_tl.preprocessing.step import Signal, Step, Values

Form = Literal["ba", "sos"]


@dataclass(frozen=True)
class Notch(Step, name="notch"):
    """Remove one frequency, such as that of the mains.

    Attributes:
        frequency: In Hz.
        quality: The frequency over the width of the notch at half power.
    """

    frequency: float = 50.0
    quality: float = 30.0

    def __post_init__(self) -> None:
        for name in ("frequency", "quality"):
            if not getattr(self, name) > 0:
                raise self.wrong(name, getattr(self, name), "a number above 0")

    def __call__(self, signal: Signal) -> Signal:
        """Filter each lead."""
        from scipy.signal import iirnotch

        _require_band(self, signal, self.frequency)
        return _filtered(self, signal, *iirnotch(self.frequency, self.quality, signal.sampling_rate))


@dataclass(frozen=True)
class Butterworth(Step, name="butterworth"):
    """A Butterworth filter: a band-pass between `low` and `high`, or a high-pass or low-pass of one of them.

    Attributes:
        order: Of the filter; a band-pass has twice as many poles.
        low: Frequency in Hz below which it attenuates.
        high: Frequency in Hz above which it attenuates.
        form: `ba` computes it as one fraction, `sos` as second-order sections. With narrow bands `ba` loses
            digits, and published networks saw it so.
    """

    order: int
    low: float | None = None
    high: float | None = None
    form: Form = "sos"

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 20:
            raise self.wrong("order", self.order, "a whole number from 1 to 20")
        if self.low is None and self.high is None:
            raise self.wrong("low", None, "low, high or both")
        for name in ("low", "high"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise self.wrong(name, value, "a frequency above 0 Hz")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise self.wrong("high", self.high, f"a frequency above low, {self.low:g} Hz")

    def __call__(self, signal: Signal) -> Signal:
        """Filter each lead."""
        from scipy.signal import butter, sosfiltfilt

        edges = [edge for edge in (self.low, self.high) if edge is not None]
        _require_band(self, signal, max(edges))
        kind = "bandpass" if len(edges) == 2 else "lowpass" if self.low is None else "highpass"
        edge = edges if len(edges) == 2 else edges[0]
        made = butter(self.order, edge, kind, fs=signal.sampling_rate, output=self.form)
        if self.form == "ba":
            return _filtered(self, signal, *made)
        # SciPy's default; poles at zero, which it leaves out, no high-pass or low-pass of these has.
        sections = len(made)
        zeros = min(int((made[:, 2] == 0).sum()), int((made[:, 5] == 0).sum()))
        _require_samples(self, signal, 3 * (2 * sections + 1 - zeros))
        return signal.with_values(sosfiltfilt(made, signal.values, axis=-1))


@dataclass(frozen=True)
class FirBandpass(Step, name="fir_bandpass"):
    """A band-pass of finite impulse response, designed by a Hamming window.

    Attributes:
        low: Frequency in Hz below which it attenuates.
        high: Frequency in Hz above which it attenuates.
        seconds: Length of its impulse response; it has an odd number of samples.
    """

    low: float
    high: float
    seconds: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise self.wrong("high", self.high, f"a frequency above low, {self.low:g} Hz, which is above 0")
        if not 0 < self.seconds <= 60:
            raise self.wrong("seconds", self.seconds, "a number above 0 and at most 60")

    def __call__(self, signal: Signal) -> Signal:
        """Filter each lead."""
        from scipy.signal import firwin

        _require_band(self, signal, self.high)
        taps = int(self.seconds * signal.sampling_rate) // 2 * 2 + 1
        band = (self.low, self.high)
        designed = firwin(taps, band, pass_zero=False, fs=signal.sampling_rate)
        return _filtered(self, signal, designed, np.ones(1))


@dataclass(frozen=True)
class MedianBaseline(Step, name="median_baseline"):
    """Subtract from each sample the median of those around it, beyond the ends zeros.

    Attributes:
        seconds: Length of what is around it; it has an odd number of samples.
    """

    seconds: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 60:
            raise self.wrong("seconds", self.seconds, "a number above 0 and at most 60")

    def __call__(self, signal: Signal) -> Signal:
        """Subtract the baseline of each lead."""
        from scipy.ndimage import median_filter

        samples = int(self.seconds * signal.sampling_rate) + 1
        samples += 1 - samples % 2
        baseline = [median_filter(lead, size=samples, mode="constant", cval=0.0) for lead in signal.values]
        return signal.with_values(signal.values - np.stack(baseline))


def _filtered(step: Step, signal: Signal, b: Values, a: Values) -> Signal:
    from scipy.signal import filtfilt

    _require_samples(step, signal, 3 * max(len(a), len(b)))
    return signal.with_values(filtfilt(b, a, signal.values, axis=-1))


def _require_band(step: Step, signal: Signal, frequency: float) -> None:
    if frequency >= signal.sampling_rate / 2:
        raise step.unfit(
            f"a signal at {signal.sampling_rate:g} Hz, which holds frequencies below "
            f"{signal.sampling_rate / 2:g} Hz",
            f"a rate above {2 * frequency:g} Hz for a filter at {frequency:g} Hz",
            "Take recordings at a higher rate; resampling cannot bring back what they lack.",
        )


def _require_samples(step: Step, signal: Signal, padding: int) -> None:
    # What is reflected at each end must be shorter than the signal.
    samples = signal.values.shape[-1]
    if samples <= padding:
        raise step.unfit(
            f"a signal of {samples} samples",
            f"more than {padding} samples, which the filter reflects at each end",
            "Take longer recordings.",
        )
    if not np.isfinite(signal.values).all():
        raise step.unfit(
            "values that are no numbers",
            "finite values, for a filter spreads one over the whole lead",
            "Put the step fill_missing before it.",
        )
