"""Scores of transferability: by hand, by brute force, and what must hold whatever the numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ecg_tl.errors import SettingError
from ecg_tl.transfer.transferability import (
    RATIO_RANGE,
    label_entropy,
    linear_probe_score,
    logme,
    melep,
)

Case = tuple[NDArray[np.float64], NDArray[np.float64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Upstream probabilities, extreme ones among them, and labels with at least one positive."""
    records, upstream, classes = draw(st.integers(2, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    probability = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-300, 1 - 1e-16]))
    p = draw(st.lists(probability, min_size=records * upstream, max_size=records * upstream))
    y = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=records * classes, max_size=records * classes))
    targets = np.reshape(y, (records, classes))
    targets[draw(st.integers(0, records - 1)), draw(st.integers(0, classes - 1))] = 1.0
    return np.reshape(p, (records, upstream)), targets


# MELEP ------------------------------------------------------------------------------------------------------


def test_melep_of_a_case_worked_by_hand() -> None:
    p = np.array([[0.8], [0.6], [0.4], [0.2]])
    y = np.array([[1], [1], [0], [0]])
    # P(z = 1) = 2 / 4; P(1, 1) = 1.4 / 4, so P(y = 1 | 1) = 0.7; P(1, 0) = 0.6 / 4, so P(y = 1 | 0) = 0.3.
    likelihoods = [0.3 * 0.2 + 0.7 * 0.8, 0.3 * 0.4 + 0.7 * 0.6, 0.7 * 0.6 + 0.3 * 0.4, 0.7 * 0.8 + 0.3 * 0.2]
    expected = -sum(math.log(likelihood) for likelihood in likelihoods) / 4
    result = melep(p, y)
    assert result.value == pytest.approx(expected)
    assert result.entropy == pytest.approx(math.log(2))
    assert result.difference == pytest.approx(math.log(2) - expected)


def test_melep_follows_its_definition_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random((30, 3)), (rng.random((30, 4)) < 0.3).astype(float)
    q = np.stack([1 - p, p])  # (b, records, z)
    phi = np.zeros(4)
    for c in range(4):
        for z in range(3):
            joint = np.array([[q[b, y[:, c] == a, z].sum() / 30 for b in (0, 1)] for a in (0, 1)])
            given = joint / joint.sum(axis=0)
            inside = [sum(given[int(y[i, c]), b] * q[b, i, z] for b in (0, 1)) for i in range(30)]
            phi[c] -= np.log(inside).mean() / 3
    weights = y.mean(axis=0)
    result = melep(p, y)
    assert result.by_class == pytest.approx(phi)
    assert result.value == pytest.approx((weights * phi).sum() / weights.sum())


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_an_upstream_that_says_the_same_of_all_gets_the_entropy_of_the_labels(constant: float) -> None:
    y = (np.random.default_rng(1).random((50, 3)) < 0.2).astype(float)
    result = melep(np.full((50, 2), constant), y)
    assert result.by_class == pytest.approx(label_entropy(y))
    assert result.value == pytest.approx(result.entropy)
    assert result.difference == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sign", [0, 1])
def test_an_upstream_that_knows_the_label_or_its_opposite_gets_nearly_nothing(sign: int) -> None:
    y = (np.random.default_rng(2).random((50, 1)) < 0.4).astype(float)
    assert melep(np.abs(sign - y), y).value == pytest.approx(0, abs=1e-9)
    assert melep(np.abs(sign - y).clip(0.01, 0.99), y).value < 0.1


def test_a_class_without_positives_has_no_weight() -> None:
    rng = np.random.default_rng(3)
    p, y = rng.random((20, 2)), (rng.random((20, 2)) < 0.5).astype(float)
    with_absent = np.column_stack([y, np.zeros(20)])
    assert melep(p, with_absent).weights[2] == 0
    assert melep(p, with_absent).value == pytest.approx(melep(p, y).value)
    assert melep(p, with_absent).entropy == pytest.approx(melep(p, y).entropy)


@pytest.mark.slow
@given(cases())
@settings(max_examples=80, deadline=None)
def test_melep_lies_between_nothing_and_the_entropy(case: Case) -> None:
    result = melep(*case)
    assert np.isfinite(result.by_class).all()
    assert (result.by_class >= -1e-9).all()
    assert (result.by_class <= label_entropy(case[1]) + 1e-9).all()


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_melep_does_not_depend_on_any_order(case: Case, random: object) -> None:
    p, y = case
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    records, upstream, classes = (rng.permutation(n) for n in (len(p), p.shape[1], y.shape[1]))
    shuffled = melep(p[records][:, upstream], y[records][:, classes])
    assert shuffled.value == pytest.approx(melep(p, y).value)
    assert shuffled.by_class == pytest.approx(melep(p, y).by_class[classes])


