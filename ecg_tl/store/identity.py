"""Which recording this is, whatever file it came from: a fingerprint of 192 bytes.

Published collections hold each other's recordings under other names: PTB-XL's `00001` is the challenge's
`HR00001`. Hashes cannot tell, since a recording that was resampled, scaled or rounded anew has other samples.
The fingerprint is made of what survives that, from the recording as it was read, before any setting of a
store:

1. Of each of the leads I, II, V1 and V5 the first 8 s, tapered, as cosine coefficients from 1 to 20 Hz. They
   are integrals over time, so that the sampling rate does not matter, and are multiplied by the square root
   of the frequency, which takes weight off the slow waves.
2. Back in time, every value y becomes y / sqrt(y^2 + (2 m)^2) with m the lead's median of |y|. The gain is
   gone, and QRS complexes no longer outweigh everything between them. Without this step, recordings of two
   patients with the same regular rhythm are nearly as alike as copies.
3. Correlated with 48 fixed sequences of random signs for each lead, and rounded to int8.

Two recordings are the same if the cosine of their fingerprints, averaged over the leads that both have, is
`MATCH_THRESHOLD` or more. `docs/contamination.md` has the measurements behind these numbers. A change to any
of them makes another fingerprint and must raise `FINGERPRINT_VERSION` and the store's format.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray

from ecg_tl.signals import Recording

FINGERPRINT_VERSION = 1

FINGERPRINT_LEADS = ("I", "II", "V1", "V5")
"""What Holter and event recorders have of the twelve leads, if they have any; V1 and V5 see the heart from
opposite sides. More leads did not tell recordings apart better."""

VALUES_PER_LEAD = 48
"""Fewer make unrelated recordings more alike by chance; more are longer and little better."""

FINGERPRINT_BYTES = VALUES_PER_LEAD * len(FINGERPRINT_LEADS)

MATCH_THRESHOLD = 0.85
"""Cosine from which two fingerprints are of the same recording."""

SECONDS = 8.0
SHORTEST = 3.0
"""Seconds of signal that a lead needs; a beat of one patient looks like a beat of another, and matches it."""

LOWEST, HIGHEST = 1.0, 20.0  # Hz: above baseline wander, and well below the Nyquist frequency of 100 Hz files

_GRID_RATE = 64.0  # Hz, for step 2
_TAPER = 0.5  # s, at both ends: files differ at their edges by how resampling filters continue them
_SMALLEST_LEAD = 0.02  # of the strongest lead's RMS; less is rounding noise, which differs from file to file


def recording_fingerprint(recording: Recording) -> NDArray[np.int8]:
    """Return what identifies a recording, `int8 (FINGERPRINT_BYTES,)`.

    A lead that is absent, flat or shorter than `SHORTEST` leaves zeros; a recording without any of
    `FINGERPRINT_LEADS` gets zeros alone, which match nothing.

    Args:
        recording: Whole and at its own rate; missing samples are bridged by straight lines.
    """
    samples = min(recording.values.shape[1], int(SECONDS * recording.sampling_rate + 1e-6))
    signal = np.zeros((len(FINGERPRINT_LEADS), samples))
    for row, lead in enumerate(FINGERPRINT_LEADS):
        if lead in recording.leads:
            values = recording.values[recording.leads.index(lead), :samples]
            if _changing_samples(values) >= SHORTEST * recording.sampling_rate:
                signal[row] = bridged(values)
    band = _band_passed(signal, recording.sampling_rate)
    strength = np.sqrt(np.mean(band**2, axis=1, keepdims=True))
    heard = strength > _SMALLEST_LEAD * strength.max()
    middle = np.median(np.abs(band), axis=1, keepdims=True)
    even = np.where(heard, band, 0.0) / np.sqrt(band**2 + (2 * np.where(heard, middle, 1.0)) ** 2 + 1e-30)
    even -= even.mean(axis=1, keepdims=True)
    values = (even[:, None, :] @ _signs()[:, : even.shape[1]])[:, 0]
    peak = np.abs(values).max(axis=1, keepdims=True)
    scaled = np.divide(values * 127, peak, out=np.zeros_like(values), where=heard & (peak > 0))
    return np.asarray(np.rint(scaled), dtype=np.int8).reshape(-1)


def _changing_samples(values: NDArray[np.float32]) -> int:
    """Count a lead's samples without those missing and those that repeat at its ends, such as padding."""
    finite = np.isfinite(values)
    present = values if finite.all() else values[finite]
    changes = np.flatnonzero(present[1:] != present[:-1])
    return int(changes[-1] - changes[0] + 2) if len(changes) else 0


def bridged(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a lead without missing samples, its mean taken away."""
    signal = values.astype(np.float64)
    present = np.isfinite(signal)
    if not present.any():
        return np.zeros_like(signal)
    if not present.all():
        instants = np.arange(len(signal))
        signal[~present] = np.interp(instants[~present], instants[present], signal[present])
    # A flat lead is exactly zero after this, and not what rounding leaves of its mean.
    return signal - signal.mean() if np.ptp(signal) else np.zeros_like(signal)


def _band_passed(signal: NDArray[np.float64], sampling_rate: float) -> NDArray[np.float64]:
    """Return `(leads, grid)` between `LOWEST` and `HIGHEST`, on a grid that is the same for all rates."""
    samples = signal.shape[1]
    duration = samples / sampling_rate
    taper = _taper(samples, sampling_rate)
    # Zeros up to 2 * SECONDS bring the transform's k-th frequency to k / (2 * SECONDS) at every rate. (Where
    # that is no whole number of samples, it is within a ten-thousandth.)
    spectrum = np.fft.rfft(signal * taper, round(2 * SECONDS * sampling_rate), axis=1).real / sampling_rate
    # The sum of cosines on the grid is a transform back. A table of them has 1.2 MB, and would drive all else
    # out of the processor's cache with each record.
    grid = round(2 * SECONDS * _GRID_RATE)
    coefficients = np.zeros((len(signal), grid // 2 + 1))  # above the Nyquist frequency there is nothing
    weights = _weights()[: spectrum.shape[1]]
    coefficients[:, : len(weights)] = spectrum[:, : len(weights)] * weights
    waves = np.fft.irfft(coefficients, grid, axis=1) * (grid / 2)
    return np.asarray(waves[:, : max(1, int(duration * _GRID_RATE + 1e-6))])


@lru_cache(maxsize=32)
def _taper(samples: int, sampling_rate: float) -> NDArray[np.float64]:
    """Return a rise at the start and a fall at the end, `(samples,)`."""
    instants = (np.arange(samples) + 0.5) / sampling_rate
    to_edge = np.minimum(instants, samples / sampling_rate - instants)
    return np.asarray(np.sin(np.pi / 2 * np.clip(to_edge / _TAPER, 0, 1)) ** 2)


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.float64]:
    """Return the weights of the frequencies 0, 1, 2, ... / (2 * SECONDS), up to `HIGHEST`."""
    frequencies = np.arange(round(2 * SECONDS * HIGHEST) + 1) / (2 * SECONDS)
    return np.where(frequencies >= LOWEST, np.sqrt(frequencies), 0.0)


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.float64]:
    """Return the random signs, `(leads, grid, values)`: from a hash, so that they are the same for ever."""
    shape = (len(FINGERPRINT_LEADS), round(SECONDS * _GRID_RATE), VALUES_PER_LEAD)
    stream = shake_256(b"ecg_tl fingerprint 1").digest(int(np.prod(shape)) // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8)).reshape(shape)
    return 2 * bits.astype(np.float64) - 1
