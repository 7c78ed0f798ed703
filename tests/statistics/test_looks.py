"""Looking at a study several times keeps its error rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from ecg_tl.statistics.looks import LEVEL, levels, planned_looks, price_of, spent


def test_the_spending_function_is_the_published_one() -> None:
    # Lan and DeMets' function like O'Brien and Fleming's, at a quarter, half, three quarters and all.
    assert [spent(k / 4) for k in (1, 2, 3, 4)] == pytest.approx([0.00009, 0.00557, 0.02363, 0.05], abs=2e-5)


@given(st.integers(1, 50), st.integers(1, 200), st.integers(1, 9))
def test_looks_rise_to_the_most_and_spend_all_and_no_more(first: int, more: int, looks: int) -> None:
    numbers = planned_looks(first, first + more, looks)
    assert list(numbers) == sorted(set(numbers))
    assert numbers[-1] == first + more
    assert len(numbers) <= max(looks, 1)
    assert sum(levels(numbers, numbers[-1])) == pytest.approx(LEVEL)
    assert min(levels(numbers, numbers[-1])) > 0
    assert price_of(numbers, numbers[-1]) >= 1


def test_one_look_costs_nothing() -> None:
    assert price_of(planned_looks(3, 3, 3), 3) == pytest.approx(1)


@pytest.mark.parametrize("of_patients", [0.0, 1.0])
def test_of_studies_without_a_difference_few_are_ever_called_sure(of_patients: float) -> None:
    # Seeds of spread 1, and what test patients add to all of them alike.
    rng, numbers = np.random.default_rng(0), planned_looks(3, 9, 3)
    values = rng.normal(size=(20_000, 9))
    shared = of_patients * rng.normal(size=20_000) / 3
    wrong, unpriced = np.zeros(20_000, dtype=bool), np.zeros(20_000, dtype=bool)
    for k, number in enumerate(numbers):
        seen = values[:, :number]
        error = np.sqrt(seen.var(axis=1, ddof=1) / number + (of_patients / 3) ** 2)
        p = 2 * student.sf(np.abs(seen.mean(axis=1) + shared) / error, number - 1)
        wrong |= p * price_of(numbers[: k + 1], 9) < LEVEL
        unpriced |= p < LEVEL
    assert wrong.mean() < LEVEL
    assert unpriced.mean() > wrong.mean() + 0.01
