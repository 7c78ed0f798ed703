"""Pieces of a record, on the batch's device."""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_tl.pretraining.draws import Draws


def crop_at_random(signal: Tensor, samples: int, draws: Draws, stream: int) -> Tensor:
    """Cut a piece of `samples` samples out of each record `(batch, leads, all samples)`, anywhere."""
    spare = signal.shape[-1] - samples
    if spare == 0:
        return signal
    starts = torch.randint(0, spare + 1, (len(signal) * draws.world,), generator=draws.stream(stream))
    position = draws.own(starts)[:, None, None] + torch.arange(samples)
    return signal.gather(-1, position.to(signal.device).expand(-1, signal.shape[1], -1))


def middle(signal: Tensor, samples: int) -> Tensor:
    """Cut the middle `samples` samples out of each record `(batch, leads, all samples)`."""
    start = (signal.shape[-1] - samples) // 2
    return signal[..., start : start + samples]
