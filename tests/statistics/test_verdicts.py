"""A short run of `benchmarks/verdicts.py`: what is called equivalent, and intervals of what was chosen."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from verdicts import MARGIN, arm_on, coverage, draw_patients, word

from ecg_tl.statistics.choice import choice_variance, draw_choices, training_noise
from ecg_tl.statistics.intervals import equivalence_p, mean_interval
from ecg_tl.statistics.scoring import subtract


def test_equivalent_is_said_where_the_interval_lies_within_the_margin() -> None:
    rng = np.random.default_rng(0)
    tested = draw_patients(rng, 300)
    gain = subtract(*(arm_on(rng, tested, (0.85, 0.86, 0.84)) for _ in range(2)))
    interval = mean_interval([gain])
    assert interval.low is not None
    assert interval.high is not None
    reach = max(-interval.low, interval.high)
    for margin, inside in ((reach * 1.02, True), (reach * 0.98, False)):
        p = equivalence_p(gain, margin)
        assert p is not None
        assert (p < 0.05) is inside
        assert equivalence_p(subtract(*(arm_on(rng, tested, (0.85,)) for _ in range(2))), margin) is None


@pytest.mark.slow
def test_arms_that_differ_by_the_margin_are_seldom_called_equivalent() -> None:
    rng = np.random.default_rng(1)
    words = Counter(word(rng, MARGIN, 1500, 4, 0.002) for _ in range(30))
    assert words["equivalent"] <= 3
    assert words["loss"] == 0
    alike = Counter(word(rng, 0.0, 4000, 5, 0.001) for _ in range(10))
    assert alike["equivalent"] >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["all alike", "rates, far apart"])
def test_the_interval_of_what_was_chosen_holds_what_choosing_brings(kind: str) -> None:
    bare, whole = coverage(np.random.default_rng(2), 30, kind, 100, 3)
    assert whole >= max(bare, 0.83)  # 95 %, and three standard errors


def test_a_choice_that_cannot_fall_otherwise_adds_nothing() -> None:
    rng = np.random.default_rng(3)
    tested = draw_patients(rng, 80)
    arms = [arm_on(rng, tested, (auroc, auroc)) for auroc in (0.9, 0.7, 0.8)]
    gains = [subtract(arm, arms[2]) for arm in arms[:2]]
    sure = draw_choices(np.array([0.9, 0.7]), rng.normal(size=(2, 500)) * 0.001)
    assert sure.shares.tolist() == [1.0, 0.0]
    assert choice_variance([(1.0, gains[0]), (0.0, gains[1])]) == 0
    torn = choice_variance([(0.5, gains[0]), (0.5, gains[1])])
    assert 0 < torn < (gains[0].mean - gains[1].mean) ** 2 / 4
    wide = mean_interval([gains[0]], choice=torn)
    bare = mean_interval([gains[0]])
    assert wide.low is not None
    assert bare.low is not None
    assert wide.low < bare.low
    assert replace(wide, low=bare.low, high=bare.high, p=bare.p) == bare


def test_noise_between_trainings_is_pooled() -> None:
    assert training_noise([(0.1, 0.3), (0.5, 0.5, 0.5)]) == pytest.approx(0.02 / 3)
    assert training_noise([(0.1,), (0.2,)]) == 0
