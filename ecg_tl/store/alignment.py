"""Which recordings are the same at some lag: by their traces, in time that grows with the records.

Candidates come from the surroundings of landmarks (`ecg_tl.store.traces`). What a trace is for a second to
both sides of a landmark becomes a code of 64 signs of random projections, so that alike surroundings have
codes that differ in few bits. Codes are sorted eight times, each time from another of their bytes on, and
each is compared with its next neighbours: a copy's codes begin alike in one of the orders, however many
records there are. Two recordings become candidates where two landmarks meet at one lag.

A candidate is decided on the traces themselves: at the lag, to a fraction of a sample, they have a
correlation for each lead that both have, of which the size counts and not the sign. Beside it stands the
correlation of what varies from beat to beat (`ecg_tl.store.beat_variation`): beats at the same instants, of
one shape, are not yet the same recording. The similarity is the mean of both, and over leads. That of the
better two of three leads counts a little less, so that one lead that was exchanged does not matter; I and II
are also taken for each other, as they are where an arm and the leg were exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.beat_variation import variation_correlations
from ecg_tl.store.parts import RowParts
from ecg_tl.store.traces import TRACE_LEADS, TRACE_RATE, TRACE_SAMPLES, Traces, unpack_traces

TraceRows = NDArray[np.uint8] | RowParts[np.uint8]
"""`(records, TRACE_BYTES)`, as `recording_trace` makes them."""

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

MOST_DIFFERENT_BITS = 10
"""Of the 64 of two codes that are looked at further. Of copies through a causal filter 2 to 8 differ."""

NEIGHBOURS = 4
"""In each order, with which a code is compared."""

_REACH = 50  # samples to both sides of a landmark
_SUPPORT = 2 * _REACH + 2
_PHASES = 8  # positions of a landmark between two samples
_LEAST_SUPPORT = 0.7  # of the surroundings that must lie in the trace
_BITS = 64
_LAG_TOLERANCE = 1.5  # samples, between two pairs of landmarks of one copy
_LAGS = np.arange(-7, 8)  # samples around a candidate's lag, between which the correlation is interpolated
_FINE_LAGS = np.arange(-1.0, 1.0 + 1e-9, 0.125)
_AT_ONCE = 2048  # traces that are decoded, and candidates that are decided, at a time
_CODES_AT_ONCE = 2**20  # that are sorted together, 40 MB
_HITS_AT_ONCE = 2**21  # pairs of landmarks that are sorted together, 150 MB


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

    Of more than `NEIGHBOURS` records that are all the same, each is in some pair and not in all: what they
    have in common follows from pair to pair.

    Args:
        traces: `uint8 (records, TRACE_BYTES)`; those without a trace are in no pair.
        side: Of each record; records of one side are not compared. All with all if None.
        least: Similarity from which a pair is given.
        rows: The records that are compared, ascending; all if None.
    """
    one, other, lag = _candidates(traces, side, np.arange(len(traces)) if rows is None else rows)
    kept: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = []
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
    columns = np.arange(-reach, TRACE_SAMPLES + reach)[None, :] - lag[:, None]
    inside = (columns >= 0) & (columns < TRACE_SAMPLES)
    rows = np.arange(len(one))[:, None, None]
    laid = there[rows, np.arange(len(leads))[None, :, None], np.where(inside, columns, 0)[:, None, :]]
    laid *= inside[:, None, :]
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
    distance = _FINE_LAGS[None, :] - _LAGS[:, None]
    window = np.cos(np.pi / 2 * np.clip(distance / (_LAGS[-1] + 1), -1, 1)) ** 2
    return np.asarray(np.sinc(distance) * window, dtype=np.float32)


# Candidates -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Landmarks:
    """Landmarks of one lead, of all records: 16 bytes each.

    Attributes:
        codes: uint64.
        rows: Which record's; int32.
        marks: Where in its trace, in samples; float32.
    """

    codes: NDArray[np.uint64]
    rows: NDArray[np.int32]
    marks: NDArray[np.float32]


