"""How far probabilities can be trusted, and what a temperature makes of them.

`ecg_tl.metrics` has the same two scores on tensors, as a training logs them. It sums in PyTorch's order, so
that the last digit may differ, and what was logged stays. A test holds the two equal but for this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15
"""Of equal width, in which the calibration error compares probabilities with shares of positives."""


def calibration_error(probabilities: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Expected calibration error, mean over classes, as `ecg_tl.metrics` defines it."""
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    classes = probabilities.shape[1]
    cells = bins * classes + np.arange(classes)
    excess = np.bincount(
        cells.ravel(), weights=(probabilities - targets).ravel(), minlength=ECE_BINS * classes
    )
    by_class = np.abs(excess.reshape(ECE_BINS, classes)).sum(axis=0) / len(probabilities)
    return float(by_class.mean())


def brier_score(probabilities: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Mean squared difference of probability and target."""
    return float(((probabilities - targets) ** 2).mean())


def temper(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide the logits behind probabilities by a temperature; 0 and 1 stay what they are."""
    inside = np.clip(probabilities, 1e-300, 1 - 1e-16)
    scaled = (np.log(inside) - np.log1p(-inside)) / temperature
    tempered = np.exp(-np.logaddexp(0.0, -scaled))
    return np.where((probabilities > 0) & (probabilities < 1), tempered, probabilities)
