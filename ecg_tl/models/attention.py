"""What transformers for ECGs share: attention, blocks, positions, and the start of their weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ecg_tl.models.stochastic_depth import StochasticDepth

POSITION_KERNEL = 128


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Compute scaled dot-product attention.

    Args:
        query: `(batch, tokens, dim)`.
        key: `(batch, other tokens, dim)`.
        value: `(batch, other tokens, dim)`.
        heads: Heads that `dim` is cut into.
        mask: `(tokens, other tokens)`, true where a token sees the other.

    Returns:
        `(batch, tokens, dim)`.
    """

    def split(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)

    attended = F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask)
    return attended.transpose(1, 2).flatten(start_dim=2)


class ProjectedAttention(nn.Module):
    """Self-attention with a projection each for queries, keys, values and output.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        attended = attend(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads)
        projected: Tensor = self.out_proj(attended)
        return projected


class JointAttention(nn.Module):
    """Self-attention with one projection for queries, keys and values, which has no bias.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
        bias: Whether the projection of the output has a bias.
    """

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many; see `attend` for `mask`."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        projected: Tensor = self.proj(attend(query, key, value, self.heads, mask))
        return projected


class FeedForward(nn.Module):
    """Two linear layers with GELU between them.

    Args:
        dim: Length of a token.
        hidden: Length between the layers.
        bias: Whether the layers have biases.
    """

    def __init__(self, dim: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        mapped: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return mapped


class PreNormBlock(nn.Module):
    """A transformer's block that normalises before attention and before the layers that follow.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
        bias: Whether its layers have biases; that of queries, keys and values has none.
        eps: Added to the variance by its layer norms.
        dropout: Share of values dropped from each sum in training.
    """

    def __init__(self, dim: int, heads: int, bias: bool, eps: float, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps, bias=bias)
        self.attn = JointAttention(dim, heads, bias)
        self.norm2 = nn.LayerNorm(dim, eps=eps, bias=bias)
        self.mlp = FeedForward(dim, 4 * dim, bias)
        self.dropout = nn.Dropout(dropout)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many; see `attend` for `mask`."""
        x = x + self.stochastic_depth(self.dropout(self.attn(self.norm1(x), mask)))
        summed: Tensor = x + self.stochastic_depth(self.dropout(self.mlp(self.norm2(x))))
        return summed


class AttentivePooler(nn.Module):
    """One learned query that attends to all tokens.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.trunc_normal_(self.query, std=0.02)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to one `(batch, dim)`."""
        query = self.q(self.query).expand(tokens.shape[0], -1, -1)
        key, value = self.kv(tokens).chunk(2, dim=-1)
        return attend(query, key, value, self.heads).squeeze(1)


def positional_convolution(dim: int, groups: int) -> nn.Conv1d:
    """Make the convolution over tokens that stands in for positions, with a gain for each of its samples.

    Baevski et al., "wav2vec 2.0", NeurIPS 2020; weight norm as of Salimans and Kingma, NIPS 2016. Its start
    is that of wav2vec 2.0: normal with variance `4 / (kernel * dim)`.
    """
    convolution = nn.Conv1d(dim, dim, POSITION_KERNEL, padding=POSITION_KERNEL // 2, groups=groups)
    nn.init.normal_(convolution.weight, std=math.sqrt(4 / (POSITION_KERNEL * dim)))
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    weight_norm(convolution, dim=2)
    return convolution


def convolve_positions(convolution: nn.Module, tokens: Tensor) -> Tensor:
    """Compute what is added to tokens `(batch, tokens, dim)` for their positions.

    A kernel of even length gives one token too many, the last one.
    """
    return F.gelu(convolution(tokens.transpose(1, 2))[..., :-1]).transpose(1, 2)


def sines_and_cosines(count: int, frequencies: int) -> tuple[Tensor, Tensor]:
    """Compute the sine and cosine of each position at each frequency (Vaswani et al., NIPS 2017).

    Args:
        count: Positions, from 0.
        frequencies: Their number; the j-th is `10000 ** (-j / frequencies)`.

    Returns:
        Both `(count, frequencies)`, in double precision.
    """
    steps = torch.arange(frequencies, dtype=torch.float64)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * torch.exp(
        steps * (-math.log(10000) / frequencies)
    )
    return angles.sin(), angles.cos()


class FixedTable(nn.Module):
    """A table that a formula gives and no file holds, exact in whichever precision the network has.

    Args:
        formula: Gives the table in double precision.
    """

    table: Tensor

    def __init__(self, formula: Callable[[], Tensor]) -> None:
        super().__init__()
        self.formula = formula
        self.register_buffer("table", formula().to(torch.get_default_dtype()), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedTable:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # A network that became double would otherwise keep the rounding of single precision.
        self.table = self.formula().to(self.table)
        return self


def initialise_linear(network: nn.Module) -> None:
    """Draw linear layers as BERT and the vision transformers do: normal, deviation 0.02, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