def _candidates(
    traces: TraceRows, side: NDArray[np.int8] | None, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return rows and lags at which two landmarks of two records meet."""
    hits: list[_Hits] = [_NO_HITS]
    landmarks = 0
    for lead in range(len(TRACE_LEADS)):
        here = _landmarks(traces, lead, rows)
        hits += [
            (here.rows[a], here.rows[b], here.marks[a] - here.marks[b], (a + landmarks).astype(np.int32))
            for a, b in _neighbours(here, side)
        ]
        landmarks += len(here.codes)
    one, other, lag, landmark = (np.concatenate(part) for part in zip(*hits, strict=True))
    del hits
    found = []
    # A record's hits together, of as many records at a time as fit.
    counts = np.bincount(one, minlength=1)
    of_range = np.cumsum(counts) // _HITS_AT_ONCE
    for number in np.unique(of_range).tolist():
        first, last = np.searchsorted(of_range, [number, number + 1]).tolist()
        those = np.flatnonzero((one >= first) & (one < last))
        found.append(_meetings(one[those], other[those], lag[those], landmark[those]))
    rows_one, rows_other, lags = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows_one.astype(np.int64), rows_other.astype(np.int64), lags


_Hits = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]
"""Of pairs of landmarks: two rows, the lag, and which landmark it is of the first."""

_NO_HITS: _Hits = (
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int32),
)


def _meetings(
    one: NDArray[np.int32], other: NDArray[np.int32], lag: NDArray[np.float32], landmark: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return the pairs of records of which two landmarks meet at one lag, ordered, and that lag."""
    order = np.lexsort((landmark, lag, other, one))
    one, other, lag, landmark = one[order], other[order], lag[order], landmark[order]
    same_pair = (one[1:] == one[:-1]) & (other[1:] == other[:-1])
    # Several orders may find the same two landmarks: that is one meeting.
    meets = same_pair & (lag[1:] - lag[:-1] <= _LAG_TOLERANCE) & (landmark[1:] != landmark[:-1])
    first = meets.copy()
    first[1:] &= ~(meets[:-1] & same_pair[1:])
    found = np.flatnonzero(first)
    between: NDArray[np.float32] = (lag[found] + lag[found + 1]) / np.float32(2)
    return one[found], other[found], between


def _landmarks(traces: TraceRows, lead: int, rows: NDArray[np.int64]) -> _Landmarks:
    """Return the landmarks of a lead, of those records."""
    kept: list[tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.float32]]] = [_NOTHING]
    projections = _projections()
    for start in range(0, len(rows), _AT_ONCE):
        chunk = rows[start : start + _AT_ONCE]
        unpacked = unpack_traces(traces[chunk])
        marks = unpacked.landmarks[:, lead]
        lengths = unpacked.lengths[:, lead, None]
        inside = np.minimum(marks + _REACH, lengths) - np.maximum(marks - _REACH, 0)
        there = np.isfinite(marks) & (inside >= _LEAST_SUPPORT * 2 * _REACH)
        records, numbers = np.nonzero(there)
        at = marks[records, numbers]
        fine = np.floor(at * _PHASES + 0.5).astype(np.int64)
        whole, phase = fine // _PHASES, fine % _PHASES
        padded = np.pad(unpacked.values[:, lead], ((0, 0), (_REACH, _REACH + 2))).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(padded, _SUPPORT, axis=1)
        codes = np.empty(len(records), dtype=np.uint64)
        for number in range(_PHASES):
            chosen = np.flatnonzero(phase == number)
            signs = windows[records[chosen], whole[chosen]] @ projections[number] > 0
            signs ^= signs[:, :1]  # a turned lead has all bits turned
            codes[chosen] = np.packbits(signs, axis=1).view(np.uint64).reshape(-1)
        kept.append((codes, chunk[records].astype(np.int32), at))
    return _Landmarks(*(np.concatenate(part) for part in zip(*kept, strict=True)))


_NOTHING = (np.zeros(0, np.uint64), np.zeros(0, np.int32), np.zeros(0, np.float32))


@lru_cache(maxsize=1)
def _projections() -> NDArray[np.float32]:
    """Return random waves within the traces' band, `(phases, _SUPPORT, bits)`."""
    rng = np.random.default_rng(20_240_217)
    frequencies = rng.uniform(1.5, 20.0, (24, _BITS))
    angles = rng.uniform(0, 2 * np.pi, (24, _BITS))
    weights = rng.normal(size=(24, _BITS))
    phases = np.arange(_PHASES)[:, None, None, None] / _PHASES
    instants = (np.arange(_SUPPORT)[None, :, None, None] - _REACH - phases) / TRACE_RATE
    window = np.cos(np.pi / 2 * np.clip(instants / (_REACH / TRACE_RATE + 0.02), -1, 1)) ** 2
    waves = (weights * np.cos(2 * np.pi * frequencies * instants + angles)).sum(axis=2)
    return np.asarray(window[:, :, 0] * waves, dtype=np.float32)


def _neighbours(
    landmarks: _Landmarks, side: NDArray[np.int8] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of landmarks, that of the lower row first, whose codes are near in one of the orders."""
    as_bytes = landmarks.codes.view(np.uint8).reshape(-1, 8)
    for turn in range(8):
        # Sorted range by range of the first byte; the last ones are compared with the next range's as well.
        last = np.zeros(0, dtype=np.int64)
        for members in _ranges(as_bytes[:, turn]):
            keys = np.roll(as_bytes[members], -turn, axis=1).view(">u8").reshape(-1).astype(np.uint64)
            order = np.concatenate([last, members[np.argsort(keys, kind="stable")]])
            codes, rows = landmarks.codes[order], landmarks.rows[order]
            sides = None if side is None else side[rows]
            for distance in range(1, NEIGHBOURS + 1):
                near = np.bitwise_count(codes[distance:] ^ codes[:-distance]) <= MOST_DIFFERENT_BITS
                near &= rows[distance:] != rows[:-distance]
                if sides is not None:
                    near &= sides[distance:] != sides[:-distance]
                near[: max(0, len(last) - distance)] = False  # met before
                left = np.flatnonzero(near)
                if not len(left):
                    continue
                a, b = order[left], order[left + distance]
                turned = landmarks.rows[a] > landmarks.rows[b]
                yield np.where(turned, b, a), np.where(turned, a, b)
            last = order[-NEIGHBOURS:]


def _ranges(first_bytes: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """Yield positions by ranges of their byte, about `_CODES_AT_ONCE` at a time."""
    of_byte = np.cumsum(np.bincount(first_bytes, minlength=256)) // _CODES_AT_ONCE
    for number in np.unique(of_byte).tolist():
        members = np.flatnonzero(of_byte[first_bytes] == number)
        if len(members):
            yield members
