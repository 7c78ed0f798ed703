"""Crops: a network takes less than a record, in training at random, and where it is judged all of it.

In training each record gives one window, drawn from the run's seed, the epoch and the record alone: whichever
process or batch the record is in, and whether the training was cut off and resumed or not. Where records are
judged, each gives all of its windows, and the task takes the mean of their probabilities
(`ecg_tl.tasks.predictions.join_windows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.limits import DURATION, require, shown
from ecg_tl.store.resample import window_starts

_STREAM = 0x43524F50
"""Parts these random numbers from others of the same seed and epoch."""


@dataclass(frozen=True)
class Crops:
    """What a network takes of a record.

    Attributes:
        samples: Of a window.
        record_samples: Of a stored record.
        stride: Samples from one window to the next where records are judged; None for as few windows as
            cover the record.
    """

    samples: int
    record_samples: int
    stride: int | None = None

    def describe(self) -> dict[str, int | str | None]:
        """Say it in primitives, for a checkpoint."""
        return {
            "record_samples": self.record_samples,
            "stride_samples": self.stride,
            "aggregation": "mean of probabilities",
        }

    def drawn(self, lengths: NDArray[np.int64], rows: NDArray[np.int64], seed: int, epoch: int) -> Tensor:
        """Draw where the window of each record begins in an epoch: `int64 (records,)`, in samples.

        Args:
            lengths: `(records,)`: samples of each that are no padding; windows lie within.
            rows: `(records,)`: in the store.
            seed: Of the run.
            epoch: Counted from 0.
        """
        free = np.maximum(lengths - self.samples, 0).astype(np.uint64) + np.uint64(1)
        return torch.from_numpy((_hashed(rows, seed, epoch) % free).astype(np.int64))

    def all_of(self, lengths: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Say where all windows of records begin: `(windows,)`, and how many each has: `(records,)`."""
        starts = [_starts(int(length), self.samples, self.stride) for length in lengths]
        counts = torch.tensor([len(one) for one in starts])
        return torch.tensor([start for one in starts for start in one]), counts

    def cut(self, signal: Tensor, starts: Tensor) -> Tensor:
        """Cut one window out of each signal `(signals, leads, samples)`, where it begins."""
        # Indices travel to the signals' device, never back.
        positions = starts.to(signal.device)[:, None] + torch.arange(self.samples, device=signal.device)
        return signal.gather(2, positions[:, None, :].expand(-1, signal.shape[1], -1))


def make_crops(
    seconds: float | None, stride_seconds: float | None, sampling_rate: float, record_samples: int
) -> Crops | None:
    """Make crops of settings in seconds; None where records are taken whole.

    Raises:
        SettingError: If a duration is none, is less than a sample or more than a record, or there is a stride
            without crops.
    """
    if seconds is None:
        if stride_seconds is not None:
            raise SettingError(
                "crop_stride_seconds", shown(stride_seconds), "crops", "Set crop_seconds, or leave it out."
            )
        return None
    samples: dict[str, int] = {}
    for name, value in (("crop_seconds", seconds), ("crop_stride_seconds", stride_seconds)):
        if value is None:
            continue
        require(DURATION, value, name, remedy="Correct the setting.")
        samples[name] = round(value * sampling_rate)
        if not 1 <= samples[name] <= record_samples:
            raise SettingError(
                name,
                f"{value:g} s, which is {samples[name]} samples at {sampling_rate:g} Hz",
                f"from 1 to {record_samples}, which a stored record has",
                "Correct it, or store longer records (num_samples).",
            )
    return Crops(samples["crop_seconds"], record_samples, samples.get("crop_stride_seconds"))


@lru_cache(maxsize=4096)
def _starts(total: int, length: int, stride: int | None) -> tuple[int, ...]:
    return window_starts(total, length, stride)


def _hashed(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.uint64]:
    """Return 64 random bits for each row: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) from a start."""
    start = np.random.SeedSequence((seed, epoch, _STREAM)).generate_state(1, np.uint64)
    mixed = start + (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashed: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return hashed
