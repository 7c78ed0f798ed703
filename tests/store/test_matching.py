"""Comparing collections of fingerprints, whatever their sizes."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_tl.store import matching
from ecg_tl.store.identity import FINGERPRINT_BYTES, MATCH_THRESHOLD, VALUES_PER_LEAD
from ecg_tl.store.matching import find_duplicates, find_matches, first_of_recording


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


@pytest.mark.usefixtures("_blocks")
def test_a_record_is_no_duplicate_of_itself_and_each_pair_counts_once() -> None:
    prints = unrelated(11)
    prints[10] = prints[4] = prints[3]
    found = find_duplicates(prints)
    assert list(zip(found.one, found.other, strict=True)) == [(3, 4), (3, 10), (4, 10)]


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
    assert len(find_duplicates(np.zeros((4, FINGERPRINT_BYTES), np.int8))) == 0


def test_recordings_are_told_by_fingerprint_and_by_signal_directly_or_through_others() -> None:
    prints = unrelated(7)
    prints[5] = prints[1]
    prints[[2, 6]] = 0  # without any of the leads
    hashes = ["a", "b", "same", "c", "d", "d", "same"]
    assert first_of_recording(prints, hashes).tolist() == [0, 1, 2, 3, 1, 1, 2]
