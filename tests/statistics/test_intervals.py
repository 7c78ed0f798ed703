"""Intervals hold the truth as often as they say; corrections and correlations agree with references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from ecg_tl.statistics.correlation import spearman
from ecg_tl.statistics.intervals import (
    influence_degrees,
    mean_interval,
    one_sided_p,
    score_intervals,
    spread,
    weighted_interval,
)
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.resampling import resample_patients
from ecg_tl.statistics.scoring import (
    Sample,
    average,
    class_sample,
    combine,
    sample_of,
    score_run,
    subtract,
)

PATIENTS = 60
DRAWS = resample_patients(np.arange(PATIENTS)[:, None] % 2, np.arange(PATIENTS), resamples=256)
WEIGHTS = DRAWS.weights.transpose(1, 0, 2).reshape(PATIENTS, -1)


def linear_sample(values: np.ndarray) -> Sample:
    """A quantity that is a mean over patients, `values (seeds, patients)`."""
    means = values.mean(axis=1)
    influence = (values - means[:, None]) / PATIENTS
    return Sample(DRAWS, tuple(range(len(values))), means, values @ WEIGHTS / PATIENTS, influence, 30, 29.0)


def crossed(rng: np.random.Generator, seeds: int, of_seed: float, of_both: float, truth: float) -> Sample:
    values = truth + rng.normal(size=PATIENTS) + rng.normal(size=(seeds, 1)) * of_seed
    return linear_sample(values + rng.normal(size=(seeds, PATIENTS)) * of_both)


# How often the truth is held ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("of_both", [0.5, 1.5])
@pytest.mark.parametrize("of_seed", [0.0, 0.1, 0.5])
def test_coverage_over_crossed_patients_and_seeds(seeds: int, of_both: float, of_seed: float) -> None:
    rng = np.random.default_rng(7)
    held = []
    for _ in range(600):
        interval = mean_interval([crossed(rng, seeds, of_seed, of_both, 0.3)])
        held.append(interval.low <= 0.3 <= interval.high)
    # Two standard errors of the simulation beyond the 93 to 97 % that are asked for. Three seeds say little
    # of their spread, which is never taken for less than it looks: theirs are wider than they need be.
    assert 0.914 <= np.mean(held) <= (0.995 if seeds == 3 else 0.985)


def test_a_percentile_interval_over_seeds_would_be_too_narrow() -> None:
    # Why the construction is not simpler: most of the spread is of the seeds, and there are five.
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        sample = crossed(rng, 5, 1.0, 0.5, 0.0)
        drawn = rng.integers(5, size=(5, 256))
        low, high = np.quantile(sample.resampled[drawn, np.arange(256)].mean(axis=0), (0.025, 0.975))
        held.append(low <= 0 <= high)
    assert np.mean(held) < 0.9


def expected_auroc(skill: float, variance: float, of_seed: float) -> float:
    return float(stats.norm.cdf(skill / math.sqrt(2 * variance + of_seed**2)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patients", "prevalence", "seeds", "of_seed"), [(60, 0.08, 3, 0.1), (60, 0.3, 5, 0.3), (80, 0.2, 1, 0.0)]
)
def test_coverage_of_a_difference_of_macro_aurocs(
    patients: int, prevalence: float, seeds: int, of_seed: float
) -> None:
    rng = np.random.default_rng(3)
    skills, classes, held = (1.0, 1.3), 2, []
    truth = expected_auroc(1.3, 1.5, of_seed) - expected_auroc(1.0, 1.5, of_seed)
    while len(held) < 150:
        targets = rng.random((patients, classes)) < prevalence
        draws = resample_patients(targets, np.arange(patients), 128, seed=int(rng.integers(2**31)))
        hard = rng.normal(size=targets.shape) * 0.5**0.5
        samples = []
        for skill in skills:
            for_arm = hard + rng.normal(size=targets.shape) * 0.5**0.5
            runs = {}
            for seed in range(seeds):
                own = targets * (skill + rng.normal() * of_seed) + rng.normal(size=targets.shape) * 0.5**0.5
                runs[seed] = score_run(1 / (1 + np.exp(-own - for_arm)), np.full(classes, 0.5), draws)
            samples.append(sample_of(runs))
        interval = mean_interval([subtract(samples[1], samples[0])])
        if interval.low is not None:
            held.append(interval.low <= truth <= interval.high)
    assert 0.9 <= np.mean(held) <= 0.995


# What an interval is made of ----------------------------------------------------------------------------


def test_one_seed_is_the_t_interval_over_patients() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, size=(1, PATIENTS))
    draws = resample_patients(np.arange(PATIENTS)[:, None] % 2, np.arange(PATIENTS), resamples=20_000)
    weights = draws.weights.transpose(1, 0, 2).reshape(PATIENTS, -1)
    influence = (values - values.mean()) / PATIENTS
    sample = Sample(draws, (0,), values.mean(axis=1), values @ weights / PATIENTS, influence, 30, 29.0)
    interval = mean_interval([sample])
    low, high = stats.t.interval(0.95, PATIENTS - 1, values.mean(), stats.sem(values[0]))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)
    assert interval.method == "patients only"
    assert "One training" in interval.reason


def test_one_mean_over_classes_takes_as_many_patients_as_one_class_does() -> None:
    # 88.8 % and 91 % of such intervals would hold the truth; of three classes of two patients each, 93 %.
    for counts, given_one in (((2, 25), False), ((2, 25, 20, 15), False), ((4, 25), True), ((2, 2, 2), True)):
        targets = np.stack([np.arange(80) < count for count in counts], axis=1)
        draws = resample_patients(targets, np.arange(80), resamples=128)
        rng = np.random.default_rng(0)
        run = score_run(rng.random(targets.shape), np.full(len(counts), 0.5), draws)
        assert (mean_interval([sample_of({0: run})]).low is not None) == given_one


def test_an_interval_is_never_narrower_than_one_over_patients_alone() -> None:
    # Two seeds that happen to agree to the last digit say nothing of a third.
    values = np.random.default_rng(0).normal(size=PATIENTS)
    twice = linear_sample(np.stack([values, values[::-1]]))
    interval = mean_interval([twice])
    once = mean_interval([linear_sample(values[None])])
    assert twice.values[0] == pytest.approx(twice.values[1])
    assert interval.high - interval.low > 0.5 * (once.high - once.low)


def test_seeds_alone_are_the_t_interval_over_seeds() -> None:
    # All patients alike: what is left is the spread between seeds.
    values = np.repeat([[1.0], [1.2], [0.9], [1.5]], PATIENTS, axis=1)
    values = values + np.random.default_rng(0).normal(size=PATIENTS) * 1e-6
    interval = mean_interval([linear_sample(values)])
    expected = stats.ttest_1samp([1.0, 1.2, 0.9, 1.5], 0)
    assert interval.p == pytest.approx(expected.pvalue, rel=1e-3)
    reference = expected.confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-4)
    assert interval.method == "patients and seeds"


def test_the_parts_add_up_without_counting_twice() -> None:
    rng = np.random.default_rng(5)
    totals = [spread(crossed(rng, 4, 0.3, 0.8, 0.0)).variance for _ in range(300)]
    expected = 1 / PATIENTS + 0.3**2 / 4 + 0.8**2 / 4 / PATIENTS
    assert np.mean(totals) == pytest.approx(expected, rel=0.08)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 5), st.floats(0, 1), st.floats(0, 2), st.floats(-2, 2), st.integers(0, 10**6))
def test_the_p_value_says_whether_the_interval_holds_zero(
    seeds: int, of_seed: float, of_both: float, truth: float, seed: int
) -> None:
    sample = crossed(np.random.default_rng(seed), seeds, of_seed, of_both, truth)
    interval = mean_interval([sample])
    assert (interval.p < 0.05) == (interval.low > 0 or interval.high < 0)
    assert interval.low <= interval.estimate <= interval.high
    if interval.p > 1e-12:  # below, 1 - p is 1
        at_p = mean_interval([sample], 1 - interval.p)
        assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0, abs=1e-4)


def test_independent_test_sets_add_their_variances() -> None:
    rng = np.random.default_rng(0)
    one, two = crossed(rng, 1, 0, 0.5, 1.0), crossed(rng, 1, 0, 0.5, 2.0)
    interval = weighted_interval([(0.5, one), (0.5, two)])
    assert interval.estimate == pytest.approx((one.mean + two.mean) / 2)
    variance = (spread(one).variance + spread(two).variance) / 4
    assert interval.high - interval.estimate == pytest.approx(1.98 * math.sqrt(variance), rel=0.02)
    assert interval.patients == 2 * PATIENTS


def test_degrees_of_freedom_follow_those_who_carry_the_variance() -> None:
    rng = np.random.default_rng(0)
    assert influence_degrees(rng.normal(size=4000)) == pytest.approx(4000, rel=0.1)
    few = np.zeros(4000)
    few[:30] = rng.normal(size=30)
    assert influence_degrees(few) < 40
    assert influence_degrees(np.array([1.0, 0, 0, 0])) >= 1


def test_quantities_combine_on_common_seeds_only() -> None:
    rng = np.random.default_rng(0)
    one, two = crossed(rng, 3, 0.1, 0.1, 1.0), crossed(rng, 5, 0.1, 0.1, 0.0)
    assert subtract(one, two).seeds == (0, 1, 2)
    assert subtract(one, two).values == pytest.approx(one.values - two.values[:3])
    assert average(one, one).values == pytest.approx(one.values)
    other = resample_patients(np.arange(4)[:, None] % 2, np.arange(4), resamples=128)
    elsewhere = Sample(other, (0,), np.zeros(1), np.zeros((1, 128)), np.zeros((1, 4)), 2, 1.0)
    with pytest.raises(ValueError, match="one test set"):
        combine((1.0, one), (1.0, elsewhere))


# Where there is none ------------------------------------------------------------------------------------


def test_without_any_class_there_is_no_estimate() -> None:
    draws = resample_patients(np.zeros((10, 1)), np.arange(10), resamples=128)
    run = score_run(np.full((10, 1), 0.3), np.array([0.5]), draws)
    interval = mean_interval([sample_of({0: run})])
    assert interval.estimate is None
    assert interval.low is None
    assert "two test patients" in interval.reason


def test_perfect_scores_have_no_interval_and_say_so() -> None:
    targets = np.arange(20)[:, None] % 2
    draws = resample_patients(targets, np.arange(20), resamples=128)
    run = score_run(targets * 0.5 + 0.2, np.array([0.5]), draws)
    interval = mean_interval([sample_of({0: run})])
    assert interval.estimate == 1.0
    assert interval.low is None
    assert "no spread" in interval.reason
    assert one_sided_p(sample_of({0: run}), 2.0) is None


def test_few_patients_of_a_class_are_named() -> None:
    targets = np.zeros((40, 1))
    targets[:4] = 1
    draws = resample_patients(targets, np.arange(40), resamples=128)
    run = score_run(np.random.default_rng(0).random((40, 1)), np.array([0.5]), draws)
    assert "only 4 patients" in mean_interval([class_sample({0: run}, 0)]).reason


@given(st.integers(2, 8), st.booleans(), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_class_of_fewer_than_four_patients_has_no_interval(few: int, negative: bool, seeds: int) -> None:
    targets = np.zeros((40, 1), dtype=bool)
    targets[:few] = True
    draws = resample_patients(targets ^ negative, np.arange(40), resamples=128)
    rng = np.random.default_rng(few)
    runs = {seed: score_run(rng.random((40, 1)), np.array([0.5]), draws) for seed in range(seeds)}
    for sample in (class_sample(runs, 0), sample_of(runs)):
        interval = mean_interval([sample])
        assert interval.estimate is not None
        assert (interval.low is None) == (few < 4)
        if few < 4:
            assert interval.p is None
            assert f"Only {few} test patients" in interval.reason
            assert one_sided_p(sample, 0.0) is None


# Corrections and correlations ---------------------------------------------------------------------------


def test_holm_as_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.5, 0.6]) == [None, 1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
@settings(max_examples=50, deadline=None)
def test_holm_keeps_the_order_and_lies_between_the_p_value_and_bonferroni(
    p_values: list[float | None],
) -> None:
    corrected = holm(p_values)
    known = [(p, c) for p, c in zip(p_values, corrected, strict=True) if p is not None]
    assert all(p <= c <= min(1, p * len(known)) for p, c in known)
    ordered = [c for _, c in sorted(known)]
    assert ordered == sorted(ordered)


def test_spearman_is_scipys_with_fishers_interval() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    found, reference = spearman(x.tolist(), y.tolist()), stats.spearmanr(x, y)
    assert (found.estimate, found.p) == pytest.approx((reference.statistic, reference.pvalue))
    half = 1.959964 * math.sqrt((1 + reference.statistic**2 / 2) / 9)
    assert math.atanh(found.high) - math.atanh(found.low) == pytest.approx(2 * half, rel=1e-5)
    assert spearman([1, 2, 3, 4], [1, 2, 3, 4]).estimate is None
    assert "Too few" in spearman([1, 2, 3, 4], [1, 2, 3, 4]).reason
    assert spearman([1.0] * 6, [1, 2, 3, 4, 5, 6]).estimate is None
    perfect = spearman([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert perfect.low < perfect.high <= 1.0


def test_one_sided_p_shows_that_a_gain_is_less_than_the_margin() -> None:
    sample = crossed(np.random.default_rng(0), 3, 0.0, 0.1, 0.0)
    assert one_sided_p(sample, sample.mean + 5) < 0.01
    assert one_sided_p(sample, sample.mean - 5) > 0.99
    assert one_sided_p(sample, sample.mean + 1e-9) == pytest.approx(0.5, abs=0.01)


# One model ----------------------------------------------------------------------------------------------


def test_scores_of_one_model() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((90, 3)) < (0.4, 0.2, 0.0)
    probabilities = np.clip(targets * 0.3 + rng.random((90, 3)) * 0.7, 0, 1)
    found = score_intervals(targets, probabilities, np.arange(90) // 2, ["A", "B", "never"], [0.5, 0.6, 0.5])
    aurocs = [roc_auc_score(targets[:, k], probabilities[:, k]) for k in (0, 1)]
    assert found["auroc/A"].estimate == pytest.approx(aurocs[0])
    assert found["auroc_macro"].estimate == pytest.approx(np.mean(aurocs))
    assert found["auprc/B"].estimate == pytest.approx(
        average_precision_score(targets[:, 1], probabilities[:, 1])
    )
    assert found["f1_weighted"].estimate == pytest.approx(
        f1_score(targets, probabilities >= (0.5, 0.6, 0.5), average="weighted", zero_division=0)
    )
    assert found["auroc/never"].estimate is None
    assert "two test patients" in found["auroc/never"].reason
    for interval in found.values():
        assert interval.p is None
        assert interval.low is None or 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert found["auroc_macro"].patients == 45
