"""HuBERT-ECG: HuBERT's encoder on the leads laid one after another.

Coppola et al., "HuBERT-ECG as a self-supervised foundation model for broad and scalable cardiac
applications", medRxiv 2024; Hsu et al., "HuBERT", IEEE/ACM TASLP 29, 2021. Layers are named as in the
published weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.attention import (
    ProjectedAttention,
    convolve_positions,
    initialise_linear,
    positional_convolution,
)
from ecg_tl.models.base import Lengths, TokenNetwork, require_length, require_one_of
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

Size = Literal["tiny", "small", "base", "large"]

KERNELS = (10, 3, 3, 2, 2)
STRIDES = (4, 2, 2, 2, 2)
POSITION_GROUPS = 16


@dataclass(frozen=True)
class HubertSize:
    """The numbers that make one HuBERT-ECG.

    Attributes:
        channels: Of each convolution.
        dim: Length of a token.
        depth: Layers.
        heads: Heads of each layer.
        hidden: Length inside the feed-forward part of a layer.
    """

    channels: int
    dim: int
    depth: int
    heads: int
    hidden: int


SIZES: dict[Size, HubertSize] = {
    "tiny": HubertSize(16, 32, 2, 4, 64),
    "small": HubertSize(512, 512, 8, 8, 2048),
    "base": HubertSize(512, 768, 12, 12, 3072),
    "large": HubertSize(512, 960, 16, 12, 3840),
}


class ConvolutionLayer(nn.Module):
    """A convolution without padding, the first one with a norm over time, then GELU.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        kernel_size: Samples that one output is computed from.
        stride: By which the signal is shortened.
        normalise: Whether there is a norm.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, stride: int, normalise: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, channels, kernel_size, stride=stride, bias=False)
        nn.init.kaiming_normal_(self.conv.weight)
        self.layer_norm = nn.GroupNorm(channels, channels) if normalise else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, channels, fewer samples)`."""
        return F.gelu(self.layer_norm(self.conv(x)))


class FeatureExtractor(nn.Module):
    """The convolutions from samples to tokens.

    Args:
        channels: Of each convolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(
            ConvolutionLayer(channels if index else 1, channels, kernel, stride, normalise=index == 0)
            for index, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, 1, samples)` to `(batch, channels, tokens)`."""
        for layer in self.conv_layers:
            x = layer(x)
        return x


class FeatureProjection(nn.Module):
    """A layer norm and a linear layer, from channels to tokens.

    Args:
        channels: Of each convolution.
        dim: Length of a token.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(channels)
        self.projection = nn.Linear(channels, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, tokens, channels)` to `(batch, tokens, dim)`."""
        projected: Tensor = self.projection(self.layer_norm(x))
        return projected


class Positions(nn.Module):
    """The positional convolution under its published name.

    Args:
        dim: Length of a token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = positional_convolution(dim, POSITION_GROUPS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute what is added to tokens `(batch, tokens, dim)`."""
        return convolve_positions(self.conv, tokens)


class HubertFeedForward(nn.Module):
    """Two linear layers with GELU between them, under their published names.

    Args:
        dim: Length of a token.
        hidden: Length between the layers.
        dropout: Share of values dropped between them in training.
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output_dense = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        mapped: Tensor = self.output_dense(self.dropout(F.gelu(self.intermediate_dense(x))))
        return mapped


class HubertLayer(nn.Module):
    """A transformer's layer that normalises after each sum.

    Args:
        size: Length of a token, heads, hidden length.
        dropout: Share of values dropped inside the feed-forward part in training.
    """

    def __init__(self, size: HubertSize, dropout: float) -> None:
        super().__init__()
        self.attention = ProjectedAttention(size.dim, size.heads)
        self.layer_norm = nn.LayerNorm(size.dim)
        self.feed_forward = HubertFeedForward(size.dim, size.hidden, dropout)
        self.stochastic_depth = StochasticDepth()
        self.final_layer_norm = nn.LayerNorm(size.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        x = self.layer_norm(x + self.stochastic_depth(self.attention(x)))
        normalised: Tensor = self.final_layer_norm(x + self.stochastic_depth(self.feed_forward(x)))
        return normalised


class HubertEncoder(nn.Module):
    """Positions, a layer norm, then the layers.

    Args:
        size: Length of a token, layers, heads.
        dropout: Share of values dropped in training.
    """

    def __init__(self, size: HubertSize, dropout: float) -> None:
        super().__init__()
        self.pos_conv_embed = Positions(size.dim)
        self.layer_norm = nn.LayerNorm(size.dim)
        self.layers = nn.ModuleList(HubertLayer(size, dropout) for _ in range(size.depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        x = self.layer_norm(x + self.pos_conv_embed(x))
        for layer in self.layers:
            x = layer(x)
        return x


class HubertEcg(TokenNetwork):
    """The encoder of HuBERT-ECG; its features are the mean of its tokens.

    It takes signals `(batch, num_leads, samples)` and lays the leads one after another itself; one token is
    for 64 samples of that row, some of them of two leads. Groups: `convolutions`, `projection`, `positions`,
    `layer1` to the last layer, `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input. No weight depends on them.
        num_samples: Samples of each lead; other lengths work as well.
        dropout: Share of values dropped inside each feed-forward part in training.

    Raises:
        SettingError: If a number is below 1, or the row of all leads shorter than a token.
    """

    head_name = "classifier"
    input_weight_names = ()

    masked_spec_embed: Tensor

    def __init__(
        self,
        size: HubertSize,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 500,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        require_length(self.lengths, num_samples)
        # What masked tokens become in pre-training: the file holds it, and nothing here uses it.
        self.register_buffer("masked_spec_embed", torch.rand(size.dim))
        self.feature_extractor = FeatureExtractor(size.channels)
        self.feature_projection = FeatureProjection(size.channels, size.dim)
        self.encoder = HubertEncoder(size, dropout)
        self.classifier = nn.Linear(size.dim, num_classes)
        initialise_linear(self)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that each lead may have."""
        row = 1
        for kernel, stride in zip(reversed(KERNELS), reversed(STRIDES), strict=True):
            row = (row - 1) * stride + kernel
        return Lengths(shortest=-(-row // self.num_leads))

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        channels = self.feature_extractor(signal.flatten(start_dim=1).unsqueeze(1))
        tokens: Tensor = self.encoder(self.feature_projection(channels.transpose(1, 2)))
        return tokens

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[:2] == ["encoder", "layers"]:
            return f"layer{int(parts[2]) + 1}"
        if parts[0] == "encoder":
            return "positions"
        return "convolutions" if parts[0] == "feature_extractor" else "projection"


@register_network("hubert_ecg", family="transformer", residual=True)
def hubert_ecg(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 500,
    size: Size = "base",
    dropout: float = 0.1,
) -> HubertEcg:
    """Make HuBERT-ECG's encoder.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of each lead; other lengths work as well.
        size: `small` (30 M parameters), `base` (93 M) and `large` (188 M) are published, `tiny` is for trying
            things out.
        dropout: Share of values dropped inside each feed-forward part in training.

    Raises:
        SettingError: If there is no such size, or a number is out of range.
    """
    require_one_of("size", size, get_args(Size))
    return HubertEcg(SIZES[size], num_classes, num_leads, num_samples, dropout)
