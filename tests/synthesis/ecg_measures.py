"""What a cardiologist would read off a clean ECG. Times in seconds, voltages in millivolts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.noise import NoiseLevels

NO_NOISE = NoiseLevels(0.0, 0.0, 0.0, 0.0)
RATE = 500
BEFORE = 0.45

Clean = Callable[..., np.ndarray]
"""What the fixture `clean` is: conditions and a severity in, records out."""


def lead(signal: np.ndarray, name: str) -> np.ndarray:
    return signal[LEADS.index(name)]


def beat_times(signal: np.ndarray) -> np.ndarray:
    """Times of the QRS complexes, from the speed of all leads together."""
    speed = np.abs(np.diff(signal, axis=1)).sum(axis=0)
    smooth = np.convolve(speed, np.hanning(41), mode="same")
    peaks, _ = find_peaks(smooth, height=0.35 * np.quantile(smooth, 0.99), distance=int(0.26 * RATE))
    return peaks / RATE


def intervals(signal: np.ndarray) -> np.ndarray:
    return np.diff(beat_times(signal))


@dataclass(frozen=True)
class MeanBeat:
    """One averaged beat, `values (12, times)`, with its landmarks as indices."""

    values: np.ndarray
    onset: int
    end: int

    def at(self, name: str, index: int) -> float:
        """Voltage of a lead above the baseline, which is where the QRS begins."""
        row = self.values[LEADS.index(name)]
        return float(row[index] - row[self.onset])

    def qrs(self, name: str) -> np.ndarray:
        row = self.values[LEADS.index(name)]
        return row[self.onset : self.end + 1] - row[self.onset]

    @property
    def qrs_duration(self) -> float:
        return (self.end - self.onset) / RATE

    def terminal(self, name: str) -> float:
        """Mean voltage over the last third of the QRS."""
        values = self.qrs(name)
        return float(values[-len(values) // 3 :].mean())

    def st(self, name: str) -> float:
        """Level of the ST segment 60 ms after the QRS."""
        return self.at(name, self.end + int(0.06 * RATE))

    def t_peak(self, name: str) -> float:
        """Largest deflection, with its sign, of the T wave."""
        row = self.values[LEADS.index(name)]
        part = row[self.onset + int(0.23 * RATE) : self.onset + int(0.47 * RATE)] - row[self.onset]
        return float(part[np.argmax(np.abs(part))])

    @property
    def pr(self) -> float:
        """From where the P wave begins to move to where the QRS does."""
        speed = np.abs(np.diff(self.values, axis=1)).sum(axis=0)[: self.onset - int(0.01 * RATE)]
        window = speed[max(self.onset - int(0.40 * RATE), 0) :]
        start = int(np.argmax(window > 0.25 * window.max()))
        return (len(window) - start) / RATE + 0.01

    @property
    def qt(self) -> float:
        """From the start of the QRS to where T has fallen to a twelfth, in the lead with the tallest T."""
        late = self.values[:, self.end + int(0.10 * RATE) :] - self.values[:, self.onset, None]
        row = np.abs(late[np.argmax(np.abs(late[:, : int(0.35 * RATE)]).max(axis=1))])
        peak = int(np.argmax(row[: int(0.40 * RATE)]))
        over = row[peak:] < row[peak] / 12.0
        return (self.end - self.onset + peak + int(np.argmax(over))) / RATE + 0.10

    @property
    def axis(self) -> float:
        return float(np.rad2deg(np.arctan2(self.qrs("aVF").sum() * 2 / np.sqrt(3), self.qrs("I").sum())))


def mean_beat(signal: np.ndarray, after: float = 0.60) -> MeanBeat:
    times = (beat_times(signal) * RATE).astype(int)
    before, behind = int(BEFORE * RATE), int(after * RATE)
    whole = [t for t in times if t - before >= 0 and t + behind <= signal.shape[1]]
    values = np.mean([signal[:, t - before : t + behind] for t in whole], axis=0)
    speed = np.abs(np.diff(values, axis=1)).sum(axis=0)
    speed = np.convolve(speed, np.ones(5) / 5, mode="same")
    centre = before
    fast = speed > 0.10 * speed[centre - 60 : centre + 60].max()
    # Slow moments within the complex (its peaks and notches) do not end it.
    calm = int(0.024 * RATE)
    onset = next(i for i in range(centre - 10, 0, -1) if not fast[i - calm : i].any())
    end = next(i for i in range(centre + 10, len(fast)) if not fast[i : i + calm].any())
    return MeanBeat(values, onset, end)
