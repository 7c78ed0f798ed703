"""ECG-FM: wav2vec 2.0's encoder on all leads at once.

McKeen et al., "ECG-FM: An Open Electrocardiogram Foundation Model", JAMIA Open 8(5), 2025; Baevski et al.,
"wav2vec 2.0", NeurIPS 2020. Layers are named as in the published weights; the head as in the fine-tuned ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.attention import (
    ProjectedAttention,
    convolve_positions,
    initialise_linear,
    positional_convolution,
)
from ecg_tl.models.base import Lengths, Step, TokenNetwork, require_length, require_one_of
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

Size = Literal["tiny", "base"]

CONVOLUTIONS = 4


@dataclass(frozen=True)
class EcgFmSize:
    """The numbers that make one ECG-FM.

    Attributes:
        channels: Of each convolution.
        dim: Length of a token.
        depth: Layers.
        heads: Heads of each layer.
        hidden: Length inside the feed-forward part of a layer.
        groups: Groups of the positional convolution.
    """

    channels: int
    dim: int
    depth: int
    heads: int
    hidden: int
    groups: int


SIZES: dict[Size, EcgFmSize] = {
    "tiny": EcgFmSize(16, 32, 2, 4, 64, 4),
    "base": EcgFmSize(256, 768, 12, 12, 3072, 16),
}


class Positions(nn.Module):
    """The positional convolution under its published name.

    Args:
        dim: Length of a token.
        groups: Groups of the convolution.
    """

    def __init__(self, dim: int, groups: int) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(positional_convolution(dim, groups))

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute what is added to tokens `(batch, tokens, dim)`."""
        return convolve_positions(self.pos_conv, tokens)


class PostNormLayer(nn.Module):
    """A transformer's layer that normalises after each sum.

    Args:
        dim: Length of a token.
        heads: Heads that it is cut into.
        hidden: Length inside the feed-forward part.
        dropout: Share of values dropped inside the feed-forward part in training.
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = ProjectedAttention(dim, heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens `(batch, tokens, dim)` to as many."""
        x = self.self_attn_layer_norm(x + self.stochastic_depth(self.self_attn(x)))
        mapped = self.fc2(self.dropout(F.gelu(self.fc1(x))))
        normalised: Tensor = self.final_layer_norm(x + self.stochastic_depth(mapped))
        return normalised


class Encoder(nn.Module):
    """A layer norm and the layers after it, under their published names; the network runs them.

    Args:
        size: Length of a token, layers, heads.
        dropout: Share of values dropped in training.
    """

    def __init__(self, size: EcgFmSize, dropout: float) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(size.dim)
        self.layers = nn.ModuleList(
            PostNormLayer(size.dim, size.heads, size.hidden, dropout) for _ in range(size.depth)
        )


class FeatureExtractor(nn.Module):
    """Convolutions of kernel and stride 2.

    Args:
        num_leads: Leads of the input.
        channels: Of each convolution.
    """

    def __init__(self, num_leads: int, channels: int) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for index in range(CONVOLUTIONS):
            convolution = nn.Conv1d(channels if index else num_leads, channels, 2, stride=2, bias=False)
            nn.init.kaiming_normal_(convolution.weight)
            # The published layers are numbered: 1 is a dropout of nothing, 2 the norm of the first one.
            norm = [nn.GroupNorm(channels, channels)] if index == 0 else []
            self.conv_layers.append(nn.Sequential(convolution, nn.Identity(), *norm, nn.GELU()))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, num_leads, samples)` to `(batch, channels, samples // 16)`."""
        for layer in self.conv_layers:
            x = layer(x)
        return x


class EcgFm(TokenNetwork):
    """The encoder of ECG-FM; its features are the mean of its tokens, one for 16 samples.

    Groups: `convolutions`, `projection`, `positions`, `layer1` to the last layer, `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input, at least 16; other lengths work as well.
        dropout: Share of values dropped inside each feed-forward part in training.

    Raises:
        SettingError: If a number is below 1, or a signal shorter than a token.
    """

    head_name = "proj"
    input_weight_names = ("feature_extractor.conv_layers.0.0.weight",)

    def __init__(
        self,
        size: EcgFmSize,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 2500,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        require_length(self.lengths, num_samples)
        self.feature_extractor = FeatureExtractor(num_leads, size.channels)
        self.layer_norm = nn.LayerNorm(size.channels)
        self.post_extract_proj = nn.Linear(size.channels, size.dim)
        self.conv_pos = Positions(size.dim, size.groups)
        self.encoder = Encoder(size, dropout)
        self.proj = nn.Linear(size.dim, num_classes)
        initialise_linear(self)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(shortest=2**CONVOLUTIONS)

    def _token_steps(self) -> Sequence[Step]:
        layers = [(f"layer{number}", layer) for number, layer in enumerate(self.encoder.layers, start=1)]
        return (
            ("convolutions", lambda x: self.feature_extractor(x).transpose(1, 2)),
            ("projection", lambda x: self.post_extract_proj(self.layer_norm(x))),
            ("positions", lambda x: self.encoder.layer_norm(x + self.conv_pos(x))),
            *layers,
        )

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[:2] == ["encoder", "layers"]:
            return f"layer{int(parts[2]) + 1}"
        if parts[0] in ("encoder", "conv_pos"):
            return "positions"
        return "convolutions" if parts[0] == "feature_extractor" else "projection"


@register_network("ecg_fm", family="transformer", residual=True)
def ecg_fm(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 2500,
    size: Size = "base",
    dropout: float = 0.1,
) -> EcgFm:
    """Make ECG-FM's encoder.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input, at least 16; other lengths work as well.
        size: `base` is the published one (90.4 M parameters), `tiny` is for trying things out.
        dropout: Share of values dropped inside each feed-forward part in training.

    Raises:
        SettingError: If there is no such size, or a number is out of range.
    """
    require_one_of("size", size, get_args(Size))
    return EcgFm(SIZES[size], num_classes, num_leads, num_samples, dropout)
