"""Bringing a signal to another sampling rate and to a length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.store.settings import Crop, Resampling

PASS_BAND = 0.8
"""Share of the lower Nyquist frequency that passes unchanged: 40 Hz of 50 when the store is at 100 Hz."""

STOP_BAND_DB = 60.0
"""Attenuation from the lower Nyquist frequency on: what would alias is brought under a thousandth."""

_OUTPUTS_AT_ONCE = 20
"""Columns of `_block_matrix`, at least: fewer make small products, more multiply zeros."""

_LARGEST_BLOCK = 2**20
"""Numbers in a matrix. Every published rate needs under 50,000; 128.205 to 100 Hz would need 500 million."""


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


def rate_ratio(source_rate: float, target_rate: float) -> Fraction:
    """Return target over source as a fraction; rates are taken to a thousandth of a Hz."""
    source = Fraction(source_rate).limit_denominator(1000)
    target = Fraction(target_rate).limit_denominator(1000)
    if source <= 0 or target <= 0:
        raise SettingError(
            "sampling rate", f"{source_rate:g} and {target_rate:g} Hz", "positive rates", "Correct the rate."
        )
    return target / source


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
    margin = 0 if ratio == 1 else _reach(up, down)
    # A multiple of `down`, so that the new samples fall on the same instants as from the whole record.
    start = max(0, (first * down // up - margin) // down * down)
    stop = min(samples, -(-(first + length) * down // up) + margin)
    cut = resampled_length(samples, ratio) > length
    return Window(start, stop, first - start * up // down, length, cut)


def resampled_length(samples: int, ratio: Fraction) -> int:
    """Return how many samples a record has at the new rate."""
    return -(-samples * ratio.numerator // ratio.denominator)


def resample(signal: NDArray[np.float32], ratio: Fraction, method: Resampling) -> NDArray[np.float32]:
    """Change the sampling rate of `signal (leads, samples)`, free of delay: the first instant stays first.

    Args:
        signal: Without NaN.
        ratio: From `rate_ratio`.
        method: `"polyphase"`: a linear-phase low-pass that stops at the lower of the two Nyquist frequencies,
            edges continued by reflection so that an offset does not ring. `"stride"`: every k-th sample.

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
    if np.prod(_block_shape(up, down)) > _LARGEST_BLOCK:
        from scipy.signal import resample_poly  # a second to import, which rates in use are spared

        taps = _low_pass(up, down)
        filtered = resample_poly(
            signal.astype(np.float64), up, down, axis=1, window=taps, padtype="symmetric"
        )
    else:
        filtered = _filter_in_blocks(signal, up, down)
    return np.asarray(filtered, dtype=np.float32)


def _filter_in_blocks(signal: NDArray[np.float32], up: int, down: int) -> NDArray[np.float64]:
    """Filter and resample as one product: so many new samples from each window of old ones."""
    # A fifth of the time of SciPy's loop over samples. In double precision, so that neither the order of
    # additions, which is another on every processor, nor the way taken decides how a stored step is rounded.
    leads, samples = signal.shape
    window, outputs = _block_shape(up, down)
    before, advance = _reach(up, down), outputs * down // up
    length = resampled_length(samples, Fraction(up, down))
    blocks = -(-length // outputs)
    after = (blocks - 1) * advance + window - before - samples
    padded = np.pad(signal.astype(np.float64), ((0, 0), (before, after)), mode="symmetric")
    windows = sliding_window_view(padded, window, axis=1)[:, ::advance]
    # One flat product: with overlapping rows NumPy would not hand it to BLAS.
    filtered = np.ascontiguousarray(windows).reshape(-1, window) @ _block_matrix(up, down)
    return filtered.reshape(leads, -1)[:, :length]


def _block_shape(up: int, down: int) -> tuple[int, int]:
    """Return the old samples of a window and the new samples from it."""
    outputs = -(-_OUTPUTS_AT_ONCE // up) * up  # whole periods, so that all windows have the same matrix
    return (outputs - 1) * down // up + 1 + 2 * _reach(up, down), outputs


def _reach(up: int, down: int) -> int:
    """Return how many old samples on each side of an instant the filter weighs."""
    return _half_length(up, down) // up + 1


@lru_cache(maxsize=32)
def _block_matrix(up: int, down: int) -> NDArray[np.float64]:
    """Return `(window, outputs)`; a column is the filter, moved to its output's instant."""
    half, taps = _half_length(up, down), _low_pass(up, down)
    window, outputs = _block_shape(up, down)
    # On the grid of `up` times the old rate, sample i lies at i * up and output n at n * down.
    offsets = np.arange(outputs) * down - (np.arange(window)[:, None] - _reach(up, down)) * up
    return np.where(np.abs(offsets) <= half, up * taps[np.clip(offsets + half, 0, 2 * half)], 0.0)


def _half_length(up: int, down: int) -> int:
    """Taps on each side of the filter's middle, at the rate of `up` times the source."""
    # Kaiser's estimate of the length that an attenuation and a width of transition need, as
    # `scipy.signal.kaiserord` has it.
    width = (1 - PASS_BAND) / max(up, down)
    return int(np.ceil((STOP_BAND_DB - 7.95) / (2.285 * np.pi * width) + 1)) // 2 + 1


@lru_cache(maxsize=32)
def _low_pass(up: int, down: int) -> NDArray[np.float64]:
    """Return the filter's taps, as `scipy.signal.firwin` gives them; their sum is 1."""
    # Not by that function: every process that reads records would spend a second on importing it.
    # SciPy's own default filter is 6 dB down at the Nyquist frequency: mains hum at 50 Hz would stay in a
    # signal at 100 Hz, and 52 Hz would turn into 48. This one has its whole transition below.
    cutoff = (1 + PASS_BAND) / 2 / max(up, down)
    half = _half_length(up, down)
    # The window's shape is Kaiser's for more than 50 dB, as `scipy.signal.kaiser_beta` has it.
    taps = np.sinc(cutoff * np.arange(-half, half + 1)) * np.kaiser(
        2 * half + 1, 0.1102 * (STOP_BAND_DB - 8.7)
    )
    return np.asarray(taps / taps.sum())
