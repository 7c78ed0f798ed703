"""From rows of a store to batches, and samplers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from ecg_tl.store.parts import Signals


class StoredBatch(TypedDict):
    """A batch as it leaves a worker: digital values, or none where the device holds them.

    `signal (batch, leads, samples)` int16 steps of 1 µV, or `(0,)` if the signals live on the device.
    """

    signal: Tensor
    target: Tensor
    index: Tensor


class StoreRows(Dataset[StoredBatch]):
    """Rows of a store, fetched a whole batch at a time.

    `__getitems__` is what PyTorch's fetcher calls with all indices of a batch where it exists: one gather, no
    Python work a record.

    Args:
        signals: `int16 (records, leads, samples)`: mapped or an array; None if the device holds them.
        targets: `float32 (records, classes)`, for every row of the store.
        rows: The store's rows that belong to this part of the split.
    """

    def __init__(
        self, signals: Signals | None, targets: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> None:
        self.signals = signals
        self.targets = torch.from_numpy(targets)
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> StoredBatch:
        return self.__getitems__([position])

    def __getitems__(self, positions: Sequence[int]) -> StoredBatch:
        """Gather the rows at `positions` of this part, in that order."""
        rows = self.rows[np.asarray(positions)]
        index = torch.from_numpy(rows)
        signal = (
            torch.empty(0, dtype=torch.int16)
            if self.signals is None
            else torch.from_numpy(np.ascontiguousarray(self.signals[rows]))
        )
        return {"signal": signal, "target": self.targets[index], "index": index}


def as_is(batch: Any) -> Any:
    """Collate nothing: `StoreRows` already gives whole batches."""
    return batch


class ShardSampler(DistributedSampler[int]):
    """Every `num_shards`-th record in order, each exactly once over all shards.

    For evaluation: `torch.utils.data.DistributedSampler` repeats records to make shards equal, which counts
    them twice in every score. This is one by name only: under DDP, Lightning would shard whatever any other
    sampler gives once more.

    Args:
        part: The records.
        num_shards: How many processes there are.
        shard: Which one this is, from 0.
    """

    def __init__(self, part: StoreRows, num_shards: int, shard: int) -> None:
        super().__init__(part, num_shards, shard, shuffle=False)
        self.positions = range(shard, len(part), num_shards)

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)