@pytest.mark.parametrize(
    ("p", "y", "said"),
    [
        ([[0.5], [np.nan]], [[1], [0]], "NaN"),
        ([[0.5], [3.0]], [[1], [0]], "outside of"),
        ([[0.5], [0.5]], [[0], [0]], "no positive"),
        ([[0.5], [0.5]], [[1], [0.5]], "other than 0 and 1"),
        ([[0.5]], [[1], [0]], "shapes"),
        ([0.5, 0.5], [1, 0], "shapes"),
    ],
)
def test_melep_refuses_what_has_no_score(p: list[object], y: list[object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        melep(np.array(p), np.array(y))


# LogME ------------------------------------------------------------------------------------------------------


def evidence(features: NDArray[np.float64], label: NDArray[np.float64], alpha: float, beta: float) -> float:
    """The log density of the labels, with the weights integrated out."""
    covariance = np.eye(len(label)) / beta + features @ features.T / alpha
    _, log_determinant = np.linalg.slogdet(covariance)
    square = label @ np.linalg.solve(covariance, label)
    return float(-0.5 * (len(label) * np.log(2 * np.pi) + log_determinant + square))


def brute_force(features: NDArray[np.float64], label: NDArray[np.float64]) -> float:
    starts = [(a, b) for a in (-2.0, 2.0, 6.0) for b in (0.0, 3.0)]
    found = [
        minimize(
            lambda v: -evidence(features, label, *np.exp(np.clip(v, -20, 20))),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000},
        ).fun
        for start in starts
    ]
    return -min(found) / len(label)


@pytest.mark.parametrize(("records", "width"), [(30, 4), (20, 30), (25, 25)])
@pytest.mark.parametrize("noise", [0.3, 30.0])
def test_logme_is_the_greatest_evidence(records: int, width: int, noise: float) -> None:
    rng = np.random.default_rng(records + width)
    features = rng.normal(size=(records, width))
    label = (features @ rng.normal(size=width) + noise * rng.normal(size=records) > 0).astype(float)
    assert logme(features, label[:, None]).mean == pytest.approx(brute_force(features, label), abs=1e-5)


def test_logme_is_higher_for_features_that_know_the_labels_than_for_shuffled_ones() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 10))
    y = (features[:, :3] + 0.5 * rng.normal(size=(80, 3)) > 0).astype(float)
    informed, shuffled = logme(features, y), logme(rng.permutation(features), y)
    assert (informed.by_class > shuffled.by_class + 0.04).all()
    assert informed.mean == pytest.approx(informed.by_class.mean())


def test_logme_does_not_depend_on_order_scale_or_rotation() -> None:
    rng = np.random.default_rng(6)
    features, y = rng.normal(size=(40, 6)), (rng.random((40, 2)) < 0.4).astype(float)
    order, (rotation, _) = rng.permutation(40), np.linalg.qr(rng.normal(size=(6, 6)))
    expected = logme(features, y).by_class
    for same, labels in (
        (features[order], y[order]),
        (1e-3 * features, y),
        (1e4 * features, y),
        (features @ rotation, y),
        (np.column_stack([features, np.zeros((40, 3))]), y),
    ):
        assert logme(same, labels).by_class == pytest.approx(expected, abs=1e-5)


def test_logme_is_finite_where_features_explain_everything_or_nothing() -> None:
    y = np.array([[0.0], [1.0], [1.0], [0.0], [1.0]])
    perfect, nothing = logme(y, y).mean, logme(np.zeros((5, 3)), y).mean
    assert nothing == pytest.approx(-0.5 * (math.log(2 * math.pi * 0.6) + 1))
    assert nothing < perfect < -0.5 * math.log(RATIO_RANGE[0])


def test_a_class_of_one_kind_has_no_score() -> None:
    rng = np.random.default_rng(7)
    y = np.column_stack([np.zeros(10), np.arange(10) % 2, np.ones(10)])
    scores = logme(rng.normal(size=(10, 4)), y)
    assert np.isfinite(scores.by_class).tolist() == [False, True, False]
    assert scores.scored == 1
    assert scores.mean == scores.by_class[1]


# The linear probe -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [5, 60])
def test_the_probe_is_a_regularised_logistic_regression_on_standardised_features(width: int) -> None:
    rng = np.random.default_rng(width)
    mixing = rng.normal(size=(width, width))  # features that go together, on which a penalty's strength tells
    x, x_val = (3 + rng.normal(size=(n, width)) @ mixing for n in (30, 200))
    y, y_val = ((v[:, [0, 1]] > 3 + 5 * rng.normal(size=(len(v), 2))).astype(float) for v in (x, x_val))
    scores = linear_probe_score(x, y, x_val, y_val)
    center, scale = x.mean(axis=0), x.std(axis=0) * np.sqrt(width)
    for column in (0, 1):
        model = LogisticRegression(max_iter=2000).fit((x - center) / scale, y[:, column])
        expected = roc_auc_score(y_val[:, column], model.decision_function((x_val - center) / scale))
        assert scores.by_class[column] == pytest.approx(expected, abs=1e-3)
    assert scores.mean > 0.6


def test_the_probe_scores_classes_with_both_kinds_in_both_parts() -> None:
    rng = np.random.default_rng(8)
    x, x_val = rng.normal(size=(20, 3)), rng.normal(size=(10, 3))
    half, half_val = np.arange(20) % 2, np.arange(10) % 2
    y = np.column_stack([half, np.zeros(20), half])
    y_val = np.column_stack([half_val, half_val, np.ones(10)])
    scores = linear_probe_score(x, y, x_val, y_val)
    assert np.isfinite(scores.by_class).tolist() == [True, False, False]


def test_the_probe_without_any_class_to_score_has_no_mean() -> None:
    x, y = np.random.default_rng(9).normal(size=(6, 2)), np.zeros((6, 1))
    scores = linear_probe_score(x, y, x, y)
    assert scores.scored == 0
    assert math.isnan(scores.mean)


def test_constant_features_rank_at_chance() -> None:
    y = (np.arange(8) % 2)[:, None]
    assert linear_probe_score(np.ones((8, 4)), y, np.ones((8, 4)), y).mean == 0.5


def test_the_probe_refuses_validation_records_of_another_network() -> None:
    y = (np.arange(8) % 2)[:, None]
    with pytest.raises(SettingError, match="3 features"):
        linear_probe_score(np.ones((8, 4)), y, np.ones((8, 3)), y)
