"""What all findings are made of: verdicts, values of axes, an estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["win", "loss", "open"]
"""Of a difference, corrected for the number of comparisons: above 0, below 0, or neither is shown."""

ClaimVerdict = Literal["supported", "contradicted", "mixed", "open", "not tested"]

Axes = tuple[tuple[str, str], ...]
"""Value of each axis, by name, in the study's order."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes:
        estimate: None if there is nothing to estimate from.
        low: None if no interval can be given; `reason` says why.
        high: As `low`.
        p: Two-sided p-value of "no difference", where the estimate is one; before any correction. None where
            nothing can be judged: without an interval, and with one training each.
        seeds: Trainings behind it.
        patients: Test patients behind it.
        method: How it was computed, for a footnote: `patients and seeds`, `patients only`, ...
        reason: Why there is no estimate or no interval, or what weakens it, as a sentence; else empty.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int = 0
    patients: int = 0
    method: str = ""
    reason: str = ""
