"""Scores against scikit-learn, torchmetrics and values worked out by hand."""

import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score
from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

from ecg_tl.errors import SettingError
from ecg_tl.metrics import Scores, multilabel_scores

SINGLE_PRECISION = 1e-6  # in which torchmetrics answers


def score(p: object, y: object, thresholds: object = 0.5) -> Scores:
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return multilabel_scores(p, y, [f"c{i}" for i in range(p.shape[1])], thresholds)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few records, many ties, classes without positives or without negatives."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    records, classes = draw(st.integers(1, 30)), draw(st.integers(1, 5))
    steps = draw(st.sampled_from([2, 5, 1000]))
    p = rng.integers(0, steps + 1, (records, classes)) / steps
    y = (rng.random((records, classes)) < rng.choice([0.0, 0.1, 0.5, 1.0], classes)).astype(float)
    return p, y


def fmax_by_definition(p: np.ndarray, y: np.ndarray) -> float:
    best = 0.0
    for threshold in np.unique(p):
        given_ = p >= threshold
        precisions = [y[i][given_[i]].mean() for i in range(len(p)) if given_[i].any()]
        recalls = [given_[i][y[i] == 1].mean() for i in range(len(p)) if y[i].any()]
        if precisions and recalls and np.mean(precisions) + np.mean(recalls) > 0:
            precision, recall = np.mean(precisions), np.mean(recalls)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def ece_by_definition(p: np.ndarray, y: np.ndarray) -> float:
    per_class = []
    for k in range(p.shape[1]):
        error = 0.0
        for b in range(15):
            inside = (p[:, k] * 15 >= b) & ((p[:, k] * 15 < b + 1) | (b == 14))
            if inside.any():
                error += inside.mean() * abs(p[inside, k].mean() - y[inside, k].mean())
        per_class.append(error)
    return float(np.mean(per_class))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(predictions())
