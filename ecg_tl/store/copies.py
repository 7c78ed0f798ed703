"""Which records are the same recording: of one collection, or of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.alignment import Alignments, find_alignments
from ecg_tl.store.matching import first_of_equals, join
from ecg_tl.store.traces import has_trace

TraceRows = NDArray[np.uint8]
"""`(records, TRACE_BYTES)`, as `recording_trace` makes them."""

Rows = NDArray[np.int64]


def first_of_recording(traces: TraceRows, signal_hashes: Sequence[str]) -> Rows:
    """Return for each record the first row that holds the same recording; its own where there is none before.

    Rows are of one recording if their traces are, at whatever lag, or their stored signals are the same
    sample for sample, directly or through others. Time and memory grow with the records.

    Args:
        traces: Of all rows.
        signal_hashes: Of all rows' stored signals.
    """
    group, _, _ = _groups(traces)
    group = join(group, np.arange(len(group)), first_of_equals(signal_hashes))
    return _first(group)


def first_copies(one: TraceRows, other: TraceRows) -> tuple[Rows, Rows]:
    """Return the rows of one collection that another holds too, and of each the first such row of that."""
    group, _, _ = _groups(np.concatenate([one, other]))
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


def find_common(one: TraceRows, other: TraceRows, most_pairs: int) -> CommonRecords:
    """Compare two collections, and list at most about `most_pairs` of the pairs."""
    number = len(one)
    group, by_trace, found = _groups(np.concatenate([one, other]))
    in_both = np.intersect1d(group[:number], group[number:])
    in_one, in_other = np.isin(group[:number], in_both), np.isin(group[number:], in_both)
    pairs = 0
    listed: list[tuple[int, int, float, float]] = []
    equal = ((first, first, 1.0, 0.0) for first in by_trace)
    aligned = zip(
        found.one.tolist(), found.other.tolist(), found.similarity.tolist(), found.lag.tolist(), strict=True
    )
    for a, b, similarity, lag in (*equal, *aligned):
        for left, right, sign in ((a, b, 1.0), *(((b, a, -1.0),) if a != b else ())):
            here = [row for row in by_trace[left] if row < number]
            there = [row - number for row in by_trace[right] if row >= number]
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


def _groups(traces: TraceRows) -> tuple[Rows, dict[int, list[int]], Alignments]:
    """Group the rows of one recording.

    Returns:
        The group of each row; for each trace the first row that has it, and all; pairs of such first rows.
    """
    known = np.flatnonzero(has_trace(traces))
    # What is equal is joined already: a collection may hold one record ten thousand times.
    first = known[first_of_equals(blake2b(traces[row].tobytes(), digest_size=16).digest() for row in known)]
    members: dict[int, list[int]] = {}
    for row, of in zip(known.tolist(), first.tolist(), strict=True):
        members.setdefault(of, []).append(row)
    distinct = np.array(list(members), dtype=np.int64)
    found = find_alignments(traces if len(distinct) == len(traces) else traces[distinct])
    found = Alignments(distinct[found.one], distinct[found.other], found.similarity, found.lag)
    group = join(np.arange(len(traces)), known, first)
    return join(group, found.one, found.other), members, found


def _first(group: Rows) -> Rows:
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)
