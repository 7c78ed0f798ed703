"""Thresholds against brute force, temperatures against known ones."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ecg_tl.calibration import (
    MIN_POSITIVES,
    Calibration,
    calibrate,
    f1_optimal_thresholds,
    fit_temperature,
    sensitivity_thresholds,
    specificity_thresholds,
)
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.metrics import confusion, sensitivity_and_specificity


def f1_at(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    return float(f1_score(y, (p >= threshold).astype(int), zero_division=0))


def column(values: list[float]) -> np.ndarray:
    return np.array(values)[:, None]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 30), st.sampled_from([2, 5, 10**6]))
@pytest.mark.slow
def test_no_threshold_does_better(seed: int, records: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.integers(0, steps + 1, (records, 3)) / steps
    y = (rng.random((records, 3)) < 0.4).astype(float)
    thresholds, tuned = f1_optimal_thresholds(p, y, min_positives=1)
    assert thresholds.dtype == torch.float64
    for k in range(3):
        if not tuned[k]:
            assert y[:, k].sum() == 0
            continue
        best = max(f1_at(p[:, k], y[:, k], cut) for cut in (*np.unique(p[:, k]), 0.5))
        assert f1_at(p[:, k], y[:, k], float(thresholds[k])) == pytest.approx(best)
        if f1_at(p[:, k], y[:, k], 0.5) == pytest.approx(best):
            assert thresholds[k] == 0.5, "0.5 stays where nothing beats it"


def test_the_threshold_lies_between_the_probabilities_that_it_parts() -> None:
    thresholds, _ = f1_optimal_thresholds(column([0.1, 0.2, 0.3, 0.4]), column([0, 0, 1, 1]), min_positives=1)
    assert thresholds.tolist() == pytest.approx([0.25])


def test_all_are_predicted_where_that_is_best() -> None:
    p, y = column([0.02, 0.04, 0.3]), column([1, 1, 1])
    thresholds, _ = f1_optimal_thresholds(p, y, min_positives=1)
    assert thresholds.tolist() == pytest.approx([0.01])


def test_equally_good_thresholds_go_to_the_one_nearest_to_one_half() -> None:
    # Above 0.9 one of two positives is found; above 0.1, both and two negatives: F1 is 2/3 either way.
    p, y = column([0.9, 0.1, 0.09, 0.08]), column([1, 0, 0, 1])
    assert f1_at(p[:, 0], y[:, 0], 0.7) == pytest.approx(f1_at(p[:, 0], y[:, 0], 0.05))
    assert f1_optimal_thresholds(p, y, min_positives=1)[0].tolist() == [0.5]
    low, _ = f1_optimal_thresholds(p / 2, y, min_positives=1)  # now 0.5 predicts nothing
    assert low.tolist() == pytest.approx([0.25])


def test_classes_with_few_positives_keep_one_half() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((50, 2)) * 0.3
    y = np.zeros((50, 2))
    y[:4, 0] = 1
    y[:5, 1] = 1
    thresholds, tuned = f1_optimal_thresholds(p, y)
    assert tuned.tolist() == [False, True]
    assert thresholds[0] == 0.5
    assert thresholds[1] < 0.3


# A sensitivity or a specificity to be reached ---------------------------------------------------------------


def sensitivity_at(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    return float((p[y == 1] >= threshold).mean())


def specificity_at(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    return float((p[y == 0] < threshold).mean())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(10, 40),
    st.sampled_from([3, 10, 10**6]),
    st.one_of(st.sampled_from([0.3, 0.7, 0.9, 1.0]), st.floats(0.01, 1.0)),
)
def test_the_target_is_reached_at_the_least_cost(seed: int, records: int, steps: int, target: float) -> None:
    rng = np.random.default_rng(seed)
    p = rng.integers(0, steps, (records, 2)) / steps  # below 1
    y = (rng.random((records, 2)) < 0.5).astype(float)
    sensitive, found = sensitivity_thresholds(p, y, target, min_positives=1)
    specific, rejected = specificity_thresholds(p, y, target, min_records=1)
    for k in range(2):
        cuts = [*np.unique(p[:, k]), 1.0]
        column_p, column_y = p[:, k], y[:, k]
        if found[k] and (column_y == 0).any():
            assert sensitivity_at(column_p, column_y, float(sensitive[k])) >= target - 1e-9
            reaching = [cut for cut in cuts if sensitivity_at(column_p, column_y, cut) >= target - 1e-9]
            best = max(specificity_at(column_p, column_y, cut) for cut in reaching)
            assert specificity_at(column_p, column_y, float(sensitive[k])) == pytest.approx(best)
        if rejected[k]:
            assert specificity_at(column_p, column_y, float(specific[k])) >= target - 1e-9
            reaching = [cut for cut in cuts if specificity_at(column_p, column_y, cut) >= target - 1e-9]
            best = max(sensitivity_at(column_p, column_y, cut) for cut in reaching)
            assert sensitivity_at(column_p, column_y, float(specific[k])) == pytest.approx(best)
    assert ((sensitive >= 0) & (sensitive <= 1) & (specific >= 0) & (specific <= 1)).all()


def test_a_share_that_rounding_pushes_over_a_whole_number() -> None:
    # 0.7 * 10 is 7.000000000000001: seven of ten positives are enough.
    p, y = column([k / 10 for k in range(1, 11)] + [0.05]), column([1.0] * 10 + [0.0])
    thresholds, _ = sensitivity_thresholds(p, y, 0.7)
    assert thresholds.tolist() == pytest.approx([0.35])


def test_negatives_that_are_certain_cannot_be_rejected() -> None:
    p, y = column([1.0] * 6 + [0.2] * 6), column([0.0] * 6 + [1.0] * 6)
    thresholds, _ = specificity_thresholds(p, y, 1.0)
    assert thresholds.tolist() == [1.0]


def test_without_records_of_both_kinds_one_half_is_kept() -> None:
    p, y = np.full((20, 2), 0.2), np.zeros((20, 2))
    y[:4, 0] = 1  # too few positives
    y[:16, 1] = 1  # too few negatives: of no account to a sensitivity
    assert sensitivity_thresholds(p, y, 0.9)[1].tolist() == [False, True]
    thresholds, tuned = specificity_thresholds(p, y, 0.9)
    assert tuned.tolist() == [False, False]
    assert thresholds.tolist() == [0.5, 0.5]


def drawn(records: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    logits, targets = simulated(2.0, records)
    targets[:, 4] = 0
    targets[:2, 4] = 1
    return logits, targets


def test_the_rule_decides_the_thresholds_and_is_kept() -> None:
    logits, targets = drawn()
    by_rule = {rule: calibrate(logits, targets, rule, 0.8) for rule in ("f1", "sensitivity", "specificity")}
    assert len({made.thresholds for made in by_rule.values()}) == 3
    assert len({made.temperature for made in by_rule.values()}) == 1
    assert [made.target for made in by_rule.values()] == [None, 0.8, 0.8]
    for made in by_rule.values():
        assert made.tuned == (True, True, True, True, False)
        assert made.thresholds[4] == 0.5
        assert Calibration.from_dict(made.as_dict()) == made
    old = {name: by_rule["f1"].as_dict()[name] for name in ("thresholds", "tuned", "temperature")}
    assert Calibration.from_dict(old) == by_rule["f1"], "checkpoints from before there were rules"


def test_the_summary_names_the_classes_that_keep_one_half() -> None:
    names = ["NORM", "MI", "STTC", "HYP", "CD"]
    lines = calibrate(*drawn(), "sensitivity", 0.8).summary(names)
    assert "a sensitivity of 0.8" in lines[0]
    assert "NORM 0." in lines[0]
    assert "CD" not in lines[0]
    assert lines[1].startswith("fewer than 5 positives")
    assert lines[1].endswith("0.5 is kept: CD")
    assert len(calibrate(*simulated(2.0, 80)).summary(names)) == 2, "nothing to say where all were tuned"


@pytest.mark.parametrize(
    ("rule", "target", "named"),
    [
        ("youden", 0.9, "thresholds"),
        ("sensitivity", 0.0, "threshold_target"),
        ("specificity", 90.0, "threshold_target"),
        ("sensitivity", float("nan"), "threshold_target"),
    ],
)
def test_impossible_rules_are_refused(rule: str, target: float, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        calibrate(*drawn(), rule, target)  # type: ignore[arg-type]


def test_sensitivity_and_specificity_are_counted_at_each_classs_threshold() -> None:
    p = np.array([[0.9, 0.2, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.9]])
    y = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1]])
    assert confusion(p, y).tolist() == [[1, 1, 1, 1], [2, 0, 0, 2], [1, 0, 3, 0]]
    sensitivity, specificity = sensitivity_and_specificity(p, y, ["A", "B", "C"], [0.3, 0.4, 0.1])
    assert sensitivity == {"A": 1.0, "B": 1.0, "C": 1.0}
    assert specificity == {"A": 0.5, "B": 0.5}, "C has no negatives"


# The temperature --------------------------------------------------------------------------------------------


def simulated(temperature: float, records: int = 4000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `temperature` times too large for the targets that were drawn."""
    generator = torch.Generator().manual_seed(seed)
    honest = 2 * torch.randn(records, 5, generator=generator, dtype=torch.float64)
    targets = torch.rand(records, 5, generator=generator, dtype=torch.float64) < torch.sigmoid(honest)
    return honest * temperature, targets.double()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_recovers_a_known_scaling(temperature: float) -> None:
    found, reason = fit_temperature(*simulated(temperature))
    assert found == pytest.approx(temperature, rel=0.05)
    assert reason is None


