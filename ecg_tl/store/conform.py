"""One recording brought to the form that a store's settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.errors import RecordError, SettingError
from ecg_tl.preprocessing import FillMissing
from ecg_tl.preprocessing.chain import Starts
from ecg_tl.preprocessing.polyphase import rate_ratio
from ecg_tl.signals import LARGEST_PEAK, SMALLEST_PEAK, Recording, select_leads
from ecg_tl.store.encoding import SIGNAL_DTYPE, STEPS_PER_MILLIVOLT, encode, signal_hash
from ecg_tl.store.gaps import fill_gaps
from ecg_tl.store.identity import recording_fingerprint
from ecg_tl.store.resample import Window, find_window, resample
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.traces import recording_trace


@dataclass(frozen=True)
class StoredSignal:
    """A record as the store keeps it, and what was done to it.

    Attributes:
        steps: `int16 (leads, samples)`, 1 µV a step.
        signal_hash: Of `steps`.
        fingerprint: Of the recording as it was read: `int8 (FINGERPRINT_BYTES,)`.
        trace: Of the recording as it was read: `uint8 (TRACE_BYTES,)`.
        nan_samples: Missing samples that were interpolated, over all leads, at the record's own rate.
        clipped_samples: Samples beyond the range of int16.
        padded_samples: Zeros appended to each lead.
        cropped: Whether part of the record was left away.
        is_implausible: Whether no ECG has its amplitude, whatever the lead.
    """

    steps: NDArray[np.int16]
    signal_hash: str
    fingerprint: NDArray[np.int8]
    trace: NDArray[np.uint8]
    nan_samples: int
    clipped_samples: int
    padded_samples: int
    cropped: bool
    is_implausible: bool


@dataclass(frozen=True)
class TooShort:
    """A record that the setting `short="drop"` leaves out.

    Attributes:
        samples: Its length at the store's rate.
    """

    samples: int


def read_recording(dataset: EcgDataset, root: Path, path: str) -> Recording:
    """Read a record; an error of the file system is the record's as well.

    Raises:
        RecordError: If it cannot be read, or holds no samples.
    """
    try:
        recording = dataset.read(root, path)
    except OSError as error:
        raise RecordError(
            root / path,
            error.strerror or str(error),
            "a readable file",
            "Restore the file, or leave the record out.",
        ) from error
    if recording.values.ndim != 2 or recording.values.shape[1] == 0:
        raise RecordError(root / path, "no samples", "a signal", "Leave the record out.")
    return recording


def conform(recording: Recording, settings: StoreSettings, where: object) -> StoredSignal | TooShort:
    """Select leads, fill gaps, resample, crop or pad, and encode; fingerprint what was read.

    Args:
        recording: As the dataset read it.
        settings: With `crop` resolved.
        where: The record, for errors.

    Raises:
        RecordError: If a lead is missing or has a gap too long to fill.
        SettingError: If the settings cannot be carried out at the recording's rate.
    """
    selected = select_leads(recording, settings.leads, where)
    if settings.chain is not None:
        return _through_chain(recording, selected, settings, where)
    ratio = rate_ratio(recording.sampling_rate, settings.sampling_rate)
    window = find_window(selected.shape[1], ratio, settings.num_samples, settings.crop or "start")
    if window.length < settings.num_samples and settings.short == "drop":
        return TooShort(window.length)
    kept, nan_samples, clipped = conform_window(selected, recording.sampling_rate, window, settings, where)
    steps = np.zeros((len(settings.leads), settings.num_samples), dtype=SIGNAL_DTYPE)
    steps[:, : window.length] = kept
    return StoredSignal(
        steps=steps,
        signal_hash=signal_hash(steps),
        fingerprint=recording_fingerprint(recording),
        trace=recording_trace(recording),
        nan_samples=nan_samples,
        clipped_samples=clipped,
        padded_samples=settings.num_samples - window.length,
        cropped=window.cut,
        is_implausible=_is_implausible(kept, selected[:, window.start : window.stop]),
    )


def _through_chain(
    recording: Recording, selected: NDArray[np.float32], settings: StoreSettings, where: object
) -> StoredSignal | TooShort:
    """Take a recording through the chain of a contract, in double precision, and encode what it gives."""
    (window,), nan_samples = chain_windows(selected, recording.sampling_rate, settings, where)
    samples, seconds = window.steps.shape[1], selected.shape[1] / recording.sampling_rate
    if samples < (settings.num_samples if settings.shortest is None else settings.shortest):
        return TooShort(samples)
    steps = np.zeros((len(settings.leads), settings.num_samples), dtype=SIGNAL_DTYPE)
    steps[:, :samples] = window.steps
    # Zeros that the chain itself has appended count as those that are appended here.
    padded = max(settings.num_samples - int(seconds * settings.sampling_rate + 1e-6), 0)
    return StoredSignal(
        steps=steps,
        signal_hash=signal_hash(steps),
        fingerprint=recording_fingerprint(recording),
        trace=recording_trace(recording),
        nan_samples=nan_samples,
        clipped_samples=window.clipped,
        padded_samples=padded,
        cropped=seconds * settings.sampling_rate > settings.num_samples + 0.5,
        is_implausible=_has_implausible_extents(np.nanmax(selected, axis=1) - np.nanmin(selected, axis=1)),
    )


@dataclass(frozen=True)
class ChainWindow:
    """What a chain gives of a stretch of a record.

    Attributes:
        start: Where the stretch begins, in seconds.
        steps: `int16 (leads, samples)`.
        clipped: Samples beyond the range of int16.
    """

    start: float
    steps: NDArray[np.int16]
    clipped: int


def chain_windows(
    selected: NDArray[np.float32],
    sampling_rate: float,
    settings: StoreSettings,
    where: object,
    starts: Starts | None = None,
) -> tuple[list[ChainWindow], int]:
    """Take leads through a chain and encode the results.

    Gaps are filled before it, unless the chain says itself what becomes of missing samples.

    Args:
        selected: The record's `settings.leads`, `(leads, samples)` in mV.
        sampling_rate: Of the record, in Hz.
        settings: With a chain.
        where: The record, for errors.
        starts: Where windows begin, see `Chain.windows`; None for the one of the chain itself.

    Returns:
        One for each window; and how many samples of the record were missing.

    Raises:
        RecordError: If a lead has a gap too long to fill, a step cannot take the record, or the result is of
            other leads, of another rate, longer than wanted or no numbers.
    """
    chain = settings.chain
    assert chain is not None
    filled, missing = selected, int(np.count_nonzero(~np.isfinite(selected)))
    if missing and not any(isinstance(step, FillMissing) for step in chain.steps):
        filled, missing = fill_gaps(selected, sampling_rate, settings.leads, where)
    try:
        signals = (
            [(0.0, chain(filled, sampling_rate, settings.leads))]
            if starts is None
            else chain.windows(filled, sampling_rate, settings.leads, starts)
        )
    except SettingError as error:
        raise RecordError(where, f"{error.where}: {error.found}", error.expected, error.remedy) from error
    kept = []
    for start, signal in signals:
        wanted, found = (settings.leads, settings.sampling_rate), (signal.leads, signal.sampling_rate)
        if found != wanted or signal.values.shape[1] > settings.num_samples:
            raise RecordError(
                where,
                f"preprocessing that gives {_in_words(*found, signal.values.shape[1])}",
                f"{_in_words(*wanted, settings.num_samples)} or fewer",
                "Correct the chain or the contract.",
            )
        if not np.isfinite(signal.values).all():
            raise RecordError(where, "values that are no numbers", "a signal", "Leave the record out.")
        kept.append(ChainWindow(start, *encode(signal.values.astype(np.float32), settings.resolution)))
    return kept, missing


def _in_words(leads: Sequence[str], sampling_rate: float, samples: int) -> str:
    return f"leads {' '.join(leads)} at {sampling_rate:g} Hz, {samples} samples"


def _has_implausible_extents(extents: NDArray[np.float32]) -> bool:
    extent = float(np.median(extents))
    return extent / 2 > LARGEST_PEAK or 0 < extent < SMALLEST_PEAK


def _is_implausible(steps: NDArray[np.int16], read: NDArray[np.float32]) -> bool:
    """Tell a gain that no ECG has, as `inspect` does of what was read, from extents alone: a few µs a record.

    A lead's peak is at least half of its extent, and at most all of it. Of an extent of less than a step,
    what was read says whether it is a small one or a flat lead.
    """
    extents = (steps.max(axis=1).astype(np.int32) - steps.min(axis=1)) / STEPS_PER_MILLIVOLT
    extent = float(np.median(extents))
    if extent == 0:
        extent = float(np.median(np.nanmax(read, axis=1) - np.nanmin(read, axis=1)))
    return extent / 2 > LARGEST_PEAK or (0 < extent < SMALLEST_PEAK)


def conform_window(
    selected: NDArray[np.float32],
    sampling_rate: float,
    window: Window,
    settings: StoreSettings,
    where: object,
) -> tuple[NDArray[np.int16], int, int]:
    """Fill gaps of, resample and encode one window of a record.

    Args:
        selected: The record's `settings.leads`, `(leads, samples)` in mV.
        sampling_rate: Of the record, in Hz.
        window: Which part of it.
        settings: Leads, rate and how to come there.
        where: The record, for errors.

    Returns:
        `int16 (leads, window.length)`, 1 µV a step; how many samples were interpolated; how many were
        beyond the range of int16.

    Raises:
        RecordError: If a lead has a gap too long to fill in this window.
        SettingError: If the settings cannot be carried out at the record's rate.
    """
    part = selected[:, window.start : window.stop]
    filled, nan_samples = fill_gaps(part, sampling_rate, settings.leads, where)
    resampled = resample(filled, rate_ratio(sampling_rate, settings.sampling_rate), settings.resampling)
    kept, clipped = encode(resampled[:, window.skip : window.skip + window.length])
    return kept, nan_samples, clipped
