"""InceptionTime for ECGs: convolutions of three long kernels side by side.

Ismail Fawaz et al., "InceptionTime: Finding AlexNet for time series classification", Data Mining and
Knowledge Discovery 34, 2020, in the form of the PTB-XL benchmark (see `ecg_tl.models.max_mean_head`). Layers
are named as in the published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_tl.models.layout import BatchNorm, Convolution, MaxPool, MemoryFormat
from ecg_tl.models.max_mean_head import MaxMeanNetwork, initialise_as_published, max_mean_head
from ecg_tl.models.registry import register_network

BRANCH_WIDTH = 32
KERNELS = (39, 19, 9)
CHANNELS = BRANCH_WIDTH * (len(KERNELS) + 1)
MODULES = 6
RESIDUAL_EVERY = 3


class InceptionModule(nn.Module):
    """Three convolutions of a narrowed signal and one of its local maximum, side by side.

    Args:
        in_channels: Channels of the input.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.bottleneck = _convolution(in_channels, BRANCH_WIDTH, 1)
        self.convs = nn.ModuleList(_convolution(BRANCH_WIDTH, BRANCH_WIDTH, kernel) for kernel in KERNELS)
        self.conv_bottle = nn.Sequential(MaxPool(3, 1, 1), _convolution(in_channels, BRANCH_WIDTH, 1))
        self.bn_relu = nn.Sequential(BatchNorm(CHANNELS), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, 128, samples)`."""
        narrowed = self.bottleneck(x)
        branches = [*(conv(narrowed) for conv in self.convs), self.conv_bottle(x)]
        activated: Tensor = self.bn_relu(torch.cat(branches, dim=1))
        return activated


class ProjectedSum(nn.Module):
    """The sum of a signal and an earlier one, projected.

    Args:
        in_channels: Channels of the earlier signal.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = _convolution(in_channels, CHANNELS, 1)
        self.bn = BatchNorm(CHANNELS)

    def forward(self, earlier: Tensor, x: Tensor) -> Tensor:
        """Add `earlier`, `(batch, in_channels, samples)`, to `x`, `(batch, 128, samples)`."""
        return torch.relu(x + self.bn(self.conv(earlier)))


class InceptionBackbone(nn.Module):
    """Six inception modules, with a projected sum after every three.

    Args:
        num_leads: Leads of the input.
    """

    def __init__(self, num_leads: int) -> None:
        super().__init__()
        self.im = nn.ModuleList(InceptionModule(CHANNELS if i else num_leads) for i in range(MODULES))
        self.sk = nn.ModuleList(
            ProjectedSum(CHANNELS if i else num_leads) for i in range(MODULES // RESIDUAL_EVERY)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, num_leads, samples)` to `(batch, 128, samples)`."""
        earlier = x
        for index, module in enumerate(self.im, start=1):
            x = module(x)
            if index % RESIDUAL_EVERY == 0:
                x = earlier = self.sk[index // RESIDUAL_EVERY - 1](earlier, x)
        return x


class Inception1d(MaxMeanNetwork):
    """The inception network of the PTB-XL benchmark.

    Tokens are the columns of the last map, one for each sample. Groups: `module1` to `module6` (the third and
    sixth with the sum that follows), `hidden`, `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    head_name = "layers.1.8"
    input_weight_names = (
        "layers.0.im.0.bottleneck.weight",
        "layers.0.im.0.conv_bottle.1.weight",
        "layers.0.sk.0.conv.weight",
    )

    def __init__(
        self,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples, memory_format)
        self.layers = nn.Sequential(InceptionBackbone(num_leads), max_mean_head(CHANNELS, num_classes))
        initialise_as_published(self)

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        columns: Tensor = self.layers[0](self._laid_out(signal))
        return columns.flatten(start_dim=2).transpose(1, 2)

    def _group_of(self, parameter_name: str) -> str:
        _, position, kind, index, *_ = parameter_name.split(".")
        if position == "1":
            return "hidden"
        return f"module{int(index) + 1 if kind == 'im' else RESIDUAL_EVERY * (int(index) + 1)}"


@register_network("inception1d", family="cnn")
def inception1d(
    num_classes: int, num_leads: int = 12, num_samples: int = 1000, memory_format: MemoryFormat = "auto"
) -> Inception1d:
    """Make the inception network of the PTB-XL benchmark."""
    return Inception1d(num_classes, num_leads, num_samples, memory_format)


def _convolution(in_channels: int, out_channels: int, kernel_size: int) -> Convolution:
    return Convolution(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
