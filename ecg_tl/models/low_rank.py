"""Weights that are the sum of a matrix that stays and a product of two small ones that is trained.

What a layer computes with is `W + scale * up @ down`. In the network and in a checkpoint the parts are
`layer.parametrizations.weight.original` (W) and `layer.parametrizations.weight.0.up`, `.down`, `.scale`; see
`torch.nn.utils.parametrize`.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models.base import EcgNetwork

_DRAWS = 0x4C6F5241  # so that they are others than those of a network's first weights
_PARTS = ("up", "down", "scale")
_ORIGINAL = re.compile(r"^(?P<layer>(?:.*\.)?)parametrizations\.(?P<weight>[^.]+)\.original$")


class LowRank(nn.Module):
    """Adds a product of low rank to a weight; nothing at first, since `up` begins at zero.

    Args:
        weight: Of two axes or more; the first is the rows, the others together are the columns.
        rank: Columns of `up` and rows of `down`; the weight's rows or columns, if these are fewer.
        alpha: The product is scaled by `alpha / rank`.
        generator: Draws `down`; null for PyTorch's own.
    """

    scale: Tensor

    def __init__(
        self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        inner = min(rank, rows, columns)
        down = torch.empty(inner, columns)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)  # as the authors' code, loralib
        self.down = nn.Parameter(down.to(weight.detach()))
        self.up = nn.Parameter(weight.detach().new_zeros(rows, inner))
        self.register_buffer("scale", weight.detach().new_tensor(alpha / rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum, in the weight's shape."""
        # Not in half precision: the merged weight, which is computed once, is to be the same.
        with torch.autocast(weight.device.type, enabled=False):
            return _sum(weight, self.up, self.down, self.scale)


def _sum(weight: Tensor, up: Tensor, down: Tensor, scale: Tensor) -> Tensor:
    return weight + (scale * (up @ down)).view_as(weight)


def add_low_rank(network: EcgNetwork, patterns: Sequence[str], rank: int, alpha: float) -> None:
    """Add products of low rank to the weights of convolutions, linear and recurrent layers but the head.

    Args:
        network: Changed in place.
        patterns: Of names of layers or weights.
        rank: Of the products.
        alpha: Their scale times the rank.

    Raises:
        SettingError: If a pattern matches no layer; names those that there are.
    """
    weights = {name: (module, weight) for module, weight, name in _weights(network)}
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in weights):
            raise SettingError(
                "layers",
                pattern,
                f"layers out of {', '.join(name.removesuffix('.weight') for name in weights)}",
                "Correct the name or pattern.",
            )
    # From the seed alone: how much was drawn before depends on the number of processes.
    generator = torch.Generator().manual_seed(torch.initial_seed() ^ _DRAWS)
    for name, (module, weight) in weights.items():
        if any(_matches(name, pattern) for pattern in patterns):
            low_rank = LowRank(getattr(module, weight), rank, alpha, generator)
            parametrize.register_parametrization(module, weight, low_rank)


def _weights(network: EcgNetwork) -> Iterator[tuple[nn.Module, str, str]]:
    """Give module, name within it and name within the network of each weight that can be added to."""
    for path, module in network.named_modules():
        if path == network.head_name:
            continue
        if isinstance(module, nn.Conv1d | nn.Linear):
            yield module, "weight", f"{path}.weight"
        elif isinstance(module, nn.RNNBase):
            for name, _ in list(module.named_parameters(recurse=False)):
                if name.startswith("weight"):
                    yield module, name, f"{path}.{name}"


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(".weight"), pattern)


def is_low_rank(parameter_name: str) -> bool:
    """Whether a parameter, by its name, is one of those that `add_low_rank` added."""
    return re.search(r"(^|\.)parametrizations\.[^.]+\.0\.(up|down)$", parameter_name) is not None


def has_low_rank(network: nn.Module) -> bool:
    """Whether any weight of a network is such a sum."""
    return any(isinstance(module, LowRank) for module in network.modules())


def merge(network: nn.Module) -> None:
    """Put the sums in place of their parts, in place."""
    for module in list(network.modules()):
        parametrizations = getattr(module, "parametrizations", {})
        if parametrizations:
            # torch takes the weight's property away from the module's class, which a copy has in common.
            kind = type(module)
            own = {name: of for name, of in vars(kind).items() if name not in ("__dict__", "__weakref__")}
            module.__class__ = type(kind.__name__, kind.__bases__, own)
        for name, parts in list(parametrizations.items()):
            if isinstance(parts[0], LowRank):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def merged_copy(network: EcgNetwork) -> EcgNetwork:
    """Return a copy of a network with plain weights."""
    # A recurrent layer keeps the sums of its last forward pass in a list, and a copy is made of leaves alone.
    kept = (weight for module in network.modules() for weight in vars(module).get("_flat_weights", ()))
    copied = copy.deepcopy(
        network, {id(one): one.detach() for one in kept if isinstance(one, Tensor) and not one.is_leaf}
    )
    merge(copied)
    return copied


def merged_state(state: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Put the sums in place of their parts in the tensors of a checkpoint; others are as they were.

    Args:
        state: Tensors by name.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: If parts are missing, or do not fit each other.
    """
    merged = dict(state)
    for name, weight in state.items():
        found = _ORIGINAL.match(name)
        if found is None:
            continue
        whole = found["layer"] + found["weight"]
        parts = [merged.pop(f"{name.removesuffix('original')}0.{part}", None) for part in _PARTS]
        if whole in state or not _fit(weight, *parts):
            raise CheckpointError(
                where,
                f"parts of {whole} that do not fit each other",
                "a weight, and two matrices whose product has its shape",
                "Give an intact checkpoint.",
            )
        del merged[name]
        with torch.no_grad():
            merged[whole] = _sum(weight, *parts)
    return merged


def _fit(weight: Any, up: Any, down: Any, scale: Any) -> bool:
    parts = (weight, up, down, scale)
    if not all(isinstance(part, Tensor) and part.is_floating_point() for part in parts):
        return False
    if weight.ndim < 2 or up.ndim != 2 or down.ndim != 2 or scale.ndim or not weight.numel():
        return False
    product = (up.shape[0], down.shape[1])
    return up.shape[1] == down.shape[0] and product == (weight.shape[0], weight[0].numel())
