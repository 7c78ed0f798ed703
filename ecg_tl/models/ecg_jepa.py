"""The encoder of ECG-JEPA: a vision transformer over a grid of leads and stretches of time.

Kim, "Learning General Representation of 12-Lead Electrocardiogram with a Joint-Embedding Predictive
Architecture", arXiv 2410.08559. Layers are named as in the published weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.attention import PreNormBlock, initialise_linear, sines_and_cosines
from ecg_tl.models.base import Lengths, Step, TokenNetwork, require_length, require_one_of
from ecg_tl.models.registry import register_network

Size = Literal["tiny", "base"]

PATCH = 50


@dataclass(frozen=True)
class EcgJepaSize:
    """The numbers that make one ECG-JEPA.

    Attributes:
        dim: Length of a token.
        depth: Blocks.
        heads: Heads of each block.
    """

    dim: int
    depth: int
    heads: int


SIZES: dict[Size, EcgJepaSize] = {"tiny": EcgJepaSize(32, 2, 4), "base": EcgJepaSize(768, 12, 16)}


class Blocks(nn.Module):
    """The blocks under their published names; the network runs them, and each sees the positions anew.

    Args:
        size: Length of a token, blocks, heads.
        dropout: Share of values dropped in training.
    """

    def __init__(self, size: EcgJepaSize, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            PreNormBlock(size.dim, size.heads, bias=True, eps=1e-5, dropout=dropout)
            for _ in range(size.depth)
        )


class EcgJepa(TokenNetwork):
    """The encoder of ECG-JEPA; its features are the mean of its tokens.

    A token is 50 samples of one lead; it sees those of its own lead, and those of its own time. Its length is
    fixed. Groups: `patches`, `block1` to the last block (which has the last norm as well), `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input. No weight depends on them, but the table of positions does.
        num_samples: Samples of the input, a multiple of 50.
        dropout: Share of values dropped from each sum in training.

    Raises:
        SettingError: If a number is below 1, or `num_samples` no multiple of 50.
    """

    head_name = "classifier"
    input_weight_names = ()
    tokens_follow_time = False

    pos_embed: Tensor
    mask: Tensor

    def __init__(
        self,
        size: EcgJepaSize,
        num_classes: int,
        num_leads: int = 8,
        num_samples: int = 2500,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        require_length(Lengths(PATCH, multiple_of=PATCH), num_samples)
        patches = num_samples // PATCH
        # The file holds the table; no gradient ever changed it.
        positions = grid_positions(num_leads, patches, size.dim)
        self.register_buffer("pos_embed", positions.to(torch.get_default_dtype()))
        self.W_P = nn.Linear(PATCH, size.dim)
        self.encoder_blocks = Blocks(size, dropout)
        self.norm = nn.LayerNorm(size.dim)
        self.classifier = nn.Linear(size.dim, num_classes)
        tokens = torch.arange(num_leads * patches)
        lead, time = tokens // patches, tokens % patches
        sees = (lead[:, None] == lead) | (time[:, None] == time)
        self.register_buffer("mask", sees, persistent=False)
        initialise_linear(self)

    @property
    def fixed_length(self) -> bool:
        """Whether signals must have exactly `num_samples` samples."""
        return True

    def _token_steps(self) -> Sequence[Step]:
        def step(block: nn.Module) -> Callable[[Tensor], Tensor]:
            return lambda x: block(x + self.pos_embed, self.mask)

        blocks = [(f"block{n}", step(block)) for n, block in enumerate(self.encoder_blocks.blocks, start=1)]
        return (
            ("patches", lambda x: self.W_P(x.reshape(x.shape[0], -1, PATCH))),
            *blocks,
            (blocks[-1][0], self.norm),
        )

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[0] == "encoder_blocks":
            return f"block{int(parts[2]) + 1}"
        return "patches" if parts[0] == "W_P" else f"block{len(self.encoder_blocks.blocks)}"


def grid_positions(num_leads: int, patches: int, dim: int) -> Tensor:
    """Compute the table of positions of a grid, `(num_leads * patches, dim)`, in double precision.

    The first half of a row is for its place in time, the second for its lead; each half has its sines first.
    """
    time, lead = (torch.cat(sines_and_cosines(count, dim // 4), dim=1) for count in (patches, num_leads))
    return torch.cat((time.repeat(num_leads, 1), lead.repeat_interleave(patches, dim=0)), dim=1)


@register_network("ecg_jepa", family="transformer", residual=True)
def ecg_jepa(
    num_classes: int,
    num_leads: int = 8,
    num_samples: int = 2500,
    size: Size = "base",
    dropout: float = 0.0,
) -> EcgJepa:
    """Make ECG-JEPA's encoder.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input; the published weights are for I, II, V1 to V6.
        num_samples: Samples of the input, a multiple of 50.
        size: `base` is the published one (85 M parameters), `tiny` is for trying things out.
        dropout: Share of values dropped from each sum in training.

    Raises:
        SettingError: If there is no such size, or a number is out of range.
    """
    require_one_of("size", size, get_args(Size))
    return EcgJepa(SIZES[size], num_classes, num_leads, num_samples, dropout)
