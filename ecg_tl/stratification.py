"""Dividing groups of multi-label records so that every part, or every prefix, has the same mix of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def group_counts(targets: NDArray[np.floating], groups: Integers) -> tuple[Integers, Integers]:
    """Count records and positives of each group.

    Args:
        targets: `(records, classes)` of zeros and ones.
        groups: `(records,)`, numbered from 0.

    Returns:
        `sizes (groups,)` and `positives (groups, classes + 1)`; the last column counts records without any
        class, which are to be spread evenly as well.
    """
    labels = np.column_stack([targets > 0, ~(targets > 0).any(axis=1)]).astype(np.int64)
    count = int(groups.max()) + 1
    positives = np.zeros((count, labels.shape[1]), dtype=np.int64)
    np.add.at(positives, groups, labels)
    return np.bincount(groups, minlength=count).astype(np.int64), positives


def assign_groups(
    sizes: Integers, positives: Integers, fractions: Sequence[float], rng: np.random.Generator
) -> Integers:
    """Assign whole groups to parts by iterative stratification.

    The rarest label is dealt out first, since nothing can make up for it later: each group that has it goes
    to the part that lacks most of that label, then of records. After Sechidis, Tsoumakas and Vlahavas, "On
    the stratification of multi-label data" (ECML PKDD 2011), here for groups of records, the largest first.

    Args:
        sizes: From `group_counts`.
        positives: From `group_counts`.
        fractions: Share of the records for each part; together 1.
        rng: Breaks ties.

    Returns:
        The part of each group, `(groups,)`. No part is empty if there are as many groups as parts.
    """
    parts = len(fractions)
    lacking_records = [fraction * float(sizes.sum()) for fraction in fractions]
    lacking_labels = [[fraction * float(total) for total in positives.sum(axis=0)] for fraction in fractions]
    part_of = np.full(len(sizes), -1, dtype=np.int64)
    # Shuffled once, then sorted by size with a stable sort: equal sizes stay in random order.
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    ties = rng.random((len(sizes), parts)).tolist()
    open_groups = np.ones(len(sizes), dtype=bool)
    while open_groups.any():
        left = positives[open_groups].sum(axis=0)
        label = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for group in order[open_groups[order] & (positives[order, label] > 0)].tolist():
            part = max(
                range(parts),
                key=lambda part: (lacking_labels[part][label], lacking_records[part], ties[group][part]),
            )
            part_of[group] = part
            lacking_records[part] -= float(sizes[group])
            for column in np.flatnonzero(positives[group]).tolist():
                lacking_labels[part][column] -= float(positives[group, column])
            open_groups[group] = False
    _fill_empty(part_of, sizes, parts)
    return part_of


def spread_order(positives: Integers, rng: np.random.Generator) -> Integers:
    """Order groups so that every prefix has about the mix of labels of the whole.

    The groups are sorted by their labels, rarest first, so that like stands beside like; then they are taken
    in the order of a bit-reversed counter (van der Corput's sequence), which visits every stretch of the
    sorted list evenly. One order for all sizes makes smaller subsets parts of larger ones.

    Args:
        positives: From `group_counts`.
        rng: Shuffles groups of equal labels, and the start of the sequence.

    Returns:
        Numbers of the groups, each once.
    """
    count = len(positives)
    shuffled = rng.permutation(count)
    rarest_first = np.argsort(positives.sum(axis=0), kind="stable")
    present = positives[shuffled][:, rarest_first] > 0
    # `lexsort` takes its last key as the first to sort by.
    like_beside_like = shuffled[np.lexsort(present.T[::-1])]
    bits = max(1, int(count - 1).bit_length())
    keys = np.zeros(count, dtype=np.int64)
    positions = np.arange(count, dtype=np.int64)
    for bit in range(bits):
        keys |= ((positions >> bit) & 1) << (bits - 1 - bit)
    keys ^= int(rng.integers(1 << bits))
    return like_beside_like[np.argsort(keys, kind="stable")]


def _fill_empty(part_of: Integers, sizes: Integers, parts: int) -> None:
    """Give each empty part the smallest group of the part that has most groups."""
    for part in range(parts):
        counts = np.bincount(part_of, minlength=parts)
        if counts[part] == 0 and counts.max() > 1:
            giver = np.flatnonzero(part_of == int(np.argmax(counts)))
            part_of[giver[np.argmin(sizes[giver])]] = part
