"""Which recordings are the same at some lag: by their traces, in time that grows with the records.

Candidates come from `ecg_tl.store.candidates`, and are decided on the traces themselves. At the lag, to a
fraction of a sample, these have a correlation for each lead that both have, of which the size counts and not
the sign. Beside it stands the correlation of what varies from beat to beat (`ecg_tl.store.beat_variation`):
beats at the same instants, of one shape, are not yet the same recording. The similarity is the mean of both,
and over leads. That of the better two of three leads counts a little less, so that one lead that was
exchanged does not matter; I and II are also taken for each other, as they are where an arm and the leg were
exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.beat_variation import variation_correlations
from ecg_tl.store.candidates import TraceRows, find_candidates
from ecg_tl.store.laying import interpolation_weights, laid_at
from ecg_tl.store.traces import TRACE_LEADS, TRACE_RATE, TRACE_SAMPLES, Traces, unpack_traces

SAME_TRACE = 0.82
"""Similarity from which two traces are of the same recording."""

EXCEPTION = 0.05
"""What is taken off a similarity for which something unusual must be supposed: that one lead of three is
another, or that two recordings are excerpts of which neither holds the other."""

SHORT = 0.09
"""What is taken off where less than `SHORT_OVERLAP` seconds overlap, as different ones are more alike."""
SHORT_OVERLAP = 4.5

SHORTEST_OVERLAP = 4.0
"""Seconds that two traces must have in common, or `OVERLAP_SHARE` of the shorter one, if that is less."""
OVERLAP_SHARE = 0.9

_LAGS = np.arange(-7, 8)  # samples around a candidate's lag, between which the correlation is interpolated
_FINE_LAGS = np.arange(-1.0, 1.0 + 1e-9, 0.125)
_AT_ONCE = 2048  # candidates that are decided at a time


@dataclass(frozen=True, eq=False)
class Alignments:
    """Pairs of rows that are the same recording; `one < other` in every pair, ordered by both.

    Attributes:
        one: Rows, int64.
        other: Rows, in step.
        similarity: Of each pair, `SAME_TRACE` to 1 (rounding of traces can bring it over 1: it is cut off).
        lag: Seconds by which the other's begin lies after the one's.
    """

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    similarity: NDArray[np.float32]
    lag: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.one)


def find_alignments(
    traces: TraceRows,
    side: NDArray[np.int8] | None = None,
    least: float = SAME_TRACE,
    rows: NDArray[np.int64] | None = None,
) -> Alignments:
    """Find the pairs of records that are the same recording at some lag.

    Of more than `candidates.NEIGHBOURS` records that are all the same, each is in some pair and not in all:
    what they have in common follows from pair to pair.

    Args:
        traces: `uint8 (records, TRACE_BYTES)`; those without a trace are in no pair.
        side: Of each record; records of one side are not compared. All with all if None.
        least: Similarity from which a pair is given.
        rows: The records that are compared, ascending; all if None.

    Raises:
        StoreError: If the folder of temporary files has no room for what is found of many records.
    """
    kept: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = []
    for one, other, lag in find_candidates(traces, side, np.arange(len(traces)) if rows is None else rows):
        for start in range(0, len(one), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            needed, inverse = np.unique(np.concatenate([one[part], other[part]]), return_inverse=True)
            unpacked = unpack_traces(traces[needed])
            half = len(inverse) // 2
            similarity, at = compare_traces(unpacked, inverse[:half], inverse[half:], lag[part], least)
            same = similarity >= least
            kept.append((one[part][same], other[part][same], similarity[same], at[same]))
    if not kept:
        empty = np.zeros(0, dtype=np.int64)
        return Alignments(empty, empty, np.zeros(0, np.float32), np.zeros(0, np.float32))
    rows_one, rows_other, similarity, lags = (np.concatenate(part) for part in zip(*kept, strict=True))
    # A pair with several lags: the best.
    order = np.lexsort((-similarity, rows_other, rows_one))
    rows_one, rows_other = rows_one[order], rows_other[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (rows_one[1:] != rows_one[:-1]) | (rows_other[1:] != rows_other[:-1])
    return Alignments(
        rows_one[first],
        rows_other[first],
        np.minimum(similarity[order][first], 1.0).astype(np.float32),
        (lags[order][first] / TRACE_RATE).astype(np.float32),
    )


def compare_traces(
    traces: Traces,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    lag: NDArray[np.floating],
    least: float = 0.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compare pairs of traces around a lag.

    Args:
        traces: Unpacked.
        one: Rows of these.
        other: Rows, in step.
        lag: Samples by which the other's begin lies after the one's, `(pairs,)`.
        least: Similarity of interest: pairs that cannot reach it are not looked at further, and have 0.

    Returns:
        Similarity and the exact lag in samples, each `float32 (pairs,)`; 0 where too little overlaps.
    """
    whole = np.rint(lag).astype(np.int64)
    as_named = tuple(range(len(TRACE_LEADS)))
    straight = _correlations(traces, one, other, whole, as_named)
    crossed = straight.copy()
    crossed[:, :2] = _correlations(traces, one, other, whole, (1, 0))  # I for II
    off = _taken_off(traces, one, other, whole)
    best = np.zeros(len(one), dtype=np.float32)
    at = np.zeros(len(one), dtype=np.float32)
    for correlations, leads, unusual in ((straight, as_named, 0.0), (crossed, (1, 0, 2), EXCEPTION)):
        fine = correlations @ _interpolation()  # (pairs, leads, fine lags)
        greatest = _over_leads(np.abs(fine)).argmax(axis=1)
        signed = np.take_along_axis(fine, greatest[:, None, None], axis=2)
        # Beside it comes a correlation of at most 1: what is too small now stays so.
        possible = (_over_leads(np.abs(signed))[:, 0] + 1) / 2 - off - unusual
        left = np.flatnonzero((possible >= least) & (possible > best))
        exact = (whole + _FINE_LAGS[greatest])[left]
        variation = variation_correlations(traces, one[left], other[left], exact, leads)
        both = (np.abs(signed[left]) + np.sign(signed[left]) * variation[:, :, None]) / 2
        value = (_over_leads(both)[:, 0] - off[left] - unusual).astype(np.float32)
        better = value > best[left]
        best[left[better]] = value[better]
        at[left[better]] = exact[better]
    return best, at


