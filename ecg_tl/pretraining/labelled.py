"""Records with labels among those of a pre-training, for the linear probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.pretraining.records import Rows
from ecg_tl.pretraining.sources import lengths_of

if TYPE_CHECKING:
    from ecg_tl.pretraining.data import PretrainingData


@dataclass(frozen=True, eq=False)
class Labelled:
    """A dataset with labels, for the linear probe.

    Attributes:
        data: The pre-training's, which says what of a record the network sees.
        source: The dataset, set up.
        train: Rows to fit on, which were fed.
    """

    data: PretrainingData
    source: EcgDataModule
    train: Rows

    def batches(
        self, part: Literal["train", "validation", "test"], device: torch.device, limit: int | None = None
    ) -> Iterator[tuple[Tensor, NDArray[np.float32]]]:
        """Give the middles of records `(batch, leads, samples)` in mV, and targets `(batch, classes)`."""
        rows = np.sort(self.train if part == "train" else self.source.parts.split.parts()[part])[:limit]
        signals, size = self.source.store.signals(), self.source.batch_size
        resolution = self.source.store_settings.resolution
        for start in range(0, len(rows), size):
            taken = rows[start : start + size]
            signal = torch.from_numpy(np.array(signals[taken])).to(device).float() * resolution
            signal = self.data.middle_of(signal, lengths_of(self.source)[taken])
            yield signal, self.source.parts.targets[taken]
