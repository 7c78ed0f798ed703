"""The residual network of Ribeiro et al., which carries an unactivated signal beside the convolutions.

Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications
11, 2020; its PyTorch form is that of Lima et al., "Deep neural network-estimated electrocardiographic age as
a mortality predictor", Nature Communications 12, 2021, whose tensor names it keeps.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.base import TokenNetwork
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

WIDTHS = (64, 128, 196, 256, 320)
KERNEL = 17
DROPOUT = 0.8
SHORTENING: Final = 4  # of each block but the first
REDUCTION: Final = SHORTENING ** (len(WIDTHS) - 1)


class TwoPathBlock(nn.Module):
    """Two convolutions of kernel 17, and the path beside them that is never activated.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        shortening: By which the second convolution and the path shorten the signal: 1 or 4.
        dropout: Share of values dropped after each activation in training.
    """

    def __init__(self, in_channels: int, out_channels: int, shortening: int, dropout: float) -> None:
        super().__init__()
        padding = KERNEL // 2
        self.conv1 = nn.Conv1d(in_channels, out_channels, KERNEL, padding=padding, bias=False)
        self.bn1 = nn.BatchNorm1d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(
            out_channels,
            out_channels,
            KERNEL,
            stride=shortening,
            padding=padding if shortening == 1 else padding - 1,
            bias=False,
        )
        self.bn2 = nn.BatchNorm1d(out_channels)
        path: list[nn.Module] = []
        if shortening > 1:
            path.append(nn.MaxPool1d(shortening, shortening))
        if in_channels != out_channels:
            path.append(nn.Conv1d(in_channels, out_channels, 1, bias=False))
        self.skip_connection = nn.Sequential(*path)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map signal and path, both `(batch, in_channels, samples)`, to `out_channels` and fewer samples."""
        x = self.dropout(torch.relu(self.bn1(self.conv1(x))))
        y = self.stochastic_depth(self.conv2(x)) + self.skip_connection(y)
        return self.dropout(torch.relu(self.bn2(y))), y


class RibeiroResNet(TokenNetwork):
    """The network of Ribeiro et al., whose last map is flattened into the head: its length is fixed.

    Signals whose length is no multiple of 256 get zeros at the end up to the next one. Tokens are the columns
    of the last map, one for 256 samples. Groups: `stem`, `block1` to `block5`, `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input.
        dropout: Share of values dropped after each activation in training.

    Raises:
        SettingError: If one of the numbers is below 1.
    """

    head_name = "lin"
    input_weight_names = ("conv1.weight",)

    def __init__(
        self,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 4096,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        self.conv1 = nn.Conv1d(num_leads, WIDTHS[0], KERNEL, padding=KERNEL // 2, bias=False)
        self.bn1 = nn.BatchNorm1d(WIDTHS[0])
        for index, width in enumerate(WIDTHS):
            block = TwoPathBlock(WIDTHS[max(index - 1, 0)], width, SHORTENING if index else 1, dropout)
            self.add_module(f"resblock1d_{index}", block)
        self.lin = nn.Linear(WIDTHS[-1] * -(-num_samples // REDUCTION), num_classes)

    @property
    def fixed_length(self) -> bool:
        """Whether signals must have exactly `num_samples` samples."""
        return True

    @property
    def head_kind(self) -> Literal["pooled", "flatten"]:
        """How time reaches the head: the head grows with the signal."""
        return "flatten"

    @property
    def num_token_features(self) -> int:
        """Length of a token."""
        return WIDTHS[-1]

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        padded = F.pad(signal, (0, -self.num_samples % REDUCTION))
        x: Tensor = self.bn1(self.conv1(padded))
        y = x
        for index in range(len(WIDTHS)):
            x, y = self.get_submodule(f"resblock1d_{index}")(x, y)
        return x.transpose(1, 2)

    def _pool(self, tokens: Tensor) -> Tensor:
        flat: Tensor = tokens.transpose(1, 2).flatten(start_dim=1)
        return flat

    def _group_of(self, parameter_name: str) -> str:
        first = parameter_name.split(".", 1)[0]
        return f"block{int(first[-1]) + 1}" if first.startswith("resblock") else "stem"


@register_network("ribeiro_resnet", family="cnn", residual=True)
def ribeiro_resnet(
    num_classes: int, num_leads: int = 12, num_samples: int = 4096, dropout: float = DROPOUT
) -> RibeiroResNet:
    """Make the network of Ribeiro et al."""
    return RibeiroResNet(num_classes, num_leads, num_samples, dropout)