def test_the_temperature_has_the_least_loss() -> None:
    logits, targets = simulated(3.0, records=200)
    best, _ = fit_temperature(logits, targets)
    assert best is not None
    losses = {
        t: float(F.binary_cross_entropy_with_logits(logits / t, targets)) for t in np.linspace(0.1, 15, 600)
    }
    assert F.binary_cross_entropy_with_logits(logits / best, targets) <= min(losses.values()) + 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.floats(0.01, 100), st.floats(0, 1))
def test_the_loss_is_never_worse_and_the_temperature_bounded(
    seed: int, records: int, scale: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(scale * rng.standard_normal((records, 2)))
    targets = torch.from_numpy((rng.random((records, 2)) < share).astype(float))
    temperature, reason = fit_temperature(logits, targets)
    assert (temperature is None) == (reason is not None)
    positives = targets.sum(dim=0)
    if not bool(((positives >= 5) & (records - positives >= 5)).any()):
        assert temperature is None
    if temperature is not None:
        assert 0.05 < temperature < 20
        after = F.binary_cross_entropy_with_logits(logits / temperature, targets)
        assert after <= F.binary_cross_entropy_with_logits(logits, targets)


@pytest.mark.parametrize("sign", [1, -1])
def test_separable_and_hopeless_logits_have_no_temperature(sign: int) -> None:
    targets = torch.tensor([[1.0], [0.0]]).repeat(10, 1)
    temperature, reason = fit_temperature(sign * (4 * targets - 2), targets)
    assert temperature is None
    assert "an end of its range" in str(reason)


def test_logits_that_say_nothing_keep_temperature_one() -> None:
    targets = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).repeat(10, 1)
    assert fit_temperature(torch.zeros(20, 2), targets) == (1.0, None)


