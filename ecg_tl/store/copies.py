"""Which records are the same recording: of one collection, or of two."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.alignment import Alignments, find_alignments
from ecg_tl.store.candidates import TraceRows
from ecg_tl.store.encoding import HASH_BYTES
from ecg_tl.store.matching import first_of_equals, unite
from ecg_tl.store.parts import RowParts
from ecg_tl.store.traces import has_trace

Rows = NDArray[np.int64]

_AT_ONCE = 4096
"""Traces that are looked at together."""


def first_of_recording(traces: TraceRows, signal_hashes: NDArray[np.uint8]) -> Rows:
    """Return for each record the first row that holds the same recording; its own where there is none before.

    Rows are of one recording if their traces are, at whatever lag, or their stored signals are the same
    sample for sample, directly or through others. Time and memory grow with the records.

    Args:
        traces: Of all rows; mapped ones are read a part at a time.
        signal_hashes: Of all rows' stored signals, `(records, HASH_BYTES)`.
    """
    group, _, _ = _groups(traces)
    group = unite(group, np.arange(len(group)), first_of_equals(signal_hashes))
    return _first(group)


def first_copies(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[Rows, Rows]:
    """Return the rows of one collection that another holds too, and of each the first such row of that."""
    group, _, _ = _groups(RowParts([one, other]))
    here, there = group[: len(one)], group[len(one) :]
    numbers, first = np.unique(there, return_index=True)
    found = np.flatnonzero(np.isin(here, numbers))
    return found, np.asarray(first[np.searchsorted(numbers, here[found])], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class CommonRecords:
    """What two collections have in common.

    Attributes:
        one: Rows of the first, in the order of pairs.
        other: Rows of the second, in step.
        similarity: Of each pair, as `Alignments`.
        lag: Seconds by which the other's begin lies after the one's.
        in_one: Which records of the first are in the second, `(records,)`.
        in_other: Which records of the second are in the first.
        pairs: How many pairs there are; of very many, some are listed.
    """

    one: Rows
    other: Rows
    similarity: NDArray[np.float32]
    lag: NDArray[np.float32]
    in_one: NDArray[np.bool_]
    in_other: NDArray[np.bool_]
    pairs: int


def find_common(one: NDArray[np.uint8], other: NDArray[np.uint8], most_pairs: int) -> CommonRecords:
    """Compare two collections, and list at most about `most_pairs` of the pairs."""
    number = len(one)
    group, by_trace, found = _groups(RowParts([one, other]))
    in_both = np.intersect1d(group[:number], group[number:])
    in_one, in_other = np.isin(group[:number], in_both), np.isin(group[number:], in_both)
    pairs = 0
    listed: list[tuple[int, int, float, float]] = []
    equal = ((first, first, 1.0, 0.0) for first in by_trace.repeated())
    aligned = zip(
        found.one.tolist(), found.other.tolist(), found.similarity.tolist(), found.lag.tolist(), strict=True
    )
    for a, b, similarity, lag in (*equal, *aligned):
        for left, right, sign in ((a, b, 1.0), *(((b, a, -1.0),) if a != b else ())):
            here = [row for row in by_trace.rows(left) if row < number]
            there = [row - number for row in by_trace.rows(right) if row >= number]
            pairs += len(here) * len(there)
            room = max(0, most_pairs - len(listed))
            listed += [(x, y, similarity, sign * lag) for x in here for y in there[: room + 1]][: room + 1]
    listed.sort()
    columns = list(zip(*listed, strict=True)) or [(), (), (), ()]
    return CommonRecords(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float32),
        np.array(columns[3], dtype=np.float32),
        in_one,
        in_other,
        pairs,
    )


@dataclass(frozen=True, eq=False)
class _Members:
    """Which rows have one trace: `known` are all that have one, ordered by the first row that has the same.

    Attributes:
        known: Rows.
        first: Of each of them, in step; ascending.
    """

    known: Rows
    first: Rows

    def rows(self, first: int) -> list[int]:
        """Return the rows whose trace is that of the row `first`."""
        begin, end = np.searchsorted(self.first, [first, first + 1]).tolist()
        return [int(row) for row in self.known[begin:end]]

    def repeated(self) -> list[int]:
        """Return the first row of each trace that several have."""
        return [int(row) for row in np.unique(self.first[1:][self.first[1:] == self.first[:-1]])]


def _groups(traces: TraceRows) -> tuple[Rows, _Members, Alignments]:
    """Group the rows of one recording.

    Returns:
        The group of each row; which rows have one trace; pairs of first rows with such a trace.
    """
    known, hashes = _hashes(traces)
    # What is equal is joined already: a collection may hold one record ten thousand times.
    first = known[first_of_equals(hashes)]
    found = find_alignments(traces, rows=known[first == known])
    order = np.argsort(first, kind="stable")
    group = unite(np.arange(len(traces)), known, first)
    return unite(group, found.one, found.other), _Members(known[order], first[order]), found


def _hashes(traces: TraceRows) -> tuple[Rows, NDArray[np.uint8]]:
    """Return the rows that have a trace, and the hash of each, `(rows, HASH_BYTES)`."""
    known, hashes = [np.zeros(0, dtype=np.int64)], bytearray()
    for start in range(0, len(traces), _AT_ONCE):
        part = traces[start : start + _AT_ONCE]
        there = np.flatnonzero(has_trace(part))
        known.append(there + start)
        for row in there:
            hashes += blake2b(part[row].tobytes(), digest_size=HASH_BYTES).digest()
    return np.concatenate(known), np.frombuffer(hashes, dtype=np.uint8).reshape(-1, HASH_BYTES)


def _first(group: Rows) -> Rows:
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)
