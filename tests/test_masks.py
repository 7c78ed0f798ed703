"""A question without an answer: the record counts for its other classes, and for this one it is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecg_tl.calibration import calibrate, fit_temperature
from ecg_tl.datamodules.parts import divide
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets.base import UNANSWERED, LabelClass, LabelRule, record_table
from ecg_tl.errors import SettingError
from ecg_tl.metrics import confusion, multilabel_scores, sensitivity_and_specificity
from ecg_tl.splits import patient_split
from ecg_tl.statistics.calibration import brier_score, calibration_error
from ecg_tl.statistics.resampling import PatientResamples, resample_patients
from ecg_tl.statistics.scoring import score_run
from ecg_tl.stratification import group_counts
from ecg_tl.tasks.loss import classification_loss
from ecg_tl.transfer.transferability import linear_probe_score, logme, melep

NAMES = ("A", "B", "C")


@st.composite
def masked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets of three classes, with answers that are missing at random."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    records = draw(st.integers(1, 60))
    logits = rng.normal(0, 2, (records, 3)).round(1)
    targets = (rng.random((records, 3)) < rng.choice([0.0, 0.3, 0.5, 1.0], 3)).astype(float)
    targets[rng.random((records, 3)) < rng.choice([0.0, 0.3, 1.0], 3)] = np.nan
    return logits, targets


def column(values: np.ndarray, targets: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Leave the records without an answer to one class out, and the other classes as well."""
    answered = ~np.isnan(targets[:, k])
    return values[answered, k : k + 1], targets[answered, k : k + 1]


