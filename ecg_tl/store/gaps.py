"""Gaps in a signal: short ones are filled and counted, long ones make the record unusable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError

LONGEST_GAP = 0.04
"""Seconds. One small square of ECG paper, half of the narrowest QRS complex: no wave can hide in it."""

LARGEST_SHARE = 0.05
"""Of a lead's samples. More, even if scattered, is a signal made up rather than filled."""


def fill_gaps(
    signal: NDArray[np.float32], sampling_rate: float, leads: Sequence[str], where: object
) -> tuple[NDArray[np.float32], int]:
    """Replace isolated runs of NaN by straight lines, and at the ends by the nearest value.

    Args:
        signal: `(leads, samples)` in any unit; not changed.
        sampling_rate: In Hz.
        leads: Names of the rows, for the error.
        where: The record, for the error.

    Returns:
        The signal without NaN, and how many samples were replaced.

    Raises:
        RecordError: If a value is infinite, a lead has no value at all, a run is longer than `LONGEST_GAP`,
            or more than `LARGEST_SHARE` of a lead is missing.
    """
    finite = np.isfinite(signal)
    if finite.all():
        return signal, 0
    if np.isinf(signal).any():
        name = leads[int(np.flatnonzero(np.isinf(signal).any(axis=1))[0])]
        raise RecordError(
            where,
            f"an infinite value in lead {name}",
            "values in mV",
            "Check the gain in the record's header.",
        )
    filled = signal.copy()
    instants = np.arange(signal.shape[1])
    for row, name in enumerate(leads):
        present = finite[row]
        if present.all():
            continue
        if not present.any():
            raise RecordError(where, f"no value in lead {name}", "a signal", "Leave the record out.")
        gap = longest_run(~present) / sampling_rate
        if gap > LONGEST_GAP:
            found = f"{gap:.3g} s without values in lead {name}"
            raise RecordError(where, found, f"gaps of {LONGEST_GAP:g} s at most", "Leave the record out.")
        missing = 1 - float(present.mean())
        if missing > LARGEST_SHARE:
            found = f"{missing:.0%} of lead {name} without values"
            raise RecordError(where, found, f"{LARGEST_SHARE:.0%} at most", "Leave the record out.")
        filled[row, ~present] = np.interp(instants[~present], instants[present], signal[row, present])
    return filled, int(finite.size - np.count_nonzero(finite))


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True in a row of flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.view(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
