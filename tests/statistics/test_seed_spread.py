"""What a study's configurations say together of the spread between seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import polygamma

from ecg_tl.statistics.intervals import Spread
from ecg_tl.statistics.seed_spread import FEWEST, SeedPrior, _inverse_trigamma, estimate_prior


def ratios(rng: np.random.Generator, configurations: int, seeds: int, unequal: float) -> list[float]:
    true = 3.0 * np.exp(rng.normal(size=configurations) * unequal)
    return list(true * rng.chisquare(seeds - 1, size=configurations) / (seeds - 1))


def prior_of(rng: np.random.Generator, configurations: int, unequal: float) -> SeedPrior:
    found = estimate_prior(ratios(rng, configurations, 3, unequal), [2.0] * configurations, configurations)
    assert found is not None
    return found


def test_the_inverse_of_trigamma() -> None:
    for x in (0.1, 0.5, 3.0, 40.0):
        assert _inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def test_alike_configurations_are_worth_more_than_unlike_ones() -> None:
    rng = np.random.default_rng(0)
    alike, unlike = (
        np.median([prior_of(rng, 60, unequal).degrees for _ in range(40)]) for unequal in (0.0, 1.5)
    )
    assert alike > 4
    assert unlike < 2


def test_the_common_ratio_is_found() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([prior_of(rng, 200, 0.0).ratio for _ in range(20)]) == pytest.approx(3.0, rel=0.2)


def test_of_few_configurations_nothing_is_learned() -> None:
    assert estimate_prior([1.0] * (FEWEST - 1), [2.0] * (FEWEST - 1), FEWEST - 1) is None
    assert estimate_prior([], [], 0) is None
    assert estimate_prior([0.0] * 9, [2.0] * 9, 9) is None


def test_a_ratio_is_weighed_by_degrees_of_freedom_and_known_no_better_than_by_all() -> None:
    prior = SeedPrior(ratio=3.0, degrees=6.0, most=7.0)
    assert prior.moderate(1.0, 2.0) == (2.5, 7.0)
    assert prior.moderate(1.0, 0.5) == (pytest.approx(18.5 / 6.5), 6.5)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("unequal", [0.0, 1.2])
def test_a_study_of_equal_arms_seldom_holds_a_false_win(seeds: int, unequal: float) -> None:
    # 24 differences whose seeds dominate, corrected for their number. Each by itself, with what is certain of
    # the patients taken off where the seeds happen to agree, 18 to 98 % of such studies hold a false one.
    rng = np.random.default_rng(1)
    number, wrong = 24, []
    for _ in range(250):
        spread = np.exp(rng.normal(size=2 * number) * unequal) * 16 + 1
        values = rng.normal(size=(2 * number, seeds)) * np.sqrt(spread)[:, None]
        own = [float(v) for v in values.var(axis=1, ddof=1)]
        prior = estimate_prior(own, [seeds - 1.0] * len(own), len(own))
        assert prior is not None
        of_both = 2.0 / seeds
        false = False
        for difference in values[:number] - values[number:]:
            ratio, degrees = prior.moderate(float(difference.var(ddof=1)) / seeds / of_both, seeds - 1.0)
            known = Spread(0.0, 40.0, ratio * of_both, degrees, of_both)
            false = false or known.reach(0.05 / number) < abs(float(difference.mean()))
        wrong.append(false)
    assert np.mean(wrong) < 0.09  # 5 %, and three standard errors of 250 studies
