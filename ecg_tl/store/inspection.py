"""What can be wrong with one recording, seen from its samples alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.signals import LARGEST_PEAK, LEADS, SMALLEST_PEAK, Recording
from ecg_tl.store.encoding import STEPS_PER_MILLIVOLT, signal_hash
from ecg_tl.store.gaps import fill_gaps, longest_run

LARGEST_RESIDUAL = 0.05
"""Of the limb leads' amplitude. Rounding to 5 µV a step leaves up to 1.3 % in small signals (2,100 published
records of PTB-XL, CPSC2018, Georgia and PTB); a swapped or wrongly scaled lead leaves 10 % and far more."""

SMALL_RESIDUAL = 0.01
"""mV. Under this a residual is rounding, however small the signal (asystole, a detached electrode)."""

SATURATION_SECONDS = 0.04
SATURATION_EXCURSION = 2.0
"""mV from the median. A lead that stays at its extreme value for as long as one small square is cut off by
the amplifier, or held there by its software; low plateaus of a few steps occur in good records."""

_LIMB_LEAD_RELATIONS: Mapping[
    str, tuple[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]]
]
_LIMB_LEAD_RELATIONS = {
    # Einthoven's law, and Goldberger's augmented leads.
    "III": ("II - I", lambda one, two: two - one),
    "aVR": ("-(I + II)/2", lambda one, two: -(one + two) / 2),
    "aVL": ("I - II/2", lambda one, two: one - two / 2),
    "aVF": ("II - I/2", lambda one, two: two - one / 2),
}


class FindingKind(StrEnum):
    """Kinds of findings; `ERRORS` are those that keep a record out of a store."""

    UNREADABLE = "cannot be read"
    UNUSABLE = "no signal, or gaps too long to fill"
    MISSING_LEAD = "a standard lead is missing"
    LEAD_RELATIONS = "limb leads contradict each other"
    GAIN = "implausible amplitude"
    FLAT_LEAD = "flat lead"
    SATURATED = "cut off at an extreme value"
    MISSING_VALUES = "missing values that can be filled"
    UNUSUAL_RATE = "another sampling rate than most"
    UNUSUAL_LENGTH = "another length than most"
    DUPLICATE = "the same signal under several ids"


ERRORS = frozenset({FindingKind.UNREADABLE, FindingKind.UNUSABLE, FindingKind.MISSING_LEAD})


@dataclass(frozen=True)
class Finding:
    """Something about a record that a user should know.

    Attributes:
        kind: What sort of thing it is.
        record_id: The record's id; of duplicates, all ids.
        detail: What was measured.
    """

    kind: FindingKind
    record_id: str
    detail: str


def inspect(recording: Recording, record_id: str) -> Iterator[Finding]:
    """Yield what is wrong with a recording. A good one yields nothing."""
    missing = [lead for lead in LEADS if lead not in recording.leads]
    if missing:
        yield Finding(FindingKind.MISSING_LEAD, record_id, f"no {', '.join(missing)}")
    try:
        filled, nan_samples = fill_gaps(recording.values, recording.sampling_rate, recording.leads, record_id)
    except RecordError as error:
        yield Finding(FindingKind.UNUSABLE, record_id, error.found)
        return
    if nan_samples:
        yield Finding(FindingKind.MISSING_VALUES, record_id, f"{nan_samples} samples")
    signal = filled.astype(np.float64)
    yield from _contradictions(dict(zip(recording.leads, signal, strict=True)), record_id)
    lowest, highest = signal.min(axis=1), signal.max(axis=1)
    extents = highest - lowest
    flat = [lead for lead, extent in zip(recording.leads, extents, strict=True) if extent == 0]
    if flat:
        yield Finding(FindingKind.FLAT_LEAD, record_id, ", ".join(flat))
    shortest = max(2, round(SATURATION_SECONDS * recording.sampling_rate))
    held = [
        np.count_nonzero(row == low) >= shortest or np.count_nonzero(row == high) >= shortest
        for row, low, high in zip(signal, lowest, highest, strict=True)
    ]
    # The sample farthest from the median is between half of the extent and all of it away: of most records
    # that says enough, and medians are the slowest part of this.
    extent = float(np.median(extents))
    if not any(held) and extent / 2 >= SMALLEST_PEAK and extent <= LARGEST_PEAK:
        return
    excursions = np.abs(signal - np.median(signal, axis=1, keepdims=True))
    peak = float(np.median(excursions.max(axis=1)))
    # A record with most leads flat says nothing about its gain.
    if not SMALLEST_PEAK <= peak <= LARGEST_PEAK and len(flat) * 2 < len(signal):
        yield Finding(FindingKind.GAIN, record_id, f"median peak {peak:.3g} mV")
    for lead, row, excursion, is_held in zip(recording.leads, signal, excursions, held, strict=True):
        if not is_held or excursion.max() < SATURATION_EXCURSION:
            continue
        extreme = float(row[int(np.argmax(excursion))])
        run = longest_run(_without_ends(row == extreme))
        if run >= shortest:
            seconds = run / recording.sampling_rate
            yield Finding(FindingKind.SATURATED, record_id, f"{lead} at {extreme:.3g} mV for {seconds:.2g} s")


def recording_hash(recording: Recording) -> str:
    """Return a hash of the signal to 1 µV, whatever the order of its leads and the encoding of its file."""
    order = np.argsort(recording.leads)
    steps = np.nan_to_num(recording.values[order] * STEPS_PER_MILLIVOLT, nan=np.iinfo(np.int32).min)
    return signal_hash(np.rint(np.clip(steps, -(2.0**31), 2.0**31 - 1)).astype(np.int64))


def _contradictions(signal: Mapping[str, NDArray[np.float64]], record_id: str) -> Iterator[Finding]:
    if "I" not in signal or "II" not in signal:
        return
    one, two = signal["I"], signal["II"]
    amplitude = float(np.sqrt((one.var() + two.var()) / 2))
    faults = []
    for lead, (formula, relation) in _LIMB_LEAD_RELATIONS.items():
        if lead in signal:
            # The deviation about the mean: an offset of a lead contradicts nothing.
            residual = float((signal[lead] - relation(one, two)).std())
            if residual > max(LARGEST_RESIDUAL * amplitude, SMALL_RESIDUAL):
                share = residual / amplitude if amplitude else np.inf
                faults.append(f"{lead} is not {formula} (off by {share:.0%})")
    if faults:
        yield Finding(FindingKind.LEAD_RELATIONS, record_id, "; ".join(faults))


def _without_ends(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Unset the runs that touch an end: PTB-XL's devices hold the last value for up to 0.3 s."""
    inner = flags.copy()
    changes = np.flatnonzero(~flags)
    if len(changes) == 0:
        return np.zeros_like(flags)
    inner[: changes[0]] = False
    inner[changes[-1] :] = False
    return inner
