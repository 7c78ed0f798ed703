"""Predictions of one pass over a dataset, gathered from all processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, distributed
from torch.nn.utils.rnn import pad_sequence

from ecg_tl.single_choice import join_choices, probabilities_of

Kept = TypeVar("Kept")
"""What a process keeps of a batch."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said of records.

    Attributes:
        index: `int64 (records,)`: rows of the store.
        logits: `float32 (records, classes)`.
        targets: `float32 (records, classes)`.
        single_choice: Whether one of the classes is chosen; else each is a question by itself.
    """

    index: Tensor
    logits: Tensor
    targets: Tensor
    single_choice: bool = False

    @property
    def probabilities(self) -> Tensor:
        """`float32 (records, classes)`, uncalibrated."""
        return probabilities_of(self.logits, self.single_choice)


def join_windows(logits: Tensor, windows: Tensor, *, single_choice: bool = False) -> Tensor:
    """Give each record the logit of the mean of its windows' probabilities.

    Probabilities and not logits are averaged, as ecg-fm-benchmarking does (arXiv 2509.25095): one window that
    is sure does not outweigh all others. The logit is found from logarithms, in which probabilities near 0
    and 1 keep their digits.

    Args:
        logits: `(all windows, classes)`; the windows of a record follow each other.
        windows: `(records,)`: how many each record has, on the CPU.
        single_choice: Whether one of the classes is chosen.

    Returns:
        `float32 (records, classes)`.
    """
    if single_choice:
        return join_choices(logits.double(), windows.tolist()).float()
    each = torch.split(logits.double(), windows.tolist())
    found = pad_sequence([F.logsigmoid(one) for one in each], True, -math.inf)
    absent = pad_sequence([F.logsigmoid(-one) for one in each], True, -math.inf)
    return (found.logsumexp(dim=1) - absent.logsumexp(dim=1)).float()


def on_cpu(index: Tensor, logits: Tensor, targets: Tensor, single_choice: bool = False) -> Predictions:
    """Keep a batch of predictions without its graph or its device's memory."""
    return Predictions(index.cpu(), logits.detach().float().cpu(), targets.float().cpu(), single_choice)


def on_device(index: Tensor, logits: Tensor, targets: Tensor, single_choice: bool = False) -> Predictions:
    """Keep a batch of predictions without its graph, where it is.

    A copy to the CPU would make the device wait in every batch; what a whole pass keeps is small.
    """
    return Predictions(index, logits.detach().float(), targets.float(), single_choice)


def gather(batches: Sequence[Predictions]) -> Predictions:
    """Put the batches of all processes together on the CPU, in the store's order.

    Scores such as AUROC need all records at once and are cheap beside a pass over the data: so every score is
    computed from these, by the pure functions of `ecg_tl.metrics`, and none is averaged over batches or
    processes. Every process must call this; processes may have different numbers of batches, or none.
    """
    batches = [on_cpu(one.index, one.logits, one.targets, one.single_choice) for one in batches]
    batches = of_all_processes(batches)
    index = torch.cat([batch.index for batch in batches])
    order = torch.argsort(index)
    return Predictions(
        index=index[order],
        logits=torch.cat([batch.logits for batch in batches])[order],
        targets=torch.cat([batch.targets for batch in batches])[order],
        single_choice=any(batch.single_choice for batch in batches),
    )


def of_all_processes(own: Sequence[Kept]) -> list[Kept]:
    """Return what all processes have, in the order of their ranks. Every process must call this."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return list(own)
    shards: list[Sequence[Kept]] = [()] * distributed.get_world_size()
    distributed.all_gather_object(shards, list(own))
    return [one for shard in shards for one in shard]
