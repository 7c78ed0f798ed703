"""Thresholds against brute force, temperatures against known ones."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ecg_tl.calibration import f1_optimal_thresholds, fit_temperature
from ecg_tl.errors import SettingError


def f1_at(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    return float(f1_score(y, (p >= threshold).astype(int), zero_division=0))


def column(values: list[float]) -> np.ndarray:
    return np.array(values)[:, None]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 30), st.sampled_from([2, 5, 10**6]))
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


def simulated(temperature: float, records: int = 4000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `temperature` times too large for the targets that were drawn."""
    generator = torch.Generator().manual_seed(seed)
    honest = 2 * torch.randn(records, 5, generator=generator, dtype=torch.float64)
    targets = torch.rand(records, 5, generator=generator, dtype=torch.float64) < torch.sigmoid(honest)
    return honest * temperature, targets.double()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_recovers_a_known_scaling(temperature: float) -> None:
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_has_the_least_loss() -> None:
    logits, targets = simulated(3.0, records=200)
    best = fit_temperature(logits, targets)
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
    temperature = fit_temperature(logits, targets)
    assert 0.05 <= temperature <= 20
    after = F.binary_cross_entropy_with_logits(logits / temperature, targets)
    assert after <= F.binary_cross_entropy_with_logits(logits, targets)


def test_separable_and_hopeless_logits_stay_in_range() -> None:
    targets = torch.tensor([[1.0], [0.0]])
    separable = torch.tensor([[2.0], [-2.0]])
    assert fit_temperature(separable, targets) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(-separable, targets) == pytest.approx(20, rel=1e-3)


def test_logits_that_say_nothing_keep_temperature_one() -> None:
    assert fit_temperature(torch.zeros(4, 2), torch.ones(4, 2)) == 1.0


def test_the_result_is_the_same_every_time_and_a_plain_float() -> None:
    logits, targets = simulated(2.0, records=50)
    results = {fit_temperature(logits.float(), targets) for _ in range(3)}
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
