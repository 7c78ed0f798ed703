"""The vision transformer of Weimann and Conrad's JEPA: patches of all leads at once, and a register.

Weimann and Conrad, "Self-Supervised Pre-Training with Joint-Embedding Predictive Architecture Boosts ECG
Classification Performance", Computers in Biology and Medicine 196, 2025. Layers are named as in the published
weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.attention import (
    AttentivePooler,
    FixedTable,
    PreNormBlock,
    initialise_linear,
    sines_and_cosines,
)
from ecg_tl.models.base import Lengths, Step, TokenNetwork, require_length, require_one_of, take_tokens
from ecg_tl.models.registry import register_network

Size = Literal["tiny", "xs", "s", "b"]
Pooling = Literal["register", "mean", "attention"]

PATCH = 25
LONGEST = 5000
EPS = 1e-6


@dataclass(frozen=True)
class WeimannSize:
    """The numbers that make one of these transformers.

    Attributes:
        dim: Length of a token.
        depth: Blocks.
        heads: Heads of each block.
    """

    dim: int
    depth: int
    heads: int


SIZES: dict[Size, WeimannSize] = {
    "tiny": WeimannSize(32, 2, 4),
    "xs": WeimannSize(192, 8, 4),
    "s": WeimannSize(384, 8, 6),
    "b": WeimannSize(768, 12, 12),
}


class PatchEmbedding(nn.Module):
    """One convolution from 25 samples of all leads to a token.

    Args:
        num_leads: Leads of the input.
        dim: Length of a token.
    """

    def __init__(self, num_leads: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv1d(num_leads, dim, PATCH, stride=PATCH, bias=False)
        nn.init.trunc_normal_(self.proj.weight, std=0.02)

    def forward(self, signal: Tensor) -> Tensor:
        """Map `(batch, num_leads, samples)` to `(batch, samples / 25, dim)`."""
        tokens: Tensor = self.proj(signal).transpose(1, 2)
        return tokens


class WeimannVit(TokenNetwork):
    """The transformer of Weimann and Conrad.

    Tokens are the register, which is no part of the signal, and then one for 25 samples. What reaches the
    head is, by `pooling`: `register`, the register's token; `mean`, the mean of the others; `attention`, what
    a learned query makes of all of them. Groups: `patches`, `block1` to the last block (which has the last
    norm as well), `pooler` where there is one, `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input, a multiple of 25 up to 5000; others of these lengths work as well.
        pooling: How tokens become features.
        dropout: Share of values dropped from each sum in training.

    Raises:
        SettingError: If a number is out of range, or the pooling is unknown.
    """

    head_name = "classifier"
    input_weight_names = ("patch_embed.proj.weight",)
    leading_tokens = 1

    def __init__(
        self,
        size: WeimannSize,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1250,
        pooling: Pooling = "register",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        require_length(self.lengths, num_samples)
        require_one_of("pooling", pooling, get_args(Pooling))
        self.pooling = pooling
        self.patch_embed = PatchEmbedding(num_leads, size.dim)
        self.positions = FixedTable(partial(interleaved_positions, LONGEST // PATCH, size.dim))
        self.registers = nn.Parameter(torch.empty(1, 1, size.dim))
        nn.init.trunc_normal_(self.registers, std=0.02)
        self.blocks = nn.ModuleList(
            PreNormBlock(size.dim, size.heads, bias=False, eps=EPS, dropout=dropout)
            for _ in range(size.depth)
        )
        self.norm = nn.LayerNorm(size.dim, eps=EPS, bias=False)
        if pooling == "attention":
            self.pooler = AttentivePooler(size.dim, size.heads)
        self.classifier = nn.Linear(size.dim, num_classes)
        initialise_linear(self)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(PATCH, LONGEST, multiple_of=PATCH)

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        return self._encode_patches(self._patches(signal))

    def _encode_kept_tokens(self, signal: Tensor, kept: Tensor, count: int) -> Tensor:
        return self._encode_patches(take_tokens(self._patches(signal), kept))[:, self.leading_tokens :]

    def _patches(self, signal: Tensor) -> Tensor:
        patches: Tensor = self.patch_embed(signal)
        return patches + self.positions.table[: patches.shape[1]]

    def _with_registers(self, patches: Tensor) -> Tensor:
        return torch.cat((self.registers.expand(patches.shape[0], -1, -1), patches), dim=1)

    def _encode_patches(self, patches: Tensor) -> Tensor:
        x = self._with_registers(patches)
        for block in self.blocks:
            x = block(x)
        tokens: Tensor = self.norm(x)
        return tokens

    def _steps(self) -> Sequence[Step]:
        if self.pooling == "attention":
            return ()  # what pools is a group of its own
        blocks = [(f"block{number}", block) for number, block in enumerate(self.blocks, start=1)]
        return (
            ("patches", lambda x: self._with_registers(self._patches(x))),
            *blocks,
            (blocks[-1][0], lambda x: self._pool(self.norm(x))),
        )

    def _pool(self, tokens: Tensor) -> Tensor:
        if self.pooling == "attention":
            pooled: Tensor = self.pooler(tokens)
            return pooled
        return tokens[:, 0] if self.pooling == "register" else tokens[:, 1:].mean(dim=1)

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[0] == "blocks":
            return f"block{int(parts[1]) + 1}"
        if parts[0] == "norm":
            return f"block{len(self.blocks)}"
        return "pooler" if parts[0] == "pooler" else "patches"


def interleaved_positions(count: int, dim: int) -> Tensor:
    """Compute positions `(count, dim)` whose sines and cosines take turns, in double precision."""
    return torch.stack(sines_and_cosines(count, dim // 2), dim=2).flatten(start_dim=1)


@register_network("weimann_vit", family="transformer", residual=True)
def weimann_vit(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1250,
    size: Size = "s",
    pooling: Pooling = "register",
    dropout: float = 0.0,
) -> WeimannVit:
    """Make the transformer of Weimann and Conrad.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input, a multiple of 25 up to 5000.
        size: `xs` (3.6 M parameters), `s` (14 M) and `b` (85 M) are published, `tiny` is for trying things
            out.
        pooling: How tokens become features: `register`, `mean` or `attention`.
        dropout: Share of values dropped from each sum in training.

    Raises:
        SettingError: If there is no such size or pooling, or a number is out of range.
    """
    require_one_of("size", size, get_args(Size))
    return WeimannVit(SIZES[size], num_classes, num_leads, num_samples, pooling, dropout)
