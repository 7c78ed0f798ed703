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
        own = _parameters(self.network)
        try:
            with _as_it_was(self.network, signal.device), _without_cache(), _stand_ins(own) as stand_ins:
                with _refusing_to_wait():  # seen beforehand: a recording that fails costs memory
                    self._plain(signal)
                recorded: Any = torch.cuda.make_graphed_callables(
                    lambda signal, *_: self._plain(signal),
                    (signal.clone(), *stand_ins),
                    allow_unused_input=True,
                )
        except RuntimeError as error:  # an operation that cannot be recorded, or no memory for it
            self.refusal = " ".join(str(error).split())[:200]
            rank_zero_info(f"cuda_graph: False (this network cannot be recorded: {self.refusal})")
            return None
        trained = list(own)

        def replay(signal: Tensor) -> Tensor:
            output: Tensor = recorded(signal, *trained)
            return output

        return replay


Places = dict[nn.Parameter, list[tuple[nn.Module, str]]]
"""Parameters, each with the modules that hold it and its name there."""


def _parameters(network: nn.Module) -> Places:
    places: Places = {}
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            places.setdefault(parameter, []).append((module, name))
    return places


@contextmanager
def _stand_ins(own: Places) -> Iterator[list[nn.Parameter]]:
    """Put others, with the same memory, in the place of a network's parameters.

    A loss of an earlier pass that is still kept holds on to where the gradients of the network's own
    parameters arrive, which is bound to the stream of that pass: nothing can be recorded with these. Other
    parameters have no past, and their gradients go to the network's own in each pass.
    """
    others = [nn.Parameter(each.detach(), requires_grad=each.requires_grad) for each in own]
    _put(others, own)
    try:
        yield others
    finally:
        _put(list(own), own)


def _put(parameters: list[nn.Parameter], places: Places) -> None:
    for parameter, held in zip(parameters, places.values(), strict=True):
        for module, name in held:
            setattr(module, name, parameter)  # recurrent layers keep a list of their own, by this


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    """Raise where the processor would wait for the device, to look at a number, say."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def _as_it_was(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Undo what recording does to running means and to the random generator: it does several passes."""
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    state = torch.cuda.get_rng_state(device)
    try:
        yield
        torch.cuda.synchronize(device)
    except RuntimeError:
        torch.cuda.synchronize(device)
        # A recording that failed is never over for the generator, which would refuse to draw from then on.
        unharmed = torch.Generator(device)
        torch.cuda.default_generators[unharmed.device.index].graphsafe_set_state(unharmed)
        raise
    finally:
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
