"""Random effects against published numbers, and against what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.statistics.combining import posterior, random_effects

# Thirteen trials of the BCG vaccine (Colditz et al., JAMA 271, 1994): with and without tuberculosis among the
# vaccinated, and among the others. What follows of them is in Viechtbauer, J. Stat. Softw. 36(3), 2010.
BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)


def bcg() -> tuple[list[float], list[float]]:
    ill, well, ill_other, well_other = BCG.T
    both, others = ill + well, ill_other + well_other
    ratios = np.log(ill / both / (ill_other / others))
    return ratios.tolist(), (1 / ill - 1 / both + 1 / ill_other - 1 / others).tolist()


def test_the_bcg_trials_give_the_published_numbers() -> None:
    found = random_effects(*bcg())
    assert found is not None
    assert found.mean == pytest.approx(-0.7145, abs=5e-5)
    assert found.tau**2 == pytest.approx(0.3132, abs=5e-5)
    assert found.share == pytest.approx(0.9222, abs=5e-5)
    assert (found.tau_low**2, found.tau_high**2) == pytest.approx((0.1197, 1.1115), abs=5e-5)
    assert found.heterogeneity_p < 1e-4
    # Hartung and Knapp's: the standard error from the weighted spread itself, with t of 12 degrees.
    y, v = map(np.array, bcg())
    weights = 1 / (v + found.tau**2)
    error = np.sqrt((weights * (y - found.mean) ** 2).sum() / 12 / weights.sum())
    assert found.error == pytest.approx(error)
    assert found.reach() == pytest.approx(2.17881 * error, rel=1e-5)
    assert found.predicted_high == pytest.approx(found.mean + 2.20099 * np.hypot(found.tau, error), rel=1e-4)


FINITE = st.floats(-0.3, 0.3)
EFFECTS = st.lists(st.tuples(FINITE, st.floats(1e-5, 0.01)), min_size=2, max_size=8)


@pytest.mark.slow
@given(EFFECTS, FINITE)
def test_the_mean_moves_with_the_effects_and_lies_among_them(
    effects: list[tuple[float, float]], shift: float
) -> None:
    y, v = map(list, zip(*effects, strict=True))
    found, moved = random_effects(y, v), random_effects([one + shift for one in y], v)
    assert found is not None
    assert moved is not None
    assert min(y) - 1e-12 <= found.mean <= max(y) + 1e-12
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-5)
    assert moved.tau == pytest.approx(found.tau, abs=1e-4)
    assert 0 <= found.tau_low <= found.tau_high
    assert (found.predicted_low is None) == (len(y) == 2)
    if found.predicted_low is not None and found.predicted_high is not None:
        assert found.predicted_low <= found.mean - found.reach() * 0.999
        assert found.predicted_high >= found.mean + found.reach() * 0.999


@pytest.mark.slow
@given(EFFECTS, st.floats(0.001, 0.1))
def test_probabilities_add_up_and_turn_with_the_sign(
    effects: list[tuple[float, float]], margin: float
) -> None:
    y, v = map(list, zip(*effects, strict=True))
    found, turned = posterior(y, v, margin), posterior([-one for one in y], v, margin)
    assert found is not None
    assert turned is not None
    assert found.better + found.equivalent + found.worse == pytest.approx(1)
    assert found.next_better + found.next_equivalent + found.next_worse == pytest.approx(1)
    assert found.better == pytest.approx(turned.worse, abs=1e-9)
    assert found.low < found.mean < found.high


def test_with_a_prior_that_lets_no_downstream_differ_the_posterior_is_the_fixed_effect() -> None:
    y, v = [0.02, 0.05, 0.03], [1e-4, 4e-4, 2e-4]
    found = posterior(y, v, 0.01, scale=1e-6)
    assert found is not None
    weights = 1 / np.array(v)
    mean, error = float(weights @ y / weights.sum()), float(weights.sum() ** -0.5)
    assert found.mean == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx((mean - 1.959964 * error, mean + 1.959964 * error))


def test_the_posterior_agrees_with_a_sum_over_both_parameters() -> None:
    y, v, margin, scale = np.array([0.06, -0.01, 0.02]), np.array([2e-4, 3e-4, 1e-4]), 0.01, 0.05
    found = posterior(y.tolist(), v.tolist(), margin, scale)
    assert found is not None
    mean, tau = np.meshgrid(np.linspace(-0.4, 0.4, 4001), np.linspace(0, 0.25, 801), indexing="ij")
    log = -0.5 * (tau / scale) ** 2
    for one, variance in zip(y, v, strict=True):
        log = log - 0.5 * np.log(variance + tau**2) - 0.5 * (one - mean) ** 2 / (variance + tau**2)
    density = np.exp(log - log.max())
    density /= density.sum()
    assert found.better == pytest.approx(density[mean > margin].sum(), abs=2e-3)
    assert found.worse == pytest.approx(density[mean < -margin].sum(), abs=2e-3)
    assert found.mean == pytest.approx((density * mean).sum(), abs=1e-4)


@pytest.mark.parametrize("variances", [[1e-4, 0.0], [1e-4, float("nan")], [1e-4, float("inf")]])
def test_without_a_variance_nothing_is_combined(variances: list[float]) -> None:
    assert random_effects([0.1, 0.2], variances) is None
    assert posterior([0.1, 0.2], variances, 0.01) is None


def test_of_downstreams_without_any_difference_one_interval_in_twenty_is_wrong() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        v = rng.uniform(1, 4, size=4) * 1e-4
        found = random_effects((rng.normal(size=4) * np.sqrt(v + 0.01**2)).tolist(), v.tolist())
        assert found is not None
        wrong += found.p < 0.05
    assert 6 <= wrong <= 36  # 20 and three standard errors and a half
