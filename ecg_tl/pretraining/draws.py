"""Random numbers that are functions of seed, epoch and step, on however many processes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ecg_tl.transforms import augmentation_generator

OBJECTIVE = 10**6
AUGMENTATIONS = (2 * 10**6, 3 * 10**6)
"""Streams of numbers: of the objective, and of the augmentation of the first and of the second crop of a
record, with one for each process behind them."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step.

    What is drawn for each record is drawn for the records of all processes, of which each takes its own: two
    processes draw what one draws for a batch of twice the size.

    Attributes:
        seed: Of the run.
        epoch: Counted from 0.
        step: Within the epoch.
        rank: Of the process.
        world: Processes.
        generator: Of what the objective draws, on the CPU.
    """

    seed: int
    epoch: int
    step: int
    rank: int = 0
    world: int = 1
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "generator", self.stream(OBJECTIVE))

    def stream(self, number: int, device: torch.device | str = "cpu") -> torch.Generator:
        """Make the generator of another kind of numbers."""
        return augmentation_generator(self.seed, self.epoch, self.step, number, device)

    def own(self, of_all: Tensor) -> Tensor:
        """Take this process's rows of what was drawn for the records of all."""
        return of_all[self.rank :: self.world]
