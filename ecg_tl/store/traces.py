"""What a recording looks like, kept small: a trace of 840 bytes, in which a shifted copy is found again.

The fingerprint of `ecg_tl.store.identity` hangs on where a recording begins. A trace does not: it is the
recording itself, at a low rate and without its gain, so that two can be laid beside each other at any lag.

1. Flat ends, such as padding, are taken off. Of each of the leads I, II and V1 the first 10.24 s that are
   left are filtered to 1.5 to 21 Hz, weighted by the frequency: a causal filter turns the phase of what is
   slower.
2. At 250 Hz every value y becomes y / sqrt(y^2 + (m/2)^2) with m the lead's median of |y|. The gain is gone,
   and what lies between the beats, which differs even where the beats of two patients are alike, counts as
   much as these do.
3. Low-passed at 25 Hz and sampled at 50 Hz, as four bits a value: whatever lag two traces have, one can be
   interpolated to the other.
4. Up to twelve landmarks of each lead, where its energy is greatest in 0.3 s around: the beats, mostly. They
   are what `ecg_tl.store.alignment` finds pairs by, without comparing all with all.

A change to any of this makes another trace and must raise `TRACE_VERSION`. `docs/contamination.md` has the
measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg_tl.signals import Recording
from ecg_tl.store.identity import bridged

TRACE_VERSION = 1

TRACE_LEADS = ("I", "II", "V1")
"""Of exchanged arms I keeps its shape and V1 is not touched; recorders of one lead have I or II."""

TRACE_RATE = 50  # Hz
TRACE_SAMPLES = 512
LANDMARKS = 12
LANDMARK_STEPS = 4000  # a second, in which landmarks are written

_VALUE_BYTES = TRACE_SAMPLES // 2
_LEAD_BYTES = _VALUE_BYTES + 2 * LANDMARKS
TRACE_BYTES = len(TRACE_LEADS) * _LEAD_BYTES

SHORTEST_TRACE = 2.5
"""Seconds of signal that a trace needs; of less, different recordings look alike at some lag."""

_FINE_RATE = 250
_MARGIN = 1.0  # s, continued beyond both ends, where filters swing in
_PASS = ((1.5, 4.0), (17.0, 21.0))  # Hz, over which the response rises and falls
_SMOOTH = (21.0, 25.0)  # Hz, over which it falls after step 2
_SOFTNESS = 0.5
_LEVELS = 7
_SMALLEST_LEAD = 0.02  # of the strongest lead's RMS; less is rounding noise, which differs from file to file
_APART = 0.3  # s, at least, between landmarks
_ENERGY_WINDOW = 0.12  # s


@dataclass(frozen=True, eq=False)
class Traces:
    """Traces as they are compared.

    Attributes:
        values: `int8 (records, leads, TRACE_SAMPLES)`, -7 to 7; 0 beyond a trace's end as well.
        lengths: `int64 (records, leads)`: how many of the values there are; 0 without the lead.
        landmarks: `float (records, leads, LANDMARKS)`: in samples from the trace's begin; NaN where there are
            fewer.
    """

    values: NDArray[np.int8]
    lengths: NDArray[np.int64]
    landmarks: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.values)


def recording_trace(recording: Recording) -> NDArray[np.uint8]:
    """Return a recording's trace, `uint8 (TRACE_BYTES,)`.

    A lead that is absent, flat or shorter than `SHORTEST_TRACE` leaves zeros.

    Args:
        recording: Whole and at its own rate; missing samples are bridged by straight lines.
    """
    values = np.zeros((1, len(TRACE_LEADS), TRACE_SAMPLES), dtype=np.int8)
    lengths = np.zeros((1, len(TRACE_LEADS)), dtype=np.int64)
    landmarks = np.full((1, len(TRACE_LEADS), LANDMARKS), np.nan)
    rows = [row for row, lead in enumerate(TRACE_LEADS) if lead in recording.leads]
    signal = _trimmed(recording.values[[recording.leads.index(TRACE_LEADS[row]) for row in rows]])
    rate = recording.sampling_rate
    signal = signal[:, : int((TRACE_SAMPLES / TRACE_RATE + _MARGIN) * rate)]
    length = min(TRACE_SAMPLES, int(signal.shape[1] * TRACE_RATE / rate + 1e-6))
    if not rows or length < SHORTEST_TRACE * TRACE_RATE:
        return np.asarray(pack(Traces(values, lengths, landmarks))[0])
    fine, margin = _filtered(np.stack([bridged(lead) for lead in signal]), rate)
    inner = fine[:, margin : margin + length * _FINE_RATE // TRACE_RATE]
    strength = np.sqrt(np.mean(inner**2, axis=1))
    middle = np.median(np.abs(inner), axis=1, keepdims=True)
    even = fine / np.sqrt(fine**2 + (_SOFTNESS * middle) ** 2 + 1e-30)
    spectrum = np.fft.rfft(even, axis=1)
    seconds = fine.shape[1] // _FINE_RATE
    coarse = np.fft.irfft(
        spectrum[:, : seconds * TRACE_RATE // 2 + 1] * _smoothing(seconds), seconds * TRACE_RATE, axis=1
    ) * (TRACE_RATE / _FINE_RATE)
    start = margin * TRACE_RATE // _FINE_RATE
    kept = np.clip(np.rint(coarse[:, start : start + length] * _LEVELS), -_LEVELS, _LEVELS).astype(np.int8)
    for number, row in enumerate(rows):
        if strength[number] > _SMALLEST_LEAD * strength.max():
            values[0, row, :length], lengths[0, row] = kept[number], length
            found = _landmarks(inner[number])
            landmarks[0, row, : len(found)] = found
    return np.asarray(pack(Traces(values, lengths, landmarks))[0])


def pack(traces: Traces) -> NDArray[np.uint8]:
    """Pack traces into `(records, TRACE_BYTES)`; `unpack_traces` undoes it, to the steps of landmarks."""
    there = np.arange(TRACE_SAMPLES) < traces.lengths[..., None]
    nibbles = np.where(there, traces.values + np.int8(_LEVELS + 1), np.int8(0)).astype(np.uint8)
    steps = np.rint(np.nan_to_num(traces.landmarks, nan=-1) * (LANDMARK_STEPS / TRACE_RATE)) + 1
    marks = np.maximum(steps, 0).astype("<u2")
    packed = np.concatenate([nibbles[..., ::2] << 4 | nibbles[..., 1::2], marks.view(np.uint8)], axis=2)
    return packed.reshape(len(packed), TRACE_BYTES)


def has_trace(traces: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which records have a trace at all."""
    return np.asarray(traces.any(axis=1))


