"""What lies below the layers that are trained: where it ends, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ecg_tl.signals import Batch
from ecg_tl.tasks.feature_cache import FeatureCache

Vary = Callable[[Tensor, Tensor, int], Tensor]
"""Makes a view of signals `(records, leads, samples)` of these rows `(records,)`, by its number."""


@dataclass(frozen=True)
class FrozenBelow:
    """Layers that stay as they are for a phase of a training.

    Attributes:
        group: The lowest group of layers that is trained; all below it are frozen.
        rows: Of the store.
        kept: What the group begins with, for each record; None to compute it each time.
        views: Augmented views of each training record, which take turns; 0 for records as they are.
        vary: Makes a view.
    """

    group: str
    rows: int
    kept: FeatureCache | None
    views: int = 0
    vary: Vary | None = None

    def view_of_epoch(self, epoch: int) -> int | None:
        """Return which view an epoch trains on, from 0; None for records as they are."""
        return epoch % self.views if self.views else None

    def take(self, batch: Batch, below: Callable[[Tensor, str], Tensor], view: int | None) -> Tensor:
        """Return what the group begins with, for each signal of a batch.

        Args:
            batch: Of records as they are.
            below: Computes it from signals, for a group.
            view: Of the records; None for them as they are.
        """

        def compute(chosen: Tensor | None) -> Tensor:
            signal, index = batch["signal"], batch["index"]
            if chosen is not None:
                signal, index = signal[chosen], index[chosen]
            if view is not None:
                assert self.vary is not None, "views are made by what is given"
                signal = self.vary(signal, index, view)
            return below(signal, self.group)

        if self.kept is None:
            return compute(None).detach()
        return self.kept.take(batch["index"] + self.rows * (0 if view is None else view + 1), compute)
