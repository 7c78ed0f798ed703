"""What makes two beats of one recording differ, which is what a copy has and another recording has not.

Two recordings with beats at the same instants, of one shape, have traces that are much alike for some
seconds. What tells them from a copy is what varies from beat to beat: each stretch of a trace around a
landmark (`ecg_tl.store.traces`), less the stretch of the same trace that is most like it, at the size that
fits best. These rests are the same in a copy, and have nothing to do with each other in two recordings,
however alike their beats are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.laying import interpolation_weights, laid_at
from ecg_tl.store.traces import TRACE_SAMPLES, Traces

_REACH = 18  # samples to both sides of a landmark: with 0.37 s a stretch holds most of a beat
_TAPS = np.arange(-7, 9)  # samples around an instant, between which a trace is interpolated
_NO_LANDMARK = -(10.0**6)


def variation_correlations(
    traces: Traces,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    lag: NDArray[np.floating],
    leads: tuple[int, ...],
) -> NDArray[np.float32]:
    """Correlate what varies from beat to beat in leads 0, 1, ... of the one and in `leads` of the other.

    Args:
        traces: Unpacked.
        one: Rows of these.
        other: Rows, in step.
        lag: Samples by which the other's begin lies after the one's, `(pairs,)`; between samples as well.
        leads: Of the other, in the order in which they are set beside those of the one.

    Returns:
        `float32 (pairs, leads)`, -1 to 1, of both recordings' landmarks together; 0, as of two recordings,
        where no two of a recording's landmarks lie in what overlaps, or nothing varies.
    """
    here = traces.values[one][:, : len(leads)].astype(np.float32)
    there = _laid(traces.values[other][:, list(leads)].astype(np.float32), lag)
    begin = np.maximum(np.ceil(lag), 0)[:, None]
    end = np.minimum(
        traces.lengths[one][:, : len(leads)], np.floor(traces.lengths[other][:, list(leads)] + lag[:, None])
    )
    own = traces.landmarks[one][:, : len(leads)]
    theirs = traces.landmarks[other][:, list(leads)] + lag[:, None, None].astype(np.float32)
    products = np.zeros((3, *here.shape[:2]))
    for marks, chosen_by in ((own, 0), (theirs, 1)):
        stretches, inside = _stretches(here, there, marks, begin, end)
        likest, has_one = _likest(stretches[chosen_by], inside)
        rest, other_rest = (_rests(values, likest, has_one) for values in stretches)
        products += [
            (a * b).sum(axis=(2, 3)) for a, b in ((rest, other_rest), (rest, rest), (other_rest, other_rest))
        ]
    both, energy, other_energy = products
    return np.asarray(both / (np.sqrt(energy * other_energy) + 1e-9), dtype=np.float32)


def _laid(values: NDArray[np.float32], lag: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return `(pairs, leads, TRACE_SAMPLES)` with its begin moved to the lag; 0 where there is nothing."""
    whole = np.ceil(np.asarray(lag, dtype=np.float64))
    weights = interpolation_weights((whole - lag)[:, None] - _TAPS, _TAPS[-1] + 1)
    around = laid_at(values, whole.astype(np.int64), -int(_TAPS[0]), int(_TAPS[-1]))
    laid = np.zeros_like(values)
    for tap in range(len(_TAPS)):
        laid += around[:, :, tap : tap + TRACE_SAMPLES] * weights[:, None, tap, None]
    return laid


def _stretches(
    here: NDArray[np.float32],
    there: NDArray[np.float32],
    marks: NDArray[np.floating],
    begin: NDArray[np.floating],
    end: NDArray[np.floating],
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], NDArray[np.bool_]]:
    """Cut both around landmarks, `(pairs, leads, landmarks, samples)`, and say which lie in what overlaps."""
    at = np.rint(np.nan_to_num(marks, nan=_NO_LANDMARK)).astype(np.int64)
    inside = (at - _REACH >= begin[:, :, None]) & (at + _REACH < end[:, :, None])
    columns = np.clip(at[..., None] + np.arange(-_REACH, _REACH + 1), 0, TRACE_SAMPLES - 1)
    cut = [
        np.take_along_axis(values[:, :, None, :], columns, axis=3) * inside[..., None]
        for values in (here, there)
    ]
    return (cut[0], cut[1]), inside


def _likest(
    stretches: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which other stretch of its trace is most like each one, `(pairs, leads, landmarks)`."""
    products = np.einsum("plis,pljs->plij", stretches, stretches, optimize=True)
    size = np.sqrt(np.einsum("plii->pli", products)) + 1e-9
    alike = products / (size[..., :, None] * size[..., None, :])
    candidates = inside[..., :, None] & inside[..., None, :]
    candidates &= ~np.eye(candidates.shape[-1], dtype=bool)
    alike = np.where(candidates, alike, -np.inf)
    return np.asarray(alike.argmax(axis=3)), np.asarray(candidates.any(axis=3))


def _rests(
    stretches: NDArray[np.float32], likest: NDArray[np.int64], has_one: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return each stretch less the one that is most like it, at the size that fits best."""
    model = np.take_along_axis(stretches, likest[..., None], axis=2)
    size = (stretches * model).sum(axis=3) / ((model**2).sum(axis=3) + 1e-9)
    return np.asarray((stretches - size[..., None] * model) * has_one[..., None])
