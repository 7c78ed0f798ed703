"""The encoder of openecg's codec: a token for 10 samples of one lead, convolutions, then a transformer.

Lee, OpenECG 0.11, 2026 (Apache-2.0), file `codec_v6.pt` of its package. Layers are named as in it. Its heads
for waves, beats and rhythms are no part of this network: a sample's wave is another task than a record's
diagnoses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.attention import attend, sines_and_cosines
from ecg_tl.models.base import Lengths, TokenNetwork, require_length, require_one_of
from ecg_tl.models.registry import register_network

Size = Literal["tiny", "codec"]

PATCH = 10
MOST_TOKENS = 512
KERNEL = 7


@dataclass(frozen=True)
class OpenEcgSize:
    """The numbers that make one of these networks.

    Attributes:
        dim: Length of a token.
        lower: Convolutions over tokens.
        upper: Blocks of the transformer.
        heads: Heads of each block.
        hidden: Length between the two layers behind the attention.
    """

    dim: int
    lower: int
    upper: int
    heads: int
    hidden: int


SIZES: dict[Size, OpenEcgSize] = {
    "tiny": OpenEcgSize(16, 2, 2, 4, 32),
    "codec": OpenEcgSize(128, 4, 4, 4, 256),
}


class PackedAttention(nn.Module):
    """Self-attention whose projections for queries, keys and values are one matrix, named as PyTorch's.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        query, key, value = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        projected: Tensor = self.out_proj(attend(query, key, value, self.heads))
        return projected


class CodecBlock(nn.Module):
    """A transformer's block that normalises before attention and before the layers that follow.

    Args:
        size: Length of a token, heads, length between the layers.
        dropout: Share of values dropped in training.
    """

    def __init__(self, size: OpenEcgSize, dropout: float) -> None:
        super().__init__()
        self.self_attn = PackedAttention(size.dim, size.heads)
        self.linear1 = nn.Linear(size.dim, size.hidden)
        self.linear2 = nn.Linear(size.hidden, size.dim)
        self.norm1 = nn.LayerNorm(size.dim)
        self.norm2 = nn.LayerNorm(size.dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        x = x + self.dropout(self.self_attn(self.norm1(x)))
        hidden = self.dropout(F.gelu(self.linear1(self.norm2(x))))
        summed: Tensor = x + self.dropout(self.linear2(hidden))
        return summed


class CodecBlocks(nn.Module):
    """The blocks one after another, named as PyTorch's `TransformerEncoder` names them.

    Args:
        size: Their sizes.
        dropout: Share of values dropped in training.
    """

    def __init__(self, size: OpenEcgSize, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CodecBlock(size, dropout) for _ in range(size.upper))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        for layer in self.layers:
            x = layer(x)
        return x


class OpenEcg(TokenNetwork):
    """The encoder of openecg's codec; its features are the mean of its tokens.

    A token is 10 samples, seen through a window of 20. Groups: `tokens`, `lower1` and on (convolutions over
    tokens, each with its norm), `upper1` and on (blocks of the transformer), `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input; the published weights have one.
        num_samples: Samples of the input, a multiple of 10 up to 5120; others of these lengths work as well.
        dropout: Share of values dropped in training.

    Raises:
        SettingError: If a number is out of range.
    """

    head_name = "classifier"
    input_weight_names = ("conv_tok.weight",)
    pos_enc: Tensor

    def __init__(
        self,
        size: OpenEcgSize,
        num_classes: int,
        num_leads: int = 1,
        num_samples: int = 5000,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        require_length(self.lengths, num_samples)
        self.conv_tok = nn.Conv1d(num_leads, size.dim, 2 * PATCH, stride=PATCH, padding=PATCH // 2)
        sine, cosine = sines_and_cosines(MOST_TOKENS, size.dim // 2)
        positions = torch.stack((sine, cosine), dim=2).flatten(start_dim=1)[None]
        self.register_buffer("pos_enc", positions.to(torch.get_default_dtype()))
        self.lower_convs = nn.ModuleList(
            nn.Conv1d(size.dim, size.dim, KERNEL, padding=KERNEL // 2) for _ in range(size.lower)
        )
        self.lower_norms = nn.ModuleList(nn.LayerNorm(size.dim) for _ in range(size.lower))
        self.upper_transformer = CodecBlocks(size, dropout)
        self.classifier = nn.Linear(size.dim, num_classes)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(PATCH, MOST_TOKENS * PATCH, multiple_of=PATCH)

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        x = self.conv_tok(signal).transpose(1, 2)
        x = x + self.pos_enc[:, : x.shape[1]]
        for convolution, norm in zip(self.lower_convs, self.lower_norms, strict=True):
            x = norm(F.gelu(convolution(x.transpose(1, 2)).transpose(1, 2)) + x)
        tokens: Tensor = self.upper_transformer(x)
        return tokens

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[0] in ("lower_convs", "lower_norms"):
            return f"lower{int(parts[1]) + 1}"
        return f"upper{int(parts[2]) + 1}" if parts[0] == "upper_transformer" else "tokens"


@register_network("openecg", family="transformer")
def openecg(
    num_classes: int,
    num_leads: int = 1,
    num_samples: int = 5000,
    size: Size = "codec",
    dropout: float = 0.1,
) -> OpenEcg:
    """Make the encoder of openecg's codec.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input; the published weights have one.
        num_samples: Samples of the input, a multiple of 10 up to 5120.
        size: `codec` (1.1 M parameters) is published, `tiny` is for trying things out.
        dropout: Share of values dropped in training.

    Raises:
        SettingError: If there is no such size, or a number is out of range.
    """
    require_one_of("size", size, get_args(Size))
    return OpenEcg(SIZES[size], num_classes, num_leads, num_samples, dropout)
