"""A short run of `benchmarks/null_studies.py`: what a report says where there is nothing to say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from null_studies import Design, claim_5_rates, simulate, words_of, wrong_under_no_effect


@pytest.mark.slow
def test_of_one_seed_nothing_is_ever_said() -> None:
    rng = np.random.default_rng(0)
    for spread in ("small", "dominant"):
        for gain in (0.0, 2.0):  # however large the difference
            words = words_of(simulate(Design(2, 2, 1, 200, spread, gain=gain, speed=2.0), rng))
            assert words.comparisons[1:] == (0, 0)
            assert words.answers[1:] == (0, 0)
            assert words.classes[:2] == (0, 0)
            assert set(words.claims) <= {"open", "not tested"}


@pytest.mark.slow
def test_wrong_words_are_as_rare_as_the_report_says() -> None:
    rng = np.random.default_rng(1)
    designs = [
        Design(2, 2, 3, 60, "small"),
        Design(2, 1, 2, 60, "dominant"),
        Design(4, 1, 3, 200, "dominant"),
    ]
    wrong = [wrong_under_no_effect(words_of(simulate(design, rng))) for design in designs * 7]
    for word in ("any comparison", "any class", "any sure", "any likely", "any claim"):
        # One in twenty; five or more of 21 by chance in one of 300 such tests.
        assert sum(one[word] for one in wrong) <= 4, word


@pytest.mark.slow
def test_effects_that_are_there_are_found() -> None:
    rng = np.random.default_rng(2)
    words = words_of(simulate(Design(2, 2, 3, 200, "small", gain=2.0, speed=2.0), rng))
    assert words.comparisons[1] > words.comparisons[0] / 2
    assert words.comparisons[2] == 0
    assert words.answers[1] == 2
    assert (words.claims[0], words.claims[4]) == ("supported", "supported")


@pytest.mark.slow
@pytest.mark.parametrize(("scratch", "arms"), [(12, 1), (6, 2), (24, 3)])
def test_of_equal_trainings_neither_is_called_faster(scratch: int, arms: int) -> None:
    rates = claim_5_rates(120, 1.0, scratch, arms, np.random.default_rng(3))
    assert max(rates) <= 0.09  # 2.5 % each way, and four standard errors
    assert claim_5_rates(30, 2.0, scratch, arms, np.random.default_rng(4))[0] > 0.5
