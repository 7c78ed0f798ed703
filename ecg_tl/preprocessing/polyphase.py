"""The resampling filter of this project: polyphase, in double precision, as a product of matrices."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecg_tl.errors import SettingError

PASS_BAND = 0.8
"""Share of the lower Nyquist frequency that passes unchanged: 40 Hz of 50 when the store is at 100 Hz."""

STOP_BAND_DB = 60.0
"""Attenuation from the lower Nyquist frequency on: what would alias is brought under a thousandth."""

_OUTPUTS_AT_ONCE = 20
"""Columns of `_block_matrix`, at least: fewer make small products, more multiply zeros."""

_LARGEST_BLOCK = 2**20
"""Numbers in a matrix. Every published rate needs under 50,000; 128.205 to 100 Hz would need 500 million."""


@lru_cache(maxsize=32)
def rate_ratio(source_rate: float, target_rate: float) -> Fraction:
    """Return target over source as a fraction; rates are taken to a thousandth of a Hz."""
    source = Fraction(source_rate).limit_denominator(1000)
    target = Fraction(target_rate).limit_denominator(1000)
    if source <= 0 or target <= 0:
        raise SettingError(
            "sampling rate", f"{source_rate:g} and {target_rate:g} Hz", "positive rates", "Correct the rate."
        )
    return target / source


def resampled_length(samples: int, ratio: Fraction) -> int:
    """Return how many samples a record has at the new rate."""
    return -(-samples * ratio.numerator // ratio.denominator)


def polyphase(signal: NDArray[np.float32], ratio: Fraction) -> NDArray[np.float32]:
    """Change the sampling rate of `signal (leads, samples)`, free of delay: the first instant stays first.

    A linear-phase low-pass stops at the lower of the two Nyquist frequencies; edges are continued by
    reflection, so that an offset does not ring.

    Args:
        signal: Without NaN.
        ratio: From `rate_ratio`.

    Returns:
        `float32 (leads, ceil(samples * ratio))`.
    """
    if ratio == 1:
        return signal
    up, down = ratio.numerator, ratio.denominator
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
    before, advance = reach(up, down), outputs * down // up
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
    return (outputs - 1) * down // up + 1 + 2 * reach(up, down), outputs


def reach(up: int, down: int) -> int:
    """Return how many old samples on each side of an instant the filter weighs."""
    return _half_length(up, down) // up + 1


@lru_cache(maxsize=32)
def _block_matrix(up: int, down: int) -> NDArray[np.float64]:
    """Return `(window, outputs)`; a column is the filter, moved to its output's instant."""
    half, taps = _half_length(up, down), _low_pass(up, down)
    window, outputs = _block_shape(up, down)
    # On the grid of `up` times the old rate, sample i lies at i * up and output n at n * down.
    offsets = np.arange(outputs) * down - (np.arange(window)[:, None] - reach(up, down)) * up
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
