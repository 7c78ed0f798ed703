"""Bringing a signal to another sampling rate and to a length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.preprocessing.polyphase import polyphase, reach, resampled_length
from ecg_tl.store.settings import Crop, Resampling


@dataclass(frozen=True)
class Window:
    """Which part of a record is needed for which part of the stored signal.

    Attributes:
        start: First source sample to read, and
        stop: one past the last: the kept part, and on both sides what the filter reaches.
        skip: Resampled samples before the kept part.
        length: Kept samples, at the new rate; fewer than asked for where the record is short.
        cut: Whether part of the record is left away.
    """

    start: int
    stop: int
    skip: int
    length: int
    cut: bool


def find_window(samples: int, ratio: Fraction, num_samples: int, crop: Crop) -> Window:
    """Choose the part of a record that a stored signal of `num_samples` needs.

    A record can be a hundred times longer than what is kept of it; only what is kept, with a margin for the
    filter, has to be free of gaps and to be resampled. The result is the same as of resampling the whole and
    cutting after.

    Args:
        samples: Length of the record.
        ratio: From `rate_ratio`.
        num_samples: Samples to keep, at the new rate.
        crop: Where a longer record is cut.
    """
    resampled = resampled_length(samples, ratio)
    length = min(resampled, num_samples)
    return window_at(samples, ratio, (resampled - length) // 2 if crop == "center" else 0, length)


def window_at(samples: int, ratio: Fraction, first: int, length: int) -> Window:
    """Find what `length` resampled samples from the `first` on need of a record; see `find_window`.

    Args:
        samples: Length of the record.
        ratio: From `rate_ratio`.
        first: The first sample to keep, at the new rate.
        length: Samples to keep, at the new rate.
    """
    up, down = ratio.numerator, ratio.denominator
    margin = 0 if ratio == 1 else reach(up, down)
    # A multiple of `down`, so that the new samples fall on the same instants as from the whole record.
    start = max(0, (first * down // up - margin) // down * down)
    stop = min(samples, -(-(first + length) * down // up) + margin)
    cut = resampled_length(samples, ratio) > length
    return Window(start, stop, first - start * up // down, length, cut)


def window_starts(total: int, length: int, stride: int | None = None) -> tuple[int, ...]:
    """Say where the windows begin that cover a signal, in samples.

    Args:
        total: Samples of the signal.
        length: Samples of a window; a shorter signal has one window, which begins at 0.
        stride: Samples from one window to the next, the last of which ends with the signal; None for as few
            windows as can be, spread evenly, so that neighbours overlap a little where they must.
    """
    last = max(total - length, 0)
    if stride is None:
        count = max(-(-total // length), 1)
        return tuple(np.linspace(0, last, count).round().astype(int).tolist())
    return (*range(0, last, stride), last)


def resample(signal: NDArray[np.float32], ratio: Fraction, method: Resampling) -> NDArray[np.float32]:
    """Change the sampling rate of `signal (leads, samples)`, free of delay: the first instant stays first.

    Args:
        signal: Without NaN.
        ratio: From `rate_ratio`.
        method: `"polyphase"`, see `ecg_tl.preprocessing.polyphase`; `"stride"`: every k-th sample.

    Returns:
        `float32 (leads, ceil(samples * ratio))`.

    Raises:
        SettingError: If `"stride"` is asked for rates of which one is not a whole multiple of the other.
    """
    if ratio == 1:
        return signal
    up, down = ratio.numerator, ratio.denominator
    if method == "stride":
        if up != 1:
            raise SettingError(
                "resampling",
                f"'stride' with a rate ratio of {down}/{up}",
                "a record's rate that is a whole multiple of the store's",
                "Use 'polyphase', or a rate that divides the records' rate.",
            )
        return np.ascontiguousarray(signal[:, ::down])
    return polyphase(signal, ratio)
