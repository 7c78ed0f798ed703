"""Which leads in which order, which samples of them, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ecg_tl.limits import SAMPLES
from ecg_tl.preprocessing.step import FLAT, Signal, Step
from ecg_tl.signals import standard_lead


@dataclass(frozen=True)
class Leads(Step, name="leads"):
    """Choose leads by their names, in this order.

    Attributes:
        names: Of the leads; some published networks want aVF before aVL.
    """

    names: Sequence[str]

    def of_leads(self, rows: Sequence[int], names: Sequence[str]) -> Leads:
        """Choose fewer."""
        return Leads(tuple(names))

    def __post_init__(self) -> None:
        names = tuple(standard_lead(name) for name in self.names)
        if not names or len(set(names)) < len(names):
            raise self.wrong("names", list(self.names), "names of leads, each once")
        object.__setattr__(self, "names", names)

    def __call__(self, signal: Signal) -> Signal:
        """Choose the rows."""
        found = [standard_lead(lead) for lead in signal.leads]
        missing = [name for name in self.names if found.count(name) != 1]
        if missing:
            raise self.unfit(
                f"no single lead {', '.join(missing)} among {', '.join(signal.leads)}",
                f"each of {', '.join(self.names)} once",
                "Take recordings that have these leads.",
            )
        rows = [found.index(name) for name in self.names]
        return replace(signal, values=signal.values[rows], leads=tuple(self.names))


@dataclass(frozen=True)
class Flatten(Step, name="flatten"):
    """Lay the leads one after another, into one row."""

    def __call__(self, signal: Signal) -> Signal:
        """Flatten the record."""
        return replace(signal, values=signal.values.reshape(1, -1), leads=FLAT)


@dataclass(frozen=True)
class Unflatten(Step, name="unflatten"):
    """Cut one row into leads of equal length again, after a step that went across their borders.

    Attributes:
        names: Of the leads.
    """

    names: Sequence[str]

    def of_leads(self, rows: Sequence[int], names: Sequence[str]) -> Unflatten:
        """Cut into fewer."""
        return Unflatten(tuple(names))

    def __post_init__(self) -> None:
        if not self.names:
            raise self.wrong("names", list(self.names), "names of leads")

    def __call__(self, signal: Signal) -> Signal:
        """Cut the row."""
        if len(signal.leads) != 1 or signal.values.size % len(self.names):
            raise self.unfit(
                f"{len(signal.leads)} rows of {signal.values.shape[-1]} samples",
                f"one row of a multiple of {len(self.names)} samples",
                "Put the step flatten before it.",
            )
        values = signal.values.reshape(len(self.names), -1)
        return replace(signal, values=values, leads=tuple(self.names))


@dataclass(frozen=True)
class Crop(Step, name="crop"):
    """Keep a number of samples; a shorter signal stays as it is.

    Attributes:
        samples: How many.
        start: The first one that is kept.
    """

    samples: int
    start: int = 0

    def __post_init__(self) -> None:
        if not SAMPLES.holds(self.samples):
            raise self.wrong("samples", self.samples, str(SAMPLES))
        if self.start < 0:
            raise self.wrong("start", self.start, "a whole number of at least 0")

    def __call__(self, signal: Signal) -> Signal:
        """Cut each lead."""
        if self.start >= signal.values.shape[-1]:
            raise self.unfit(
                f"a signal of {signal.values.shape[-1]} samples",
                f"one with a sample number {self.start}",
                "Take longer recordings.",
            )
        return signal.with_values(signal.values[:, self.start : self.start + self.samples])


@dataclass(frozen=True)
class Pad(Step, name="pad"):
    """Add zeros up to a number of samples; a longer signal stays as it is.

    Attributes:
        samples: How many there are then, at least.
        side: Where zeros are added.
    """

    samples: int
    side: Literal["end", "start", "both"] = "end"

    def __post_init__(self) -> None:
        if not SAMPLES.holds(self.samples):
            raise self.wrong("samples", self.samples, str(SAMPLES))

    def __call__(self, signal: Signal) -> Signal:
        """Lengthen each lead."""
        zeros = max(0, self.samples - signal.values.shape[-1])
        before = {"end": 0, "start": zeros, "both": zeros // 2}[self.side]
        return signal.with_values(np.pad(signal.values, ((0, 0), (before, zeros - before))))


@dataclass(frozen=True)
class FillMissing(Step, name="fill_missing"):
    """Give samples that were not measured a value.

    Attributes:
        method: `zero`; `interpolate`, the line between the samples at both sides; `mean`, that of the lead's
            other samples. A lead without any sample becomes 0.
    """

    method: Literal["zero", "interpolate", "mean"] = "zero"

    def __call__(self, signal: Signal) -> Signal:
        """Fill each lead."""
        measured = np.isfinite(signal.values)
        if measured.all():
            return signal
        values = np.where(measured, signal.values, 0.0)
        for lead, known in zip(values, measured, strict=True):
            if self.method == "zero" or not known.any():
                continue
            if self.method == "mean":
                lead[~known] = lead[known].mean()
            else:
                lead[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), lead[known])
        return signal.with_values(values)
