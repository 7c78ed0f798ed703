"""Which recordings may be the same, and at which lag: in time and memory that do not grow with their pairs.

Candidates come from the surroundings of landmarks (`ecg_tl.store.traces`). What a trace is for a second to
both sides of a landmark becomes a code of 64 signs of random projections, so that alike surroundings have
codes that differ in few bits. Codes are sorted eight times, each time from another of their bytes on, and
each is compared with its next neighbours: a copy's codes begin alike in one of the orders, however many
records there are. Two recordings become candidates where two landmarks meet at one lag.

What is found for one landmark waits for a second one: in memory where that is little, in a temporary file
where it is not (`ecg_tl.store.hits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.hits import Hits, HitSpool, hits_of
from ecg_tl.store.parts import RowParts
from ecg_tl.store.traces import TRACE_LEADS, TRACE_RATE, unpack_traces

TraceRows = NDArray[np.uint8] | RowParts[np.uint8]
"""`(records, TRACE_BYTES)`, as `recording_trace` makes them."""

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
_AT_ONCE = 2048  # traces that are decoded at a time
_CODES_AT_ONCE = 2**20  # that are sorted together, 40 MB
_ROWS_AT_ONCE = 4096  # records whose hits are sorted together; some hundred hits each


Candidates = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Two rows, the lower first, and the lag of the second in samples, in step."""


def find_candidates(
    traces: TraceRows, side: NDArray[np.int8] | None, rows: NDArray[np.int64]
) -> Iterator[Candidates]:
    """Yield the pairs of records of which two landmarks meet at one lag, ordered, some records at a time.

    Args:
        traces: `uint8 (records, TRACE_BYTES)`.
        side: Of each record; records of one side are not compared. All with all if None.
        rows: The records that are compared, ascending.

    Raises:
        StoreError: If the folder of temporary files has no room for what is found.
    """
    with HitSpool(len(traces), _ROWS_AT_ONCE) as spool:
        landmarks = 0
        for lead in range(len(TRACE_LEADS)):
            here = _landmarks(traces, lead, rows)
            for a, b in _neighbours(here, side):
                spool.add(hits_of(here.rows[a], here.rows[b], here.marks[a] - here.marks[b], a + landmarks))
            landmarks += len(here.codes)
        for hits in spool.by_rows():
            yield _meetings(hits)


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


def _meetings(hits: Hits) -> Candidates:
    """Return the pairs of records of which two landmarks meet at one lag, ordered, and that lag."""
    hits = hits[np.lexsort((hits["landmark"], hits["lag"], hits["other"], hits["one"]))]
    one, other, lag, landmark = (hits[name] for name in ("one", "other", "lag", "landmark"))
    same_pair = (one[1:] == one[:-1]) & (other[1:] == other[:-1])
    # Several orders may find the same two landmarks: that is one meeting.
    meets = same_pair & (lag[1:] - lag[:-1] <= _LAG_TOLERANCE) & (landmark[1:] != landmark[:-1])
    first = meets.copy()
    first[1:] &= ~(meets[:-1] & same_pair[1:])
    found = np.flatnonzero(first)
    between: NDArray[np.float32] = (lag[found] + lag[found + 1]) / np.float32(2)
    return one[found].astype(np.int64), other[found].astype(np.int64), between


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
