"""Which records of two collections are the same recording, by their fingerprints.

For checkpoints that have no traces (`ecg_tl.store.alignment`): every pair is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.identity import FINGERPRINT_BYTES, FINGERPRINT_LEADS, MATCH_THRESHOLD, VALUES_PER_LEAD

Fingerprints = NDArray[np.int8]
"""`(records, FINGERPRINT_BYTES)`, as `recording_fingerprint` makes them."""

_BLOCK = 4096
"""Records a side that are compared at once: 64 MB of similarities, whatever the collections' sizes."""

_ROWS_AT_ONCE = 256
"""Of a block, whose pairs are listed at once: a million pairs, 8 MB a column, where all records are alike."""

_EVERY_LEAD = np.full((1, 1), len(FINGERPRINT_LEADS), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of rows with the same recording, ordered by the first collection's rows.

    Attributes:
        one: Rows of the first collection, int64.
        other: Rows of the second, in step.
        similarity: Of each pair, `MATCH_THRESHOLD` to 1.
    """

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.one)


def comparable(fingerprints: Fingerprints) -> NDArray[np.bool_]:
    """Return which records have a fingerprint at all: not those without any of its leads."""
    return np.asarray(fingerprints.any(axis=1))


def find_matches(one: Fingerprints, other: Fingerprints) -> Matches:
    """Compare every record of one collection with every record of another.

    Every pair is looked at, in blocks: 20,000 by 45,000 records take seconds and 64 MB.
    """
    return _collect(_matches_of_blocks(one, other, within=False))


def first_matches(one: Fingerprints, other: Fingerprints) -> Matches:
    """Return of each record of one collection the first one in another that it matches, if there is any.

    Memory grows with the records, however many pairs match.
    """
    first = np.full(len(one), -1, dtype=np.int64)
    similarity = np.zeros(len(one), dtype=np.float32)
    for rows, columns, values in _matches_of_blocks(one, other, within=False):
        # In the order of rows and columns; of a row the blocks come in the order of columns.
        new, where = np.unique(rows, return_index=True)
        is_first = first[new] < 0
        first[new[is_first]] = columns[where[is_first]]
        similarity[new[is_first]] = values[where[is_first]]
    found = np.flatnonzero(first >= 0)
    return Matches(found, first[found], similarity[found])


def first_of_equals(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each hash the position of the first that is equal.

    Args:
        hashes: `(records, 16)`.
    """
    halves = np.ascontiguousarray(hashes).view("<u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equals the first comes first
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    return first


def unite(group: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups, numbered from 0, after joining those of each pair of rows."""
    if np.array_equal(one, other):
        return group
    from scipy.sparse import coo_array  # slow to import, and few datasets hold a recording twice
    from scipy.sparse.csgraph import connected_components

    edges = (group[one], group[other])
    shape = (len(group), len(group))
    _, joined = connected_components(coo_array((np.ones(len(one), np.int8), edges), shape=shape))
    return np.asarray(joined[group], dtype=np.int64)


def _matches_of_blocks(
    one: Fingerprints, other: Fingerprints, *, within: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    for top in range(0, len(one), _BLOCK):
        left, left_leads = _normalised(one[top : top + _BLOCK])
        for start in range(top if within else 0, len(other), _BLOCK):
            right, right_leads = _normalised(other[start : start + _BLOCK])
            similarity = left @ right.T
            # The sum over leads, of which each pair has so many in common. Without any there is nothing to be
            # alike in. Where all have all, one number saves half of the time.
            every_lead = left_leads.all() and right_leads.all()
            common = _EVERY_LEAD if every_lead else np.maximum(left_leads @ right_leads.T, 1)
            alike = similarity >= MATCH_THRESHOLD * common
            if within and start == top:
                alike = np.triu(alike, 1)
            for first in range(0, len(left), _ROWS_AT_ONCE):
                found = np.flatnonzero(alike[first : first + _ROWS_AT_ONCE])
                if not len(found):
                    continue
                rows, columns = found // len(right) + first, found % len(right)
                values = similarity[rows, columns]
                values = values / (common[rows, columns] if common.size > 1 else common[0, 0])
                yield rows + top, columns + start, values


def _normalised(fingerprints: Fingerprints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return fingerprints with every lead's part of length 1 or 0, and which leads there are."""
    parts = fingerprints.reshape(-1, len(FINGERPRINT_LEADS), VALUES_PER_LEAD).astype(np.float32)
    length = np.linalg.norm(parts, axis=2, keepdims=True)
    unit = parts / np.maximum(length, 1)
    return unit.reshape(-1, FINGERPRINT_BYTES), (length[..., 0] > 0).astype(np.float32)


def _collect(
    blocks: Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]],
) -> Matches:
    found = list(blocks)
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Matches(empty, empty, np.zeros(0, dtype=np.float32))
    one, other, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((other, one))
    return Matches(one[order], other[order], similarity[order])
