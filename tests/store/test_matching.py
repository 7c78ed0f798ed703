"""Comparing collections of fingerprints, whatever their sizes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.store import matching
from ecg_tl.store.identity import FINGERPRINT_BYTES, MATCH_THRESHOLD, VALUES_PER_LEAD
from ecg_tl.store.matching import find_matches, first_matches


def unrelated(records: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (records, FINGERPRINT_BYTES)).astype(np.int8)


@pytest.fixture(params=[3, 4096])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_BLOCK", request.param)


@pytest.mark.usefixtures("_blocks")
def test_all_pairs_are_found_whatever_the_blocks() -> None:
    one, other = unrelated(10), unrelated(14, seed=1)
    other[[13, 2, 9]] = one[[0, 7, 7]]
    matches = find_matches(one, other)
    assert list(zip(matches.one, matches.other, strict=True)) == [(0, 13), (7, 2), (7, 9)]
    assert matches.similarity == pytest.approx(1)


def test_the_similarity_is_the_mean_cosine_over_common_leads() -> None:
    one, other = unrelated(2), unrelated(2, seed=1)
    other[:, :VALUES_PER_LEAD] = one[:, :VALUES_PER_LEAD]
    assert len(find_matches(one, other)) == 0  # alike in one lead of four
    one[0, VALUES_PER_LEAD:] = 0
    matches = find_matches(one, other)
    assert (matches.one.tolist(), matches.other.tolist()) == ([0], [0])
    assert matches.similarity == pytest.approx(1)


def test_the_threshold_decides() -> None:
    rng = np.random.default_rng(0)
    one = unrelated(50)
    noisy = (0.5 * one + rng.normal(0, 25, one.shape)).round().astype(np.int8)
    similarity = find_matches(one, noisy).similarity
    cosine = [
        float(np.mean([_cosine(a, b) for a, b in zip(np.split(x, 4), np.split(y, 4), strict=True)]))
        for x, y in zip(one, noisy, strict=True)
    ]
    assert 0 < len(similarity) < 50
    np.testing.assert_allclose(
        sorted(similarity), sorted(c for c in cosine if c >= MATCH_THRESHOLD), atol=1e-4
    )


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    x, y = one.astype(float), other.astype(float)
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_nothing_matches_nothing() -> None:
    empty = unrelated(0)
    assert len(find_matches(empty, unrelated(3))) == len(find_matches(unrelated(3), empty)) == 0
    blank = np.zeros((4, FINGERPRINT_BYTES), np.int8)
    assert len(find_matches(blank, blank)) == 0


COLLECTIONS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=14)
"""Of each record: whose recording it is, how noisy a copy, and which of its leads are missing."""


def collection(records: list[tuple[int, int, int]], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    originals = unrelated(6)
    prints = np.zeros((len(records), FINGERPRINT_BYTES), np.int8)
    for row, (original, noise, missing) in enumerate(records):
        noisy = 0.5 * originals[original] + rng.normal(0, 12 * noise, FINGERPRINT_BYTES)
        prints[row] = noisy.round().clip(-127, 127)
        prints[row, : 2 * missing * VALUES_PER_LEAD] = 0  # none, two or all leads
    return prints


def brute_force(one: np.ndarray, other: np.ndarray) -> set[tuple[int, int]]:
    found = set()
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            cosines = [
                _cosine(a, b)
                for a, b in zip(np.split(x, 4), np.split(y, 4), strict=True)
                if a.any() and b.any()
            ]
            if cosines and np.mean(cosines) >= MATCH_THRESHOLD:
                found.add((i, j))
    return found


@pytest.mark.slow
@settings(deadline=None)  # a machine may be busy
@given(COLLECTIONS, COLLECTIONS, st.integers(0, 3), st.sampled_from([2, 5, 4096]))
def test_every_way_to_compare_agrees_with_comparing_one_by_one(
    one: list[tuple[int, int, int]], other: list[tuple[int, int, int]], seed: int, block: int
) -> None:
    a, b = collection(one, seed), collection(other, seed + 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_BLOCK", block)
        patch.setattr(matching, "_ROWS_AT_ONCE", 3)
        pairs = brute_force(a, b)
        found = find_matches(a, b)
        assert set(zip(found.one.tolist(), found.other.tolist(), strict=True)) == pairs
        first = first_matches(a, b)
        assert dict(zip(first.one.tolist(), first.other.tolist(), strict=True)) == {
            i: min(k for j, k in pairs if j == i) for i, _ in pairs
        }


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 5])
def test_memory_grows_with_the_records_and_not_with_their_pairs(noise: int) -> None:
    """5,000 records that are all alike are 12 million pairs: 500 MB as a sorted table."""
    rng = np.random.default_rng(0)
    prints = (0.5 * unrelated(1) + rng.normal(0, noise, (5000, FINGERPRINT_BYTES))).astype(np.int8)
    tracemalloc.start()
    assert first_matches(prints, prints).other.max() == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6