def test_agrees_with_scikit_learn_and_the_definitions(data: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = data
    scores = score(p, y)
    for k in range(p.shape[1]):
        name, positives = f"c{k}", int(y[:, k].sum())
        assert scores.support[name] == positives
        assert (name in scores.auroc) == (0 < positives < len(y))
        assert (name in scores.auprc) == (positives > 0)
        if name in scores.auroc:
            assert scores.auroc[name] == pytest.approx(roc_auc_score(y[:, k], p[:, k]), abs=SINGLE_PRECISION)
        if name in scores.auprc:
            expected = average_precision_score(y[:, k], p[:, k])
            assert scores.auprc[name] == pytest.approx(expected, abs=SINGLE_PRECISION)
    chosen = (p >= 0.5).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # With one column scikit-learn takes the task for binary, and averages over something else.
        for average in ("macro", "weighted") if y.shape[1] > 1 else ():
            expected = f1_score(y, chosen, average=average, zero_division=0)
            assert getattr(scores, f"f1_{average}") == pytest.approx(expected)
        by_class = [f1_score(y[:, k], chosen[:, k], zero_division=0) for k in range(y.shape[1])]
    assert list(scores.f1.values()) == pytest.approx(by_class)
    assert scores.brier == pytest.approx(np.mean((p - y) ** 2))
    assert scores.fmax == pytest.approx(fmax_by_definition(p, y), abs=1e-9)
    assert scores.ece == pytest.approx(ece_by_definition(p, y), abs=1e-9)


def test_agrees_with_torchmetrics_where_every_class_is_scored() -> None:
    torch.manual_seed(0)
    p, y = torch.rand(200, 4), torch.randint(0, 2, (200, 4))
    scores = score(p, y)
    assert scores.auroc_macro == pytest.approx(float(multilabel_auroc(p, y, num_labels=4)), abs=1e-5)
    assert scores.auprc_macro == pytest.approx(
        float(multilabel_average_precision(p, y, num_labels=4)), abs=1e-5
    )
    assert brier_score_loss(y[:, 0], p[:, 0]) == pytest.approx(score(p[:, :1], y[:, :1]).brier)


def test_a_class_without_positives_or_negatives_is_left_out_and_counted() -> None:
    p = [[0.9, 0.2, 0.3], [0.1, 0.7, 0.8]]
    y = [[1, 0, 1], [0, 0, 1]]
    scores = score(p, y)
    assert scores.auroc == {"c0": 1.0}
    assert scores.auroc_macro == 1.0
    assert set(scores.auprc) == {"c0", "c2"}
    flat = scores.as_dict()
    assert flat["auroc_classes_scored"] == 1
    assert flat["auprc_classes_scored"] == 2
    assert "auroc/c1" not in flat
    assert flat["support/c1"] == 0


def test_nothing_to_score_is_nan_not_zero() -> None:
    flat = score([[0.3], [0.6]], [[0], [0]]).as_dict()
    assert np.isnan(flat["auroc_macro"])
    assert np.isnan(flat["auprc_macro"])
    assert flat["auroc_classes_scored"] == 0
    assert flat["f1_macro"] == flat["f1_weighted"] == flat["fmax"] == 0


def test_no_warnings_for_degenerate_classes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(np.zeros((5, 3)), np.zeros((5, 3)))


def test_fmax_worked_by_hand() -> None:
    # At 0.6: record 1 is given c0 (right), record 2 is given c0 and c1 (c1 is right); record 3 is given none.
    # Precision is (1 + 1/2) / 2 over the two that are given any, recall (1 + 1) / 2 over the two with labels.
    p = [[0.9, 0.1], [0.8, 0.6], [0.2, 0.3]]
    y = [[1, 0], [0, 1], [0, 0]]
    assert score(p, y).fmax == pytest.approx(2 * 0.75 * 1.0 / 1.75)


def test_fmax_depends_on_the_order_alone() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random((50, 4)), rng.integers(0, 2, (50, 4))
    assert score(p**3, y).fmax == pytest.approx(score(p, y).fmax)


def test_calibration_error_and_brier_worked_by_hand() -> None:
    # 0.50 and 0.52 fall into one bin: mean 0.51, half of them positive. 0.9 is alone, and positive.
    scores = score([[0.50], [0.52], [0.9]], [[1], [0], [1]])
    assert scores.ece == pytest.approx((2 * 0.01 + 1 * 0.1) / 3)
    assert scores.brier == pytest.approx((0.25 + 0.2704 + 0.01) / 3)


def test_the_ends_of_the_probability_range_are_scored() -> None:
    assert score([[1.0], [0.0]], [[1], [0]]).ece == 0


def test_thresholds_by_class() -> None:
    p, y = [[0.4, 0.4], [0.2, 0.2]], [[1, 1], [0, 0]]
    assert score(p, y, [0.3, 0.5]).f1 == {"c0": 1.0, "c1": 0.0}
    assert score(p, y, [0.4, 0.4]).f1 == {"c0": 1.0, "c1": 1.0}, "a probability at the threshold counts"


def test_names_of_the_flat_dict() -> None:
    averages = {"auroc_macro", "auprc_macro", "f1_macro", "f1_weighted", "fmax", "brier", "ece"}
    counts = {"auroc_classes_scored", "auprc_classes_scored"}
    by_class = {
        f"{metric}/{name}" for metric in ("auroc", "auprc", "f1", "support") for name in ("NORM", "MI")
    }
    scores = multilabel_scores(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.eye(2), ["NORM", "MI"])
    assert set(scores.as_dict()) == averages | counts | by_class
    assert all(isinstance(value, float) for value in scores.as_dict().values())


@pytest.mark.parametrize(
    ("p", "y", "names", "message"),
    [
        (torch.tensor([[float("nan")]]), torch.ones(1, 1), ["a"], "1 of 1 that are NaN"),
        (torch.tensor([[1.5]]), torch.ones(1, 1), ["a"], "outside of"),
        (torch.tensor([[0.5]]), torch.full((1, 1), 0.5), ["a"], "neither 0 nor 1"),
        (torch.rand(2, 2), torch.ones(3, 2), ["a", "b"], r"\(2, 2\) and targets \(3, 2\)"),
        (torch.rand(0, 2), torch.ones(0, 2), ["a", "b"], "at least one of each"),
        (torch.rand(2, 2), torch.ones(2, 2), ["a"], "2 columns, 1 distinct names"),
        (torch.rand(2, 2), torch.ones(2, 2), ["a", "a"], "2 columns, 1 distinct names"),
    ],
)
def test_what_cannot_be_scored_is_named(p: object, y: object, names: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        multilabel_scores(p, y, names)


def test_a_full_task_is_scored_quickly() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random((2000, 71)), (rng.random((2000, 71)) < 0.03).astype(float)
    start = time.process_time()
    score(p, y)
    assert time.process_time() - start < 1.0
