"""Features of a network as what one learned query makes of its tokens, in place of what the network pools.

It is added to a network that is made already, for a probe. In a checkpoint its tensors are beside the
network's own, under `attention_pool`: whoever opens one makes the network as these say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import HIDDEN_SIZE
from ecg_tl.models.attention import AttentivePooler
from ecg_tl.models.base import ATTENTION_POOL, EcgNetwork

_DRAWS = 0x41747450  # so that they are others than those of a network's first weights


class AttentionPool(nn.Module):
    """One learned query over tokens, and in how many heads it looks at them.

    No projection follows: the head is linear, and two linear maps are one.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
    """

    heads: Tensor

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.register_buffer("heads", torch.tensor(heads))
        self.pooler = AttentivePooler(dim, heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to features `(batch, dim)`."""
        features: Tensor = self.pooler(tokens)
        return features


def attend_to_tokens(network: EcgNetwork, heads: int) -> None:
    """Let a network's features be what a learned query makes of its tokens, and give it a new head for them.

    All weights that are added are drawn anew, from PyTorch's seed alone.

    Args:
        network: Changed in place; its other layers stay, those that pooled are not used any more.
        heads: Heads of the query; where they do not divide the length of a token, the most below that do.

    Raises:
        SettingError: If the network has no tokens.
    """
    if not network.has_tokens:
        raise SettingError(
            "recipe",
            f"a query over the tokens of a {type(network).__name__}, which has none",
            "a network with tokens",
            "Use `linear_probe`, or another network.",
        )
    modes = {module: module.training for module in network.modules()}
    weight = network.head.weight
    with torch.no_grad():
        silence = torch.zeros(1, network.num_leads, network.num_samples, device=weight.device)
        dim = network.eval().forward_tokens(silence.to(weight.dtype)).shape[-1]
    for module, mode in modes.items():
        module.training = mode
    while dim % heads:
        heads -= 1
    seed = torch.initial_seed()
    # How much was drawn before depends on the number of processes.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed ^ _DRAWS)
        _attend(network, dim, heads)


def attend_as_stored(network: EcgNetwork, state: Mapping[str, Any], prefix: str = "") -> None:
    """Make a network attend to its tokens if tensors of a checkpoint say so; else leave it as it is.

    Args:
        network: Changed in place.
        state: Tensors by name, from a file that anybody may have written.
        prefix: Of the names.

    Raises:
        ValueError: If they are none that a training writes.
    """
    heads = state.get(f"{prefix}{ATTENTION_POOL}.heads")
    query = state.get(f"{prefix}{ATTENTION_POOL}.pooler.query")
    if heads is None and query is None:
        return
    whole = isinstance(heads, Tensor) and heads.numel() == 1 and not heads.is_floating_point()
    dim = query.shape[-1] if isinstance(query, Tensor) and query.ndim == 3 else 0
    if not (whole and HIDDEN_SIZE.holds(dim) and network.has_tokens) or dim % max(int(heads or 0), 1):
        raise ValueError(f"an {ATTENTION_POOL} that is none of a {type(network).__name__}")
    if int(heads or 0) < 1:
        raise ValueError(f"an {ATTENTION_POOL} of {int(heads or 0)} heads")
    _attend(network, dim, int(heads or 0))


def _attend(network: EcgNetwork, dim: int, heads: int) -> None:
    weight = network.head.weight
    network.attention_pool = AttentionPool(dim, heads).to(weight)
    network.attention_pool.heads = network.attention_pool.heads.long()
    path, _, name = network.head_name.rpartition(".")
    setattr(network.get_submodule(path), name, nn.Linear(dim, network.num_classes).to(weight))
