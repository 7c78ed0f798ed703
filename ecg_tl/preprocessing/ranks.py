"""Each sample's rank within its lead, in place of its value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_tl.preprocessing.step import Signal, Step


@dataclass(frozen=True)
class Rank(Step, name="rank"):
    """Replace every sample by its rank among those of its lead, mapped to `low` to `high`; ties share theirs.

    What is kept of a lead is the order of its samples: any amplitude gives the same, and a lead that is
    constant lies in the middle. As the package openecg does it (`rank_normalize` of opendsp 0.4).

    Attributes:
        low: What the least sample becomes, if no other is as small.
        high: What the greatest becomes.
    """

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise self.wrong("high", self.high, f"a number above low, {self.low:g}")

    def __call__(self, signal: Signal) -> Signal:
        """Rank the samples of each lead."""
        from scipy.stats import rankdata  # takes longer to import than all that a plan of a study needs

        ranks = rankdata(signal.values, axis=1) - 1
        share = ranks / max(signal.values.shape[1] - 1, 1)
        return signal.with_values(np.asarray(self.low + (self.high - self.low) * share))
