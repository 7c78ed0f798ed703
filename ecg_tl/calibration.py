"""Thresholds and a temperature, fitted on validation data once training is over.

Never on test data: both are part of the model, and are kept in its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_tl.metrics import Values, check_predictions, check_shapes

DEFAULT_THRESHOLD = 0.5
TEMPERATURE_RANGE = (0.05, 20.0)
BISECTIONS = 40


@dataclass(frozen=True)
class Calibration:
    """What is decided on validation data.

    Attributes:
        thresholds: Per class: a probability at or over it counts as positive.
        tuned: Per class: whether there were positives enough to choose the threshold; else it is 0.5.
        temperature: Logits are divided by it before the sigmoid.
    """

    thresholds: tuple[float, ...]
    tuned: tuple[bool, ...]
    temperature: float

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        return {**asdict(self), "thresholds": list(self.thresholds), "tuned": list(self.tuned)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Calibration:
        """Take what `as_dict` gave."""
        return cls(tuple(content["thresholds"]), tuple(content["tuned"]), content["temperature"])


def calibrate(logits: Tensor, targets: Tensor) -> Calibration:
    """Choose thresholds and a temperature from validation predictions, both `(records, classes)`.

    Raises:
        SettingError: As `f1_optimal_thresholds`.
    """
    thresholds, tuned = f1_optimal_thresholds(logits.sigmoid(), targets)
    return Calibration(tuple(thresholds.tolist()), tuple(tuned.tolist()), fit_temperature(logits, targets))


def f1_optimal_thresholds(
    probabilities: Values, targets: Values, min_positives: int = 5
) -> tuple[Tensor, Tensor]:
    """Find for each class the threshold at which F1 is greatest.

    All cut points that the probabilities allow are tried, and a threshold lies halfway between the two
    neighbouring probabilities that it parts (below the lowest: halfway to 0), predicting what is at or above
    it. Where several are best, 0.5 is taken if it is among them, else the one nearest to 0.5, and of two
    equally near ones the higher.

    Args:
        probabilities: `(records, classes)`, in [0, 1], of validation records.
        targets: `(records, classes)` of zeros and ones.
        min_positives: With fewer positives a class keeps 0.5: its optimum would be chance.

    Returns:
        Thresholds `(classes,)` in double precision, and which of them were tuned `(classes,)`.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    p, y = check_predictions(probabilities, targets)
    tuned = y.sum(dim=0) >= min_positives
    thresholds = torch.full((p.shape[1],), DEFAULT_THRESHOLD, dtype=torch.float64)
    for k in torch.nonzero(tuned).flatten().tolist():
        thresholds[k] = _best_threshold(p[:, k], y[:, k])
    return thresholds, tuned


def _best_threshold(p: Tensor, y: Tensor) -> float:
    ranked, order = p.sort(descending=True)
    hits = y[order].cumsum(0)
    predicted = torch.arange(1, len(p) + 1, dtype=torch.float64)
    f1 = 2 * hits / (predicted + y.sum())
    lower = torch.cat([ranked[1:], ranked.new_zeros(1)])
    is_cut = ranked > lower  # equal probabilities are not parted
    is_cut[-1] = True
    best = is_cut & (f1 >= f1[is_cut].max() - 1e-12)
    if bool((best & (ranked >= DEFAULT_THRESHOLD) & (lower < DEFAULT_THRESHOLD)).any()):
        return DEFAULT_THRESHOLD
    # In descending order, so that of two equally near ones `argmin` meets the higher first.
    halfway = (ranked + lower) / 2
    candidates = torch.where(halfway > lower, halfway, ranked)[best]  # between neighbouring floats is nothing
    return float(candidates[(candidates - DEFAULT_THRESHOLD).abs().argmin()])


def fit_temperature(logits: Values, targets: Values) -> float:
    """Find the temperature T at which `sigmoid(logits / T)` has the least binary cross-entropy.

    Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) with one T for
    all classes. The loss is convex in 1/T, so bisection on its slope finds the one minimum. T stays between
    0.05 and 20: where logits part the classes without a fault, the loss would fall forever towards T = 0.

    Args:
        logits: `(records, classes)`, finite, of validation records.
        targets: `(records, classes)` of zeros and ones.

    Returns:
        The temperature; 1 where no other is better.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    z = torch.as_tensor(logits).detach().cpu().double()
    y = torch.as_tensor(targets).detach().cpu().double()
    check_shapes(z, y)
    check_predictions(torch.where(z.isfinite(), torch.sigmoid(z), torch.nan), y)

    def slope(temperature: float) -> float:
        """Derivative of the loss by 1/T."""
        return float((z * (torch.sigmoid(z / temperature) - y)).mean())

    cold, hot = TEMPERATURE_RANGE
    for _ in range(BISECTIONS):
        middle = math.sqrt(cold * hot)
        cold, hot = (middle, hot) if slope(middle) > 0 else (cold, middle)
    loss, loss_at_one = (float(F.binary_cross_entropy_with_logits(z / t, y)) for t in (hot, 1.0))
    return hot if loss < loss_at_one else 1.0
