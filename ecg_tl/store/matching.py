"""Which records of one or two collections are the same recording, by their fingerprints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.identity import FINGERPRINT_BYTES, FINGERPRINT_LEADS, MATCH_THRESHOLD, VALUES_PER_LEAD

Fingerprints = NDArray[np.int8]
"""`(records, FINGERPRINT_BYTES)`, as `recording_fingerprint` makes them."""

_BLOCK = 4096
"""Records a side that are compared at once: 64 MB of similarities, whatever the collections' sizes."""


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


def find_duplicates(fingerprints: Fingerprints) -> Matches:
    """Compare the records of one collection with each other; `one < other` in every pair."""
    return _collect(_matches_of_blocks(fingerprints, fingerprints, within=True))


def first_of_recording(fingerprints: Fingerprints, signal_hashes: Sequence[str]) -> NDArray[np.int64]:
    """Return for each record the first row that holds the same recording; its own where there is none before.

    Rows are of one recording if their fingerprints match or their stored signals are the same sample for
    sample, directly or through others.

    Args:
        fingerprints: Of all rows.
        signal_hashes: Of all rows' stored signals.
    """
    rows = len(signal_hashes)
    first_of_hash: dict[str, int] = {}
    by_hash = [first_of_hash.setdefault(signal_hash, row) for row, signal_hash in enumerate(signal_hashes)]
    matches = find_duplicates(fingerprints)
    if len(first_of_hash) == rows and not len(matches.one):
        return np.arange(rows)
    from scipy.sparse import coo_array  # slow to import, and few datasets hold a recording twice
    from scipy.sparse.csgraph import connected_components

    edges = (np.concatenate([np.arange(rows), matches.one]), np.concatenate([by_hash, matches.other]))
    _, group = connected_components(coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(rows, rows)))
    _, first = np.unique(group, return_index=True)
    return np.asarray(first[group], dtype=np.int64)


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
            found = np.flatnonzero(similarity >= MATCH_THRESHOLD * common)
            values = similarity.flat[found] / np.broadcast_to(common, similarity.shape).flat[found]
            rows, columns = found // len(right) + top, found % len(right) + start
            if within:
                before = rows < columns
                rows, columns, values = rows[before], columns[before], values[before]
            yield rows.astype(np.int64), columns.astype(np.int64), values


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
