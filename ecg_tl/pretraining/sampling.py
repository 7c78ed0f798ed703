"""Batches out of several stores, and the order in which their records come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, DistributedSampler

from ecg_tl.datamodules.batches import StoredBatch
from ecg_tl.errors import SettingError
from ecg_tl.store.parts import Signals

Rows = NDArray[np.int64]


class MixedRows(Dataset[StoredBatch]):
    """Rows of several stores, one after the other, fetched a whole batch at a time.

    Args:
        signals: For each store `int16 (records, leads, samples)`; None where the device holds them.
        rows: For each store the rows that are used.
    """

    def __init__(self, signals: Sequence[Signals | None], rows: Sequence[Rows]) -> None:
        self.signals = list(signals)
        self.rows = list(rows)
        self.starts = np.cumsum([0, *(len(one) for one in rows)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, position: int) -> StoredBatch:
        return self.__getitems__([position])

    def __getitems__(self, positions: Sequence[int]) -> StoredBatch:
        """Gather the records at `positions`, in that order; `index` is the positions themselves."""
        index = np.asarray(positions, dtype=np.int64)
        batch: StoredBatch = {
            "signal": torch.empty(0, dtype=torch.int16),
            "target": torch.zeros(len(index), 0),
            "index": torch.from_numpy(index),
        }
        if any(one is None for one in self.signals):
            return batch
        source = np.searchsorted(self.starts, index, side="right") - 1
        gathered: NDArray[np.int16] | None = None
        for number, signals in enumerate(self.signals):
            here = np.flatnonzero(source == number)
            if not len(here) or signals is None:
                continue
            if gathered is None:
                gathered = np.empty((len(index), *signals.shape[1:]), dtype=np.int16)
            gathered[here] = signals[self.rows[number][index[here] - self.starts[number]]]
        if gathered is not None:
            batch["signal"] = torch.from_numpy(gathered)
        return batch


class WeightedSampler(DistributedSampler[int]):
    """The records of an epoch, a function of seed and epoch; every `world`-th of them is this process's.

    Each dataset gives its share of the epoch. It goes through its records in a new order each time that it
    has given all of them, and goes on in the next epoch where it stopped in the last: after many epochs no
    record has come more than once more often than another of its dataset.

    Args:
        part: The records.
        world: Processes.
        rank: Which one this is.
        seed: Decides the order, with the epoch.
        weights: Of each dataset, positive.
        size: Records an epoch, over all processes; each process gets as many.

    Raises:
        SettingError: If there are fewer records an epoch than processes.
    """

    def __init__(
        self, part: MixedRows, world: int, rank: int, *, seed: int, weights: Sequence[float], size: int
    ) -> None:
        super().__init__(part, world, rank, shuffle=True, seed=seed)
        if size < world:
            raise SettingError(
                "devices",
                f"{world} processes",
                f"at most {size}, as many as records an epoch",
                "Use fewer devices or more records.",
            )
        self.num_samples = size // world
        self.total_size = self.num_samples * world
        self.starts = part.starts
        self.shares = _shares(self.total_size, weights)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.epoch)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def order(self, epoch: int) -> Rows:
        """Return the positions of an epoch's records, over all processes."""
        given = [self._given(source, epoch) for source in range(len(self.shares))]
        mixed = np.concatenate(given)
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, epoch)))
        order: Rows = mixed[rng.permutation(len(mixed))]
        return order

    def _given(self, source: int, epoch: int) -> Rows:
        records = int(self.starts[source + 1] - self.starts[source])
        first, after = epoch * self.shares[source], (epoch + 1) * self.shares[source]
        rounds = range(first // records, -(-after // records))
        positions = [self._round(source, number, records) for number in rounds]
        whole = np.concatenate([np.zeros(0, dtype=np.int64), *positions])
        offset = first - rounds.start * records
        given: Rows = whole[offset : offset + self.shares[source]] + self.starts[source]
        return given

    def _round(self, source: int, number: int, records: int) -> Rows:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, source, number)))
        order: Rows = rng.permutation(records)
        return order


def _shares(size: int, weights: Sequence[float]) -> list[int]:
    """Divide an epoch among datasets by their weights; what is left over goes to the largest remainders."""
    wanted = np.asarray(weights, dtype=np.float64) / sum(weights) * size
    shares = np.floor(wanted).astype(int)
    by_remainder = np.argsort(-(wanted - shares), kind="stable")
    shares[by_remainder[: size - int(shares.sum())]] += 1
    return [int(share) for share in shares]
