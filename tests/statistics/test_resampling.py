"""Weighted scores agree with scikit-learn's, and patients are drawn as the docstring says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from ecg_tl.statistics.resampling import (
    CHUNK,
    PatientResamples,
    f1_scores,
    ranking_scores,
    resample_patients,
)


def record_weights(draws: PatientResamples, resample: int) -> np.ndarray:
    return draws.weights[resample // CHUNK, :, resample % CHUNK][draws.patient_of]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 60), st.sampled_from([0, 1, 2, 15]))
def test_ranking_scores_are_scikit_learns_on_every_resample(seed: int, records: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    patients = rng.integers(records // 2 + 1, size=records)
    targets = rng.random((records, 2)) < 0.4
    probabilities = np.round(rng.random((records, 2)), decimals)  # few decimals: many ties
    draws = resample_patients(targets, patients, resamples=CHUNK, seed=seed)
    for column in np.flatnonzero(draws.scored):
        y, p = targets[:, column], probabilities[:, column]
        found = ranking_scores(int(column), p, draws)
        assert found.auroc == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert found.auprc == pytest.approx(average_precision_score(y, p), abs=1e-12)
        for resample in (0, 50, 127):
            weights = record_weights(draws, resample)
            if not (weights[y].sum() and weights[~y].sum()):
                assert np.isnan(found.auroc_resampled[resample])
                continue
            assert found.auroc_resampled[resample] == pytest.approx(
                roc_auc_score(y, p, sample_weight=weights), abs=1e-12
            )
            assert found.auprc_resampled[resample] == pytest.approx(
                average_precision_score(y, p, sample_weight=weights), abs=1e-12
            )


def test_f1_is_scikit_learns_on_every_resample() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((50, 4)) < (0.5, 0.3, 0.1, 0.0)  # the last has no positives
    probabilities = rng.random((50, 4))
    cuts = np.array([0.5, 0.6, 0.2, 0.99])
    draws = resample_patients(targets, np.arange(50), resamples=CHUNK)
    found = f1_scores(probabilities, cuts, draws)
    given_classes = probabilities >= cuts
    for average, value, resampled in (
        ("macro", found.macro, found.macro_resampled),
        ("weighted", found.weighted, found.weighted_resampled),
    ):
        assert value == pytest.approx(f1_score(targets, given_classes, average=average, zero_division=0))
        for k in (3, 77):
            expected = f1_score(
                targets,
                given_classes,
                average=average,
                zero_division=0,
                sample_weight=record_weights(draws, k),
            )
            assert resampled[k] == pytest.approx(expected, abs=1e-12)


def test_influence_gives_delongs_variance() -> None:
    # Worked by hand: positives 3 and 1, negatives 2 and 0. AUROC 3/4; components of the positives 1 and 1/2,
    # of the negatives 1/2 and 1: variance (1/16 + 1/16)/2/2 on each side (with divisor n).
    draws = resample_patients(np.array([[1], [1], [0], [0]]), np.arange(4), resamples=CHUNK)
    found = ranking_scores(0, np.array([0.3, 0.1, 0.2, 0.0]), draws)
    assert found.auroc == 0.75
    assert found.influence == pytest.approx([0.125, -0.125, -0.125, 0.125])


def test_a_patients_records_are_drawn_together() -> None:
    patients = np.array(["a", "b", "a", "c", "b", "a"])
    draws = resample_patients(np.array([[1], [0], [0], [1], [0], [1]]), patients, resamples=CHUNK)
    assert draws.patients == 3
    for k in range(CHUNK):
        weights = record_weights(draws, k)
        assert weights[0] == weights[2] == weights[5]
        assert weights[1] == weights[4]


def test_variance_of_the_resamples_is_unbiased_in_small_groups() -> None:
    # Two positives: the plain bootstrap would give half of the variance of their mean.
    targets = np.zeros((100, 1), dtype=bool)
    targets[:2] = True
    draws = resample_patients(targets, np.arange(100), resamples=40_000)
    values = np.array([1.0, 3.0])
    weights = draws.weights[:, :2].transpose(1, 0, 2).reshape(2, -1)
    means = (values[:, None] * weights).sum(axis=0) / 2
    assert means.var() == pytest.approx(values.var(ddof=1) / 2, rel=0.05)
    assert weights.sum(axis=0) == pytest.approx(np.full(weights.shape[1], 2.0))


def test_no_resample_loses_a_rare_class() -> None:
    rng = np.random.default_rng(1)
    targets = rng.random((80, 5)) < 0.5
    targets[:, 0] = False
    targets[:3, 0] = True
    targets[:, 1] = True
    targets[3:7, 1] = False  # a class that nearly all have
    draws = resample_patients(targets, np.arange(80), resamples=2000)
    assert draws.scored.all()
    assert draws.fewest_patients == 3
    assert draws.lost == 0


def test_losing_a_class_is_counted() -> None:
    # Two rare classes share their patients: the rarer one's group takes both of them.
    targets = np.zeros((60, 2), dtype=bool)
    targets[:2, 0] = True
    targets[1:4, 1] = True
    draws = resample_patients(targets, np.arange(60), resamples=4000)
    weights = draws.weights.transpose(1, 0, 2).reshape(60, -1)
    lost = (weights[:2].sum(axis=0) == 0) | (weights[1:4].sum(axis=0) == 0)
    assert draws.lost == pytest.approx(lost.mean())


@pytest.mark.parametrize("positives", [0, 1, 59, 60])
def test_a_class_of_fewer_than_two_patients_is_not_scored(positives: int) -> None:
    targets = np.zeros((60, 2), dtype=bool)
    targets[:30, 0] = True
    targets[:positives, 1] = True
    draws = resample_patients(targets, np.arange(60), resamples=CHUNK)
    assert draws.scored.tolist() == [True, False]


def test_a_part_leaves_out_what_was_not_answered_as_the_whole_does() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (40, 3)).astype(float)
    targets[rng.random(targets.shape) < 0.3] = np.nan
    whole = resample_patients(targets, np.arange(40))
    part = whole.part(targets[:20], np.arange(20))
    for name in ("targets", "answered"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:20])
    alone = resample_patients(targets[:20], np.arange(20))
    np.testing.assert_array_equal(part.scored, alone.scored)
    np.testing.assert_array_equal(part.patients_by_class, alone.patients_by_class)
