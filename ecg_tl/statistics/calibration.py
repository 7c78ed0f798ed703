"""How far probabilities can be trusted, and what a temperature makes of them.

`ecg_tl.metrics` has the same two scores on tensors, as a training logs them. It sums in PyTorch's order, so
that the last digit may differ, and what was logged stays. A test holds the two equal but for this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.decisions import softmax

ECE_BINS = 15
"""Of equal width, in which the calibration error compares probabilities with shares of positives."""


def calibration_error(probabilities: NDArray[np.float64], targets: NDArray[Any]) -> float:
    """Expected calibration error, mean over the classes with answers, as `ecg_tl.metrics` defines it.

    Args:
        probabilities: `(records, classes)`.
        targets: `(records, classes)` of zeros and ones, or of truth values; NaN for no answer.
    """
    answers = (~np.isnan(targets)).sum(axis=0)
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    classes = probabilities.shape[1]
    cells = bins * classes + np.arange(classes)
    excess = np.bincount(
        cells.ravel(), weights=np.nan_to_num(probabilities - targets).ravel(), minlength=ECE_BINS * classes
    )
    there = answers > 0
    by_class = np.abs(excess.reshape(ECE_BINS, classes)).sum(axis=0)[there] / answers[there]
    return float(by_class.mean())


def brier_score(probabilities: NDArray[np.float64], targets: NDArray[Any]) -> float:
    """Mean squared difference of probability and target, over all answers."""
    squares = (probabilities - targets) ** 2
    answered = ~np.isnan(squares)
    return float((squares if answered.all() else squares[answered]).mean())


def temper(
    probabilities: NDArray[np.float64], temperature: float, *, single_choice: bool = False
) -> NDArray[np.float64]:
    """Divide the logits behind probabilities by a temperature; 0 and 1 stay what they are.

    Of a choice these are logarithms of the probabilities, `(records, classes)`, which then sum up to 1 again.
    """
    if single_choice:
        return softmax(np.log(np.maximum(probabilities, 1e-300)) / temperature)
    inside = np.clip(probabilities, 1e-300, 1 - 1e-16)
    scaled = (np.log(inside) - np.log1p(-inside)) / temperature
    tempered = np.exp(-np.logaddexp(0.0, -scaled))
    return np.where((probabilities > 0) & (probabilities < 1), tempered, probabilities)