def _over_leads(similarity: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the mean over the leads that are there, or that of the better two of three, `(pairs, lags)`.

    Args:
        similarity: `(pairs, leads, lags)`; NaN for a lead that is not compared.
    """
    there = np.isfinite(similarity)
    known = np.where(there, similarity, 0.0)
    number = there.sum(axis=1)
    total = known.sum(axis=1)
    mean = total / np.maximum(number, 1)
    without_worst = (total - known.min(axis=1)) / (len(TRACE_LEADS) - 1) - EXCEPTION
    return np.asarray(np.where(number == len(TRACE_LEADS), np.maximum(mean, without_worst), mean))


def _taken_off(
    traces: Traces, one: NDArray[np.int64], other: NDArray[np.int64], lag: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what is taken off the similarity of each pair for how little of it overlaps, `(pairs,)`."""
    lengths_one, lengths_other = traces.lengths[one].max(axis=1), traces.lengths[other].max(axis=1)
    overlap = np.minimum(lengths_one, lengths_other + lag) - np.maximum(lag, 0)
    is_short = overlap < SHORT_OVERLAP * TRACE_RATE
    in_part = overlap < OVERLAP_SHARE * np.minimum(lengths_one, lengths_other)
    return np.where(is_short, SHORT, 0.0) + np.where(in_part, EXCEPTION, 0.0)


def _correlations(
    traces: Traces,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    lag: NDArray[np.int64],
    leads: tuple[int, ...],
) -> NDArray[np.float32]:
    """Correlate leads 0, 1, ... of the one with `leads` of the other, `(pairs, leads, len(_LAGS))`.

    NaN where a lead is missing or too little overlaps.
    """
    here = traces.values[one][:, : len(leads)].astype(np.float32)
    there = traces.values[other][:, list(leads)].astype(np.float32)
    reach = int(_LAGS[-1])
    # The other laid at the lag, with as many samples more on both sides as the lag is varied by.
    laid = laid_at(there, lag, reach, reach)
    views = np.lib.stride_tricks.sliding_window_view(laid, TRACE_SAMPLES, axis=2)[:, :, ::-1]
    products = np.einsum("pls,plks->plk", here, views, optimize=True)
    lengths_one = traces.lengths[one][:, : len(leads)]
    lengths_other = traces.lengths[other][:, list(leads)]
    begin = np.maximum(lag, 0)[:, None]
    end = np.minimum(lengths_one, lengths_other + lag[:, None])
    overlap = end - begin
    positions = np.arange(TRACE_SAMPLES)[None, None, :]
    common = (positions >= begin[:, :, None]) & (positions < end[:, :, None])
    middle = laid[:, :, reach : reach + TRACE_SAMPLES]
    energy = (here**2 * common).sum(axis=2) * (middle**2 * common).sum(axis=2)
    least = np.minimum(SHORTEST_OVERLAP * TRACE_RATE, OVERLAP_SHARE * np.minimum(lengths_one, lengths_other))
    enough = (overlap >= np.maximum(least, 1)) & (energy > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = products / np.sqrt(energy)[:, :, None]
    return np.asarray(np.where(enough[:, :, None], scaled, np.nan), dtype=np.float32)


@lru_cache(maxsize=1)
def _interpolation() -> NDArray[np.float32]:
    """Return what turns correlations at whole lags into those at `_FINE_LAGS`, `(lags, fine lags)`."""
    return interpolation_weights(_FINE_LAGS[None, :] - _LAGS[:, None], _LAGS[-1] + 1)