@settings(max_examples=25, deadline=None)
@given(masked())
def test_a_masked_answer_scores_as_if_the_record_were_left_out_for_that_class(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, y = drawn
    assume(not np.isnan(y).all())
    p = 1 / (1 + np.exp(-logits))
    scores = multilabel_scores(p, y, NAMES)
    sensitivity, specificity = sensitivity_and_specificity(p, y, NAMES)
    counts = confusion(p, y)
    eces = []
    for k, name in enumerate(NAMES):
        p_k, y_k = column(p, y, k)
        if not len(p_k):
            assert all(name not in table for table in (scores.auroc, scores.auprc, scores.f1))
            assert (scores.support[name], scores.unanswered[name]) == (0, len(y))
            continue
        alone = multilabel_scores(p_k, y_k, [name])
        for metric in ("auroc", "auprc", "f1", "support"):
            assert getattr(scores, metric).get(name) == getattr(alone, metric).get(name)
        assert scores.unanswered.get(name, 0) == len(y) - len(y_k)
        alone_both = sensitivity_and_specificity(p_k, y_k, [name])
        assert (sensitivity.get(name), specificity.get(name)) == tuple(one.get(name) for one in alone_both)
        assert counts[k].tolist() == confusion(p_k, y_k)[0].tolist()
        eces.append(alone.ece)
    assert scores.ece == pytest.approx(np.mean(eces), abs=1e-12)
    assert scores.brier == pytest.approx(np.nanmean((p - y) ** 2), abs=1e-12)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(masked())
def test_fmax_of_each_record_is_over_the_classes_that_it_has_an_answer_to(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, y = drawn
    assume(not np.isnan(y).all())
    p = 1 / (1 + np.exp(-logits))
    best = 0.0
    for threshold in np.unique(p[~np.isnan(y)]):
        given_ = (p >= threshold) & ~np.isnan(y)
        precisions = [y[i][given_[i]].mean() for i in range(len(p)) if given_[i].any()]
        recalls = [given_[i][y[i] == 1].mean() for i in range(len(p)) if (y[i] == 1).any()]
        if precisions and recalls and np.mean(precisions) + np.mean(recalls) > 0:
            a, b = np.mean(precisions), np.mean(recalls)
            best = max(best, 2 * a * b / (a + b))
    assert multilabel_scores(p, y, NAMES).fmax == pytest.approx(best, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(masked(), st.sampled_from(["f1", "sensitivity", "specificity"]))
def test_thresholds_of_a_class_are_those_of_the_records_with_an_answer(
    drawn: tuple[np.ndarray, np.ndarray], rule: str
) -> None:
    logits, y = (torch.as_tensor(values) for values in drawn)
    assume(not bool(y.isnan().all()))
    chosen = calibrate(logits, y, rule)  # type: ignore[arg-type]
    for k in range(len(NAMES)):
        z_k, y_k = (torch.as_tensor(values) for values in column(logits.numpy(), y.numpy(), k))
        if len(y_k):
            alone = calibrate(z_k, y_k, rule)  # type: ignore[arg-type]
            # Torch's sigmoid rounds the last digit by where in memory a value lies.
            assert chosen.thresholds[k] == pytest.approx(alone.thresholds[0], rel=1e-12)
            assert chosen.tuned[k] == alone.tuned[0]
        else:
            assert (chosen.thresholds[k], chosen.tuned[k]) == (0.5, False)


@settings(max_examples=15, deadline=None)
@given(masked())
def test_temperature_of_one_class_is_that_of_its_records_with_an_answer(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    z, y = (values[:, :1] for values in drawn)
    assume(not np.isnan(y).all())
    kept = column(z, y, 0)
    temperature, reason = fit_temperature(z, y)
    alone, alone_reason = fit_temperature(*kept)
    assert temperature == (None if alone is None else pytest.approx(alone))
    assert (reason is None) == (alone_reason is None)


@settings(max_examples=25, deadline=None)
@given(masked())
def test_loss_is_the_mean_over_answers_and_no_gradient_flows_where_there_is_none(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    z = torch.tensor(drawn[0], dtype=torch.float32, requires_grad=True)
    y = torch.tensor(drawn[1], dtype=torch.float32)
    answered = ~y.isnan()
    loss = classification_loss(z, y, masked=True)
    loss.backward()
    assert z.grad is not None
    assert not z.grad[~answered].any()
    if bool(answered.any()):
        expected = F.binary_cross_entropy_with_logits(z[answered], y[answered])
        torch.testing.assert_close(loss, expected)
        assert bool((z.grad[answered] != 0).any())
    else:
        assert float(loss.detach()) == 0.0


def test_loss_of_targets_without_nan_is_what_torch_computes_to_the_last_bit() -> None:
    z, y = torch.randn(64, 5), (torch.rand(64, 5) < 0.3).float()
    plain = F.binary_cross_entropy_with_logits(z, y)
    assert torch.equal(classification_loss(z, y), plain)
    assert torch.equal(classification_loss(z, y, masked=False), plain)


def test_targets_without_any_answer_are_no_predictions_to_score() -> None:
    with pytest.raises(SettingError, match="no answer to any class"):
        multilabel_scores(np.full((3, 1), 0.5), np.full((3, 1), np.nan), ["A"])


# Labels ---------------------------------------------------------------------------------------------------

RULE = LabelRule(
    (
        LabelClass("NORM", frozenset()),
        LabelClass("A", frozenset({"a", "a2"})),
        LabelClass("B", frozenset({"b"})),
    ),
    negative="NORM",
)


def test_a_class_is_unknown_where_one_of_its_codes_has_no_answer_and_none_is_present() -> None:
    codes = [(), ("a2",), ("b",), (), ()]
    unanswered = [("a",), ("a",), ("a", "a2"), ("other",), ("a", "b")]
    nan = np.nan
    np.testing.assert_array_equal(
        RULE.targets(codes, unanswered), [[nan, nan, 0], [0, 1, 0], [0, nan, 1], [1, 0, 0], [nan, nan, nan]]
    )


@pytest.mark.slow
@given(st.lists(st.sets(st.sampled_from(["a", "a2", "b", "other"])), min_size=1, max_size=20))
def test_a_table_without_the_column_and_one_without_gaps_give_the_same_targets(codes: list[set[str]]) -> None:
    plain = RULE.targets(codes)
    np.testing.assert_array_equal(RULE.targets(codes, [()] * len(codes)), plain)
    assert np.isin(plain, (0, 1)).all()


# Splits ---------------------------------------------------------------------------------------------------


def test_answers_are_spread_over_the_parts_as_positives_are() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((3000, 2)) < 0.3).astype(float)
    targets[rng.random(3000) < 0.97, 1] = np.nan  # 90 answers
    split = patient_split(targets, list(range(3000)), (0.7, 0.1, 0.2))
    answers = [int((~np.isnan(targets[rows, 1])).sum()) for rows in split.parts().values()]
    shares = np.array(answers) / sum(answers)
    np.testing.assert_allclose(shares, (0.7, 0.1, 0.2), atol=0.02)


@given(st.integers(0, 2**32 - 1))
def test_targets_without_nan_are_stratified_by_the_counts_they_always_were(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((20, 3)) < 0.3).astype(np.float32)
    sizes, counts = group_counts(targets, np.arange(20))
    assert sizes.tolist() == [1] * 20
    np.testing.assert_array_equal(counts, np.column_stack([targets, ~targets.any(axis=1)]))


def record(number: int, codes: tuple[str, ...], unanswered: tuple[str, ...], fold: int) -> dict[str, object]:
    return {
        "record_id": str(number),
        "patient_id": None,
        "path": str(number),
        "sampling_rate": 500.0,
        "length": 10,
        "fold": fold,
        "age": 50.0,
        "sex": "F",
        "codes": codes,
        UNANSWERED: unanswered,
        "first_row": number,
    }


def test_records_without_any_answer_are_in_no_part_and_a_class_without_one_in_a_part_is_named(
    tmp_path: Path,
) -> None:
    rule = LabelRule((LabelClass("A", frozenset({"a"})), LabelClass("B", frozenset({"b"}))))
    rows = [
        record(0, ("a",), (), 1),
        record(1, ("b",), ("a",), 1),
        record(2, (), (), 1),
        record(3, (), ("a", "b"), 1),
        record(4, ("a",), ("b",), 2),
        record(5, (), ("a",), 3),
    ]
    parts = divide(record_table(rows, tmp_path), rule, SplitSettings(), drop_unlabelled=False, where=tmp_path)
    assert [rows.tolist() for rows in parts.split.parts().values()] == [[0, 1, 2], [4], [5]]
    assert (parts.unanswered, parts.unlabelled) == (1, 2)
    assert parts.without_answer() == {"validation": ["B"], "test": ["A"]}
    said = "\n".join(parts.summary())
    assert "A 1/1/0 of 2/1/0, B 1/0/0 of 3/0/1" in said
    assert "no answer in validation: B" in said
    assert "1 records have no answer to any class: left out" in said
    described = parts.describe()
    assert described["answered"]["train"] == {"A": 2, "B": 3}
    assert described["support"]["test"] == {"A": 0, "B": 0}


# Statistics -----------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_resampled_scores_of_a_class_are_those_of_its_records_with_an_answer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((80, 2)) < 0.4).astype(float)
    targets[rng.random(80) < 0.5, 1] = np.nan
    p = (targets > 0) * 0.3 + rng.random((80, 2)) * 0.7
    patients = np.arange(80) // 2
    draws = resample_patients(targets, patients, resamples=128)
    scores = score_run(p, np.full(2, 0.5), draws)
    kept = ~np.isnan(targets[:, 1])
    # The same weights, of the records that are left: another drawing would give other ones.
    alone = PatientResamples(
        targets=targets[kept, 1:] == 1,
        answered=np.ones((int(kept.sum()), 1), dtype=bool),
        patient_of=draws.patient_of[kept],
        weights=draws.weights,
        scored=np.array([True]),
    )
    expected = score_run(p[kept, 1:], np.full(1, 0.5), alone)
    if draws.scored[1]:
        np.testing.assert_allclose(scores.auroc_resampled[1], expected.auroc_resampled[0])
        np.testing.assert_allclose(scores.influence[1], expected.influence[0])
        assert scores.auprc[1] == pytest.approx(expected.auprc[0])
    full = score_run(p[:, :1], np.full(1, 0.5), resample_patients(targets[:, :1], patients, resamples=128))
    assert scores.f1.macro == pytest.approx((full.f1.macro + expected.f1.macro) / 2)


def test_a_class_without_answers_is_in_no_mean_of_a_resample() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 2)) < 0.5).astype(float)
    targets[:, 1] = np.nan
    p = rng.random((40, 2))
    scores = score_run(p, np.full(2, 0.5), resample_patients(targets, np.arange(40), resamples=128))
    alone = score_run(p[:, :1], np.full(1, 0.5), resample_patients(targets[:, :1], np.arange(40), 128))
    assert not scores.resamples.scored[1]
    assert scores.f1.macro == alone.f1.macro
    assert scores.quantity("auroc_macro")[0] == alone.quantity("auroc_macro")[0]


@settings(max_examples=25, deadline=None)
@given(masked())
def test_calibration_of_arrays_and_of_tensors_is_one(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, y = drawn
    assume(not np.isnan(y).all())
    p = 1 / (1 + np.exp(-logits))
    scores = multilabel_scores(p, y, NAMES)
    assert calibration_error(p, y) == pytest.approx(scores.ece, abs=1e-12)
    assert brier_score(p, y) == pytest.approx(scores.brier, abs=1e-12)


# What an upstream promises --------------------------------------------------------------------------------


def test_transferability_of_a_class_is_that_of_the_records_with_an_answer() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random((60, 3)) < 0.4).astype(float)
    x = rng.normal(size=(60, 5)) + y[:, :1]
    p = 1 / (1 + np.exp(-x[:, :2]))
    y[rng.random(60) < 0.4, 1] = np.nan
    y[:, 2] = np.nan
    kept = ~np.isnan(y[:, 1])
    explained = melep(p, y)
    for k, rows in ((0, np.ones(60, dtype=bool)), (1, kept)):
        alone = melep(p[rows], y[rows, k : k + 1])
        assert explained.by_class[k] == pytest.approx(alone.by_class[0])
        assert explained.weights[k] == pytest.approx(alone.weights[0])
        assert logme(x, y).by_class[k] == pytest.approx(logme(x[rows], y[rows, k : k + 1]).by_class[0])
        probed = linear_probe_score(x, y, x, y).by_class[k]
        assert (
            probed == linear_probe_score(x[rows], y[rows, k : k + 1], x[rows], y[rows, k : k + 1]).by_class[0]
        )
    assert explained.weights[2] == 0
    assert np.isnan(logme(x, y).by_class[2])
    assert np.isnan(linear_probe_score(x, y, x, y).by_class[2])
