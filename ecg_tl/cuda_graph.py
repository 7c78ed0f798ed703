"""A network's training passes as CUDA graphs: all their kernels are launched at once.

A step of a small network takes the processor longer to launch, kernel by kernel, than the GPU to compute. A
CUDA graph is recorded once, for one shape of batch and one set of trained parameters, and replayed. It holds
the same kernels and draws from the same random generator: numbers are those of the pass that was recorded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor, nn

Pass = Callable[[Tensor], Tensor]

LEAST_BATCHES = 2
"""Batches alike, before a graph is recorded: a smaller one at the end of an epoch is not worth it."""


class GraphedPasses:
    """Takes the place of a network's `forward`; what is no training pass on a GPU goes the usual way.

    Where a network cannot be recorded, because it looks at numbers on the processor, say, the log tells so
    once, and it goes the usual way.

    Args:
        network: Whose `forward` it is.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.refusal: str | None = None
        self._key: tuple[object, ...] | None = None
        self._met = 0
        self._recorded: Pass | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphedPasses:
        """Copy it with its network, without what was recorded of this one."""
        return GraphedPasses(copy.deepcopy(self.network, memo))

    def __call__(self, signal: Tensor) -> Tensor:
        """Return the network's output; in training, once the batch's shape is known, by a graph."""
        if not (signal.is_cuda and torch.is_grad_enabled() and self.network.training) or self.refusal:
            return self._plain(signal)
        key = self._state(signal)
        if key != self._key:
            if self._key is not None and key[1:] == self._key[1:] and self._recorded is not None:
                return self._plain(signal)  # the same training, another number of records: the graph is kept
            self._key, self._met, self._recorded = key, 0, None
        self._met += 1
        if self._recorded is None and self._met >= LEAST_BATCHES:
            self._recorded = self._record(signal)
        if self._recorded is None:
            return self._plain(signal)
        # The output's memory is the graph's own, and the next replay's.
        return self._recorded(signal).clone()

    def _plain(self, signal: Tensor) -> Tensor:
        output: Tensor = type(self.network).forward(self.network, signal)
        return output

    def _state(self, signal: Tensor) -> tuple[object, ...]:
        """Return all that a recorded pass depends on, the shape of the batch first."""
        return (
            signal.shape,
            signal.dtype,
            torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda"),
            tuple(parameter.requires_grad for parameter in self.network.parameters()),
            tuple(module.training for module in self.network.modules()),
        )

    def _record(self, signal: Tensor) -> Pass | None:
        if any(module._forward_hooks or module._forward_pre_hooks for module in self.network.modules()):
            return None  # they would be called while it is recorded, and never again
        body = _Body(self.network, self._plain)
        try:
            with _as_it_was(self.network, signal.device), _without_cache():
                recorded: Any = torch.cuda.make_graphed_callables(
                    body, (signal.clone(),), allow_unused_input=True
                )
        except RuntimeError as error:  # an operation that cannot be recorded, or no memory for it
            torch.cuda.synchronize(signal.device)
            self.refusal = " ".join(str(error).split())[:200]
            rank_zero_info(f"cuda_graph: False (this network cannot be recorded: {self.refusal})")
            return None
        passes: Pass = recorded
        return passes


class _Body(nn.Module):
    """A network's usual pass, with its parameters, as a module that has no `forward` of its own yet."""

    def __init__(self, network: nn.Module, forward: Pass) -> None:
        super().__init__()
        self.network = network
        self._pass = forward

    def forward(self, signal: Tensor) -> Tensor:
        return self._pass(signal)


@contextmanager
def _as_it_was(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Undo what recording does to running means and to the random generator: it does several passes."""
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    state = torch.cuda.get_rng_state(device)
    try:
        yield
    finally:
        torch.cuda.synchronize(device)
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])
        torch.cuda.set_rng_state(state, device)


@contextmanager
def _without_cache() -> Iterator[None]:
    """Cast parameters in each pass: those cast before would be read by the graph after they are gone."""
    if not torch.is_autocast_enabled("cuda"):
        yield
        return
    with torch.autocast("cuda", torch.get_autocast_dtype("cuda"), cache_enabled=False):
        yield


def install(network: nn.Module) -> GraphedPasses:
    """Let a network's training passes be recorded; `remove` undoes it."""
    passes = GraphedPasses(network)
    network.forward = passes
    return passes


def remove(network: nn.Module) -> None:
    """Give a network its own `forward` back."""
    network.__dict__.pop("forward", None)