def unpack_traces(traces: NDArray[np.uint8]) -> Traces:
    """Unpack `(records, TRACE_BYTES)`."""
    by_lead = np.ascontiguousarray(traces).reshape(-1, len(TRACE_LEADS), _LEAD_BYTES)
    packed = by_lead[..., :_VALUE_BYTES]
    nibbles = np.empty((*packed.shape[:2], TRACE_SAMPLES), dtype=np.int8)
    nibbles[..., ::2] = packed >> 4
    nibbles[..., 1::2] = packed & 15
    there = nibbles > 0
    values = np.where(there, nibbles - np.int8(_LEVELS + 1), np.int8(0))
    steps = np.ascontiguousarray(by_lead[..., _VALUE_BYTES:]).view("<u2").astype(np.float32)
    landmarks = np.where(steps > 0, (steps - 1) * np.float32(TRACE_RATE / LANDMARK_STEPS), np.nan)
    return Traces(values, there.sum(axis=2), landmarks.astype(np.float32))


def _trimmed(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take off the ends where no lead changes, or none has a value."""
    change = (signal[:, 1:] != signal[:, :-1]) & np.isfinite(signal[:, 1:]) & np.isfinite(signal[:, :-1])
    changes = np.flatnonzero(change.any(axis=0))
    return signal[:, changes[0] : changes[-1] + 2] if len(changes) else signal[:, :0]


def _filtered(signal: NDArray[np.float64], sampling_rate: float) -> tuple[NDArray[np.float64], int]:
    """Return `(leads, samples)` at `_FINE_RATE` within `_PASS`, and where the signal begins in it."""
    margin = min(round(_MARGIN * sampling_rate), signal.shape[1] - 1)
    # Turned over at its ends, so that no step is there for the filter to swing after.
    left = 2 * signal[:, :1] - signal[:, margin:0:-1]
    right = 2 * signal[:, -1:] - signal[:, -2 : -margin - 2 : -1]
    continued = np.concatenate([left, signal, right], axis=1)
    # Of whole seconds, so that the samples of both rates are at the same instants.
    seconds = int(np.ceil(continued.shape[1] / sampling_rate - 1e-9))
    spectrum = np.fft.rfft(continued, round(seconds * sampling_rate), axis=1) / sampling_rate
    response = _response(seconds)
    known = min(len(response), spectrum.shape[1])
    kept = np.zeros((len(signal), seconds * _FINE_RATE // 2 + 1), dtype=np.complex128)
    kept[:, :known] = spectrum[:, :known] * response[:known]
    fine = np.fft.irfft(kept, seconds * _FINE_RATE, axis=1) * _FINE_RATE
    # Where the signal begins need not be a sample of the fine grid: to within 2 ms it is, and a lag is free.
    return fine, 5 * round(margin / sampling_rate * _FINE_RATE / 5)


@lru_cache(maxsize=64)
def _response(seconds: int) -> NDArray[np.float64]:
    """Return the weights of frequencies 0, 1 / seconds, ... up to the end of the band."""
    (low, low_end), (high_start, high) = _PASS
    frequencies = np.arange(int(high * seconds) + 1) / seconds
    rise = np.sin(np.pi / 2 * np.clip((frequencies - low) / (low_end - low), 0, 1)) ** 2
    return np.asarray(frequencies * rise * _fall(frequencies, high_start, high))


@lru_cache(maxsize=64)
def _smoothing(seconds: int) -> NDArray[np.float64]:
    return _fall(np.arange(seconds * TRACE_RATE // 2 + 1) / seconds, *_SMOOTH)


def _fall(frequencies: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    return np.asarray(np.sin(np.pi / 2 * np.clip((end - frequencies) / (end - start), 0, 1)) ** 2)


def _landmarks(lead: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the energy of a lead is greatest, the strongest first, in samples of a trace."""
    energy = np.convolve(lead**2, _energy_window(), mode="same")
    inner = energy[1:-1]
    peaks = np.flatnonzero((inner > energy[:-2]) & (inner >= energy[2:])) + 1
    apart = int(_APART * _FINE_RATE)
    free = np.ones(len(lead), dtype=bool)
    found: list[int] = []
    for peak in peaks[np.argsort(-energy[peaks], kind="stable")].tolist():
        if free[peak]:
            found.append(peak)
            if len(found) == LANDMARKS:
                break
            free[max(0, peak - apart) : peak + apart + 1] = False
    at = np.array(found, dtype=np.int64)
    before, here, after = energy[at - 1], energy[at], energy[at + 1]
    bend = np.maximum(2 * here - before - after, 1e-300)
    return np.asarray((at + np.clip((after - before) / (2 * bend), -0.5, 0.5)) * (TRACE_RATE / _FINE_RATE))


@lru_cache(maxsize=1)
def _energy_window() -> NDArray[np.float64]:
    window = np.hanning(int(_ENERGY_WINDOW * _FINE_RATE) + 2)[1:-1]
    return np.asarray(window / window.sum())
