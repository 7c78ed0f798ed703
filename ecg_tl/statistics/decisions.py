"""What probabilities decide: each class by its threshold, or the most probable of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_PROBABLE: Final = "most_probable"
"""In place of what thresholds are chosen for, where there are none."""


def decided(
    probabilities: NDArray[Any], thresholds: Sequence[float] | NDArray[Any] | None
) -> NDArray[np.bool_]:
    """Say which classes are given, `(records, classes)`.

    Args:
        probabilities: `(records, classes)`.
        thresholds: `(classes,)`: a class is given where its probability is at or above its own. None where
            one of the classes is chosen: the most probable, of equally probable ones the first.
    """
    values = np.asarray(probabilities)
    if thresholds is not None:
        return np.asarray(values >= np.asarray(thresholds))
    return np.asarray(np.arange(values.shape[1]) == values.argmax(axis=1)[:, None])


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits into probabilities that sum up to 1 over the last axis."""
    values = np.asarray(logits, dtype=np.float64)
    return np.asarray(np.exp(values - np.logaddexp.reduce(values, axis=-1, keepdims=True)))
