"""Scales: of each lead or of all together, of the record or of the training records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ecg_tl.preprocessing.step import Signal, Step, Values

Over = Literal["lead", "all"]

FLAT_LINE = 1e-12
"""A deviation in millivolts that rounding alone leaves of a lead that is constant."""


@dataclass(frozen=True)
class ZScore(Step, name="z_score"):
    """Subtract the record's mean and divide by its standard deviation.

    Attributes:
        over: Whether each lead has its own, or all leads share theirs.
        eps: Added to the deviation. Without it a constant lead becomes 0.
    """

    scales = True

    over: Over = "lead"
    eps: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eps <= 1:
            raise self.wrong("eps", self.eps, "a number from 0 to 1")

    def __call__(self, signal: Signal) -> Signal:
        """Standardise the record."""
        axis = _axis(self.over)
        centred = signal.values - signal.values.mean(axis=axis, keepdims=True)
        deviation = signal.values.std(axis=axis, keepdims=True)
        return signal.with_values(_divided(centred, deviation, self.eps))


@dataclass(frozen=True)
class MinMax(Step, name="min_max"):
    """Map the record's least value to `low` and its greatest to `high`.

    Attributes:
        over: Whether each lead has its own, or all leads share theirs.
        low: What the least value becomes.
        high: What the greatest becomes.
        eps: Added to the difference of the two. Without it a constant lead becomes `low`.
    """

    scales = True

    over: Over = "lead"
    low: float = 0.0
    high: float = 1.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise self.wrong("high", self.high, f"a number above low, {self.low:g}")
        if not 0 <= self.eps <= 1:
            raise self.wrong("eps", self.eps, "a number from 0 to 1")

    def __call__(self, signal: Signal) -> Signal:
        """Scale the record."""
        axis = _axis(self.over)
        least = signal.values.min(axis=axis, keepdims=True)
        span = signal.values.max(axis=axis, keepdims=True) - least
        return signal.with_values(
            (self.high - self.low) * _divided(signal.values - least, span, self.eps) + self.low
        )


@dataclass(frozen=True)
class TrainingScale(Step, name="training_scale"):
    """Subtract the mean of the training records and divide by their standard deviation.

    Attributes:
        over: Whether each lead has its own, or all leads share theirs.
        mean: Of each lead, or one; what `fit` found.
        deviation: Likewise.
    """

    scales = True

    over: Over = "lead"
    mean: Sequence[float] | None = None
    deviation: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.deviation is None):
            raise self.wrong("deviation", self.deviation, "mean and deviation, or neither")
        if self.mean is None or self.deviation is None:
            return
        if len(self.mean) != len(self.deviation):
            raise self.wrong("deviation", f"{len(self.deviation)} numbers", f"{len(self.mean)}, as of mean")
        if self.over == "all" and len(self.mean) != 1:
            raise self.wrong("mean", f"{len(self.mean)} numbers", "one, for all leads")
        if not all(value > 0 for value in self.deviation):
            raise self.wrong("deviation", min(self.deviation, default=0), "numbers above 0")

    @property
    def is_fitted(self) -> bool:
        """Whether mean and deviation are known."""
        return self.mean is not None

    def of_leads(self, rows: Sequence[int], names: Sequence[str]) -> TrainingScale:
        """Keep the numbers of these leads."""
        if self.mean is None or self.deviation is None or len(self.mean) == 1:
            return self
        mean, deviation = self.mean, self.deviation
        return replace(
            self, mean=tuple(mean[row] for row in rows), deviation=tuple(deviation[row] for row in rows)
        )

    def fit(self, signals: Sequence[Signal]) -> TrainingScale:
        """Learn mean and deviation of all samples of the training records.

        Raises:
            SettingError: If there are none, their leads differ, or one is constant in all of them.
        """
        if not signals or len({signal.leads for signal in signals}) > 1:
            raise self.unfit(
                f"{len(signals)} training records of {len({s.leads for s in signals})} sets of leads",
                "records of the same leads",
                "Put the step leads before it.",
            )
        axis = _axis(self.over)
        count = sum(signal.values.size / (len(signal.leads) if axis == -1 else 1) for signal in signals)
        mean = sum(signal.values.sum(axis=axis, keepdims=True) for signal in signals) / count
        squares = sum(((signal.values - mean) ** 2).sum(axis=axis, keepdims=True) for signal in signals)
        deviation = np.sqrt(squares / count)
        if not (deviation > FLAT_LINE).all():
            raise self.unfit(
                "a lead that is constant in all training records", "leads that vary", "Leave it out."
            )
        return replace(
            self, mean=tuple(np.ravel(mean).tolist()), deviation=tuple(np.ravel(deviation).tolist())
        )

    def __call__(self, signal: Signal) -> Signal:
        """Standardise by what the training records had."""
        if self.mean is None or self.deviation is None:
            raise self.unfit(
                "no mean and deviation", "those of the training records", "Fit the chain to them first."
            )
        if len(self.mean) not in (1, len(signal.leads)):
            raise self.unfit(
                f"{len(signal.leads)} leads", f"{len(self.mean)}, as in training", "Choose the same leads."
            )
        mean, deviation = (np.asarray(x)[:, None] for x in (self.mean, self.deviation))
        return signal.with_values((signal.values - mean) / deviation)


@dataclass(frozen=True)
class Clip(Step, name="clip"):
    """Bring values beyond two bounds back to them.

    Attributes:
        low: The lower bound.
        high: The upper bound.
    """

    scales = True

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise self.wrong("high", self.high, f"a number above low, {self.low:g}")

    def __call__(self, signal: Signal) -> Signal:
        """Clip all values."""
        return signal.with_values(signal.values.clip(self.low, self.high))


def _axis(over: Over) -> int | None:
    return -1 if over == "lead" else None


def _divided(values: Values, by: Values, eps: float) -> Values:
    if eps:
        return values / (by + eps)
    varies = by > FLAT_LINE
    divided: Values = np.where(varies, values / np.where(varies, by, 1.0), 0.0)
    return divided
