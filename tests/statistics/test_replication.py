"""A short run of `benchmarks/repeated_splits.py`: splits, seeds and upstreams in one interval."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from repeated_splits import Regime, components, held, simulate

from ecg_tl.statistics.components import Components, StudyScale, smallest_difference
from ecg_tl.statistics.intervals import mean_interval, spread
from ecg_tl.statistics.replication import STRIDE, number_of, seed_of, split_of, unit_variances


@given(st.integers(0, 99), st.integers(0, STRIDE - 1))
def test_a_training_is_known_by_its_number(split: int, seed: int) -> None:
    number = number_of(split, seed)
    assert (split_of(number), seed_of(number)) == (split, seed)
    assert number_of(0, seed) == seed


def test_splits_are_the_units_where_there_are_several() -> None:
    rng = np.random.default_rng(0)
    numbers = [number_of(split, seed) for split in range(3) for seed in range(2)]
    values, resampled = rng.normal(size=6), rng.normal(size=(6, 50))
    of_splits = unit_variances(numbers, (), values, resampled)
    assert of_splits is not None
    means = values.reshape(3, 2).mean(axis=1)
    assert (of_splits.kind, of_splits.degrees) == ("split", 2)
    assert of_splits.of_units == pytest.approx(means.var(ddof=1) / 3)
    by_upstream = unit_variances(range(6), (0, 1, 2, 0, 1, 2), values, resampled)
    assert by_upstream is not None
    assert (by_upstream.kind, by_upstream.degrees) == ("upstream", 2)
    both = unit_variances(numbers, (0, 1, 1, 0, 0, 1), values, resampled)
    assert both is not None
    assert both.kind == "split and upstream"
    assert both.of_units >= of_splits.of_units
    assert unit_variances([7], (), values[:1], resampled[:1]) is None


def test_a_split_that_turns_the_gain_round_is_in_the_interval() -> None:
    regime = Regime(150, 50, splits=4, seeds=2, of_split=0.08)
    gain, _ = simulate(regime, np.random.default_rng(1))
    seeds_alone = replace(gain, seeds=tuple(range(len(gain.seeds))))
    whole, bare = mean_interval([gain]), mean_interval([seeds_alone])
    assert whole.low is not None
    assert bare.low is not None
    assert whole.low < bare.low
    assert spread(gain).seed_degrees == 3


@pytest.mark.slow
def test_intervals_over_splits_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    regimes = (
        Regime(60, 20, splits=5, seeds=2),
        Regime(60, 20, splits=5, folds=True, seeds=2),
        Regime(60, 20, seeds=2),
    )
    shares = [held(regime, 40, rng)[0] for regime in regimes]
    assert min(shares) >= 0.85  # 95 %, and three standard errors


@pytest.mark.slow
def test_components_are_found() -> None:
    regime = Regime(100, 40, splits=5, seeds=4, of_split=0.05, of_seed=0.01)
    found = components(regime, 25, np.random.default_rng(3))
    split = np.mean([one.split for one in found])  # type: ignore[arg-type]  # five splits
    seed = np.mean([one.seed for one in found])  # type: ignore[arg-type]
    assert 0.03 < split**0.5 < 0.07
    assert seed**0.5 < 0.03
    assert all(one.upstream is None for one in found)


KNOWN = Components(
    patients=4e-4, split=4e-4, upstream=None, seed=4e-4, rest=4e-4, test_patients=100, splits=1, upstreams=1,
    trainings=3,
)  # fmt: skip


def test_more_of_anything_shows_smaller_differences() -> None:
    usual = smallest_difference(KNOWN, StudyScale(100, 3))
    assert usual is not None
    for more in (StudyScale(400, 3), StudyScale(100, 10)):
        less = smallest_difference(KNOWN, more)
        assert less is not None
        assert less < usual
    ten, three = (smallest_difference(KNOWN, StudyScale(100, 3, splits)) for splits in (10, 3))
    assert ten is not None
    assert three is not None
    assert ten < three
    assert smallest_difference(KNOWN, StudyScale(100, 1)) is None


@pytest.mark.slow
def test_a_difference_that_can_be_shown_is_shown_as_often_as_is_said() -> None:
    """Power of the rule itself, with normal noise of known variance and three seeds."""
    rng = np.random.default_rng(4)
    known = replace(KNOWN, patients=0.0, rest=0.0)
    smallest = smallest_difference(known, StudyScale(100, 5))
    assert smallest is not None
    means = smallest + rng.normal(size=(4000, 5)) * known.seed**0.5  # type: ignore[operator]
    t = means.mean(axis=1) / (means.std(axis=1, ddof=1) / 5**0.5)
    assert 0.75 < (t > 2.776).mean() < 0.9
