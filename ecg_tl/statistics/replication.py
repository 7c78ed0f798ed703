"""What was repeated: splits of the patients, trainings of the upstream, trainings; and their variance.

A training is numbered by its split and its seed; on the first split the number is the seed. Where several
splits were run, the mean over the trainings of each is one value, and the spread between these values, less
what other test patients put into it, is what the variance of the whole holds (`ecg_tl.statistics.intervals`):
splits take the part that seeds have with one split. Where each of several trainings of an upstream has
trainings of its own, these are the values. With both, the two variances are added, less that of single
trainings, which both count.

Test sets of several splits share patients. All are resampled together, a patient with the same weight in each
test set that holds them, so that what splits share is not taken for as many patients as there are tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.resampling import Floats

STRIDE = 2**32
"""Above every seed."""


def number_of(split: int, seed: int) -> int:
    """Number a training."""
    return split * STRIDE + seed


def split_of(number: int) -> int:
    """Give the split of a training; 0 is the dataset's own or the first that is drawn."""
    return number // STRIDE


def seed_of(number: int) -> int:
    """Give the seed of a training."""
    return number % STRIDE


def training_words(number: int) -> str:
    """Name a training: its seed, and its split if that is not the first."""
    split = split_of(number)
    return f"split {split} seed {seed_of(number)}" if split else str(seed_of(number))


def count_splits(numbers: Sequence[int]) -> int:
    """Count the splits of some trainings."""
    return len({split_of(number) for number in numbers})


@dataclass(frozen=True)
class UnitVariances:
    """Variance of a mean over what was repeated.

    Attributes:
        of_units: The sample variance of the units over their number; `V_seeds` of the intervals' model.
        of_both: What patients put into it; `V_both`.
        degrees: Units less one.
        kind: `seed`, `split`, `upstream` or `split and upstream`.
    """

    of_units: float
    of_both: float
    degrees: float
    kind: str


def unit_variances(
    numbers: Sequence[int], upstreams: Sequence[int], values: Floats, resampled: Floats
) -> UnitVariances | None:
    """Estimate them; None with one training.

    Args:
        numbers: Of the trainings, `S`.
        upstreams: Which training of the upstream each starts from; empty where that is no question.
        values: `(S,)`.
        resampled: `(S, resamples)`, all finite.
    """
    if len(values) < 2:
        return None
    single = _variances(values, resampled)
    by_split = np.unique([split_of(number) for number in numbers], return_inverse=True)[1]
    by_upstream = (
        np.unique(upstreams, return_inverse=True)[1] if len(upstreams) == len(values) else by_split * 0
    )
    found = {
        kind: (*_variances(*_means(groups, values, resampled)), float(groups.max()))
        for kind, groups in (("split", by_split), ("upstream", by_upstream))
        if groups.max() > 0
    }
    if not found:
        return UnitVariances(*single, len(values) - 1.0, "seed")
    if len(found) == 1:
        ((kind, variances),) = found.items()
        return UnitVariances(*variances, kind)
    first, second = found.values()
    of_units = max(first[0] + second[0] - single[0], first[0], second[0])
    return UnitVariances(of_units, max(first[1], second[1]), min(first[2], second[2]), "split and upstream")


def _means(groups: NDArray[np.int64], values: Floats, resampled: Floats) -> tuple[Floats, Floats]:
    shares = (groups == np.arange(groups.max() + 1)[:, None]).astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares @ values, shares @ resampled


def _variances(values: Floats, resampled: Floats) -> tuple[float, float]:
    """Give `V_seeds` and `V_both` of a mean over two values or more; see `ecg_tl.statistics.intervals`."""
    number = len(values)
    own = resampled - resampled.mean(axis=0)
    return float(values.var(ddof=1)) / number, float(own.var(axis=1, ddof=1).mean()) / (number - 1)