@pytest.mark.parametrize(("positives", "negatives"), [(0, 20), (3, 20), (4, 20), (20, 4), (5, 5), (5, 20)])
def test_threshold_and_temperature_have_one_minimum_of_records(positives: int, negatives: int) -> None:
    """Of the twins, the strictest rule for thresholds and the temperature say the same of one class."""
    logits = torch.randn(positives + negatives, 1, generator=torch.Generator().manual_seed(1)).double()
    targets = torch.cat([torch.ones(positives, 1), torch.zeros(negatives, 1)]).double()
    enough = min(positives, negatives) >= MIN_POSITIVES
    _, reason = fit_temperature(logits, targets)
    assert ("5 positives and 5 negatives" in str(reason)) is not enough
    assert calibrate(logits, targets, "specificity").tuned == (enough,)
    assert calibrate(logits, targets, "f1").tuned == (positives >= MIN_POSITIVES,)


@pytest.mark.parametrize("end", [0.05, 0.05 * (1 + 1e-9), 20.0])
def test_a_temperature_at_the_end_of_the_range_in_an_old_file_is_none(end: float) -> None:
    old = {"thresholds": [0.5], "tuned": [False], "temperature": end}
    calibration = Calibration.from_dict(old)
    assert calibration.temperature is None
    assert calibration.scaled(torch.zeros(1, 1)) is None
    assert "uncalibrated: the best temperature lay at an end" in calibration.summary(["A"])[-1]
    assert Calibration.from_dict(calibration.as_dict()) == calibration
    assert Calibration.from_dict(old | {"temperature": 19.0}).temperature == 19.0


def test_the_result_is_the_same_every_time_and_a_plain_float() -> None:
    logits, targets = simulated(2.0, records=50)
    results = {fit_temperature(logits.float(), targets)[0] for _ in range(3)}
    assert len(results) == 1
    assert type(results.pop()) is float


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_of_a_diverged_training_are_refused(bad: float) -> None:
    with pytest.raises(SettingError, match="1 of 2 that are NaN"):
        fit_temperature(torch.tensor([[bad, 0.0]]), torch.ones(1, 2))


def test_shapes_are_checked() -> None:
    with pytest.raises(SettingError, match="records, classes"):
        fit_temperature(torch.zeros(3, 2), torch.zeros(2, 2))
    with pytest.raises(SettingError, match="records, classes"):
        f1_optimal_thresholds(torch.zeros(0, 2), torch.zeros(0, 2))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
_WRITTEN: dict[str, Any] = Calibration((0.3, 0.5), (True, False), 1.5, "sensitivity", 0.9).as_dict()


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(entry=st.sampled_from(sorted(_WRITTEN)), value=_VALUES)
def test_a_strangers_calibration_is_of_the_declared_types_or_refused(entry: str, value: Any) -> None:
    try:
        read = Calibration.from_dict(_WRITTEN | {entry: value}, ["A", "B"], "x.ckpt")
    except CheckpointError:
        return
    assert len(read.thresholds) == len(read.tuned) == 2
    assert all(0 <= one <= 1 for one in read.thresholds)
    assert all(isinstance(one, bool) for one in read.tuned)
    scaled = read.scaled(torch.ones(1, 2))
    assert scaled is None or bool(scaled.isfinite().all())
    assert read.summary(["A", "B"])


@pytest.mark.parametrize("entry", ["thresholds", "tuned", "temperature"])
def test_a_calibration_without_an_entry_is_refused(entry: str) -> None:
    content = {name: value for name, value in _WRITTEN.items() if name != entry}
    with pytest.raises(CheckpointError, match=f"no {entry}"):
        Calibration.from_dict(content)
