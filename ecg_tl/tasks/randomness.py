"""The state of PyTorch's generators in a checkpoint.

The order of batches and their augmentation are functions of the seed and the epoch and need no state. What
else draws random numbers while training (dropout) goes on, after a resumption, where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import distributed


def random_states() -> list[dict[str, Any]]:
    """Return the state of each process's generators; every process must call this."""
    state = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    if not (distributed.is_available() and distributed.is_initialized()):
        return [state]
    states: list[dict[str, Any]] = [{}] * distributed.get_world_size()
    distributed.all_gather_object(states, state)
    return states


def restore_random_state(states: Sequence[dict[str, Any]], rank: int) -> None:
    """Set this process's generators as they were; does nothing if there were fewer processes or devices."""
    if rank >= len(states):
        return
    torch.set_rng_state(states[rank]["cpu"])
    if 0 < len(states[rank]["cuda"]) <= torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states[rank]["cuda"])
