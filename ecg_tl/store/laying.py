"""Two traces beside each other: one is laid at a lag, and interpolated between its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.traces import TRACE_SAMPLES


def laid_at(
    values: NDArray[np.float32], lag: NDArray[np.int64], before: int, after: int
) -> NDArray[np.float32]:
    """Move the begin of traces to a lag.

    Args:
        values: `(pairs, leads, TRACE_SAMPLES)`.
        lag: Whole samples, `(pairs,)`.
        before: Samples that are given before instant 0 as well.
        after: And after the last instant.

    Returns:
        `(pairs, leads, before + TRACE_SAMPLES + after)`; 0 where there is nothing.
    """
    columns = np.arange(-before, TRACE_SAMPLES + after)[None, :] - lag[:, None]
    inside = (columns >= 0) & (columns < TRACE_SAMPLES)
    laid = np.take_along_axis(values, np.where(inside, columns, 0)[:, None, :], axis=2)
    laid *= inside[:, None, :]
    return laid


def interpolation_weights(distance: NDArray[np.floating[Any]], reach: float) -> NDArray[np.float32]:
    """Return what a sample counts for an instant so many samples away: a sine cardinal within a reach."""
    window = np.cos(np.pi / 2 * np.clip(distance / reach, -1, 1)) ** 2
    return np.asarray(np.sinc(distance) * window, dtype=np.float32)
