"""Residual networks in one dimension: torchvision's ResNets with the height left out.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride of a bottleneck on its
middle convolution. Sizes and the two fully connected layers are those of Nguyen and Do, "Transfer Learning
in ECG Diagnosis: Is It Effective?", PLOS ONE 20(5), 2025. Layers are named as torchvision names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import Limit, require_settings
from ecg_tl.models.base import Step, run_steps
from ecg_tl.models.laid_out import LaidOutNetwork
from ecg_tl.models.layout import (
    BatchNorm,
    Convolution,
    MaxPool,
    MemoryFormat,
    to_channels_last,
)
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

WIDTHS = (64, 128, 256, 512)
FEATURES = 512

# The widest ResNets of ECGs have some thousand channels.
WIDTH = Limit("width", 1, 16_384, whole=True)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut.

    Args:
        in_channels: Channels of the input.
        width: Channels of the output.
        stride: By which the first convolution shortens the signal.
        kernel_sizes: Samples that one output of each convolution is computed from.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self, in_channels: int, width: int, stride: int, kernel_sizes: tuple[int, int] = (3, 3)
    ) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, width, kernel_sizes[0], stride=stride)
        self.bn1 = BatchNorm(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _convolution(width, width, kernel_sizes[1])
        self.bn2 = BatchNorm(width)
        self.downsample = _shortcut(in_channels, width * self.expansion, stride)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, width, samples / stride)`."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.stochastic_depth(self.bn2(self.conv2(out)))
        out += x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class Bottleneck(nn.Module):
    """Convolutions of kernel 1, 3 and 1 beside a shortcut; the last one widens by `expansion`.

    Args:
        in_channels: Channels of the input.
        width: Channels between the convolutions; the output has `expansion` times as many.
        stride: By which the middle convolution shortens the signal.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = _convolution(in_channels, width, kernel_size=1)
        self.bn1 = BatchNorm(width)
        self.conv2 = _convolution(width, width, kernel_size=3, stride=stride)
        self.bn2 = BatchNorm(width)
        self.conv3 = _convolution(width, out_channels, kernel_size=1)
        self.bn3 = BatchNorm(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, expansion * width, samples / stride)`."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.stochastic_depth(self.bn3(self.conv3(out)))
        out += x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class ResNet1d(LaidOutNetwork):
    """A residual network over time, pooled over time, so that it takes signals of any length.

    Groups: `stem`, `layer1` to `layer4`, `fc1`, `head`.

    Args:
        block: The kind of residual block.
        depths: Number of blocks in each of the four stages.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else;
            see `ecg_tl.models.layout`.
        widths: Of the blocks of each of the four stages; the first is that of the stem, too.
        features: Length of the feature vector, which the first fully connected layer makes.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    head_name = "fc2"
    input_weight_names = ("conv1.weight",)
    has_tokens = True

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        memory_format: MemoryFormat = "auto",
        widths: Sequence[int] = WIDTHS,
        features: int = FEATURES,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples, memory_format)
        if len(widths) != len(depths):
            raise SettingError(
                "widths", f"{len(widths)} of them", f"{len(depths)}, one a stage", "Correct widths."
            )
        require_settings(features=(WIDTH, features))
        for width in widths:
            require_settings(widths=(WIDTH, width))
        channels = widths[0]
        self.conv1 = _convolution(num_leads, channels, kernel_size=7, stride=2)
        self.bn1 = BatchNorm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = MaxPool(kernel_size=3, stride=2, padding=1)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks: list[nn.Module] = []
            for position in range(depth):
                # Every stage but the first halves the length, in its first block.
                blocks.append(block(channels, width, stride=2 if stage and not position else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self._stages = len(depths)
        self.fc1 = nn.Linear(channels, features)
        self.fc2 = nn.Linear(features, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _encode(self, signal: Tensor) -> Tensor:
        return run_steps(self._steps(), signal)

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        return run_steps(self._steps_over_time(), signal).flatten(start_dim=2).transpose(1, 2)

    def _steps(self) -> Sequence[Step]:
        over_time = self._steps_over_time()
        return (
            *over_time,
            (over_time[-1][0], lambda x: x.flatten(start_dim=2).mean(dim=-1)),
            ("fc1", lambda x: torch.relu(self.fc1(x))),
        )

    def _steps_over_time(self) -> Sequence[Step]:
        """List the steps to what is pooled."""
        stages = [f"layer{stage}" for stage in range(1, self._stages + 1)]
        return (("stem", self._stem), *((stage, self.get_submodule(stage)) for stage in stages))

    def _stem(self, signal: Tensor) -> Tensor:
        if self.chosen_memory_format().channels_last:
            x = to_channels_last(self.conv1(to_channels_last(signal)))
        else:
            x = self.conv1(signal)
        pooled: Tensor = self.maxpool(self.relu(self.bn1(x)))
        return pooled

    def _group_of(self, parameter_name: str) -> str:
        first = parameter_name.split(".", 1)[0]
        return "stem" if first in ("conv1", "bn1") else first


@register_network("resnet1d18", family="cnn", residual=True)
def resnet1d18(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    memory_format: MemoryFormat = "auto",
    widths: Sequence[int] = WIDTHS,
    features: int = FEATURES,
) -> ResNet1d:
    """Make a ResNet1d-18: basic blocks [2, 2, 2, 2]."""
    return ResNet1d(
        BasicBlock, (2, 2, 2, 2), num_classes, num_leads, num_samples, memory_format, widths, features
    )


@register_network("resnet1d50", family="cnn", residual=True)
def resnet1d50(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    memory_format: MemoryFormat = "auto",
    widths: Sequence[int] = WIDTHS,
    features: int = FEATURES,
) -> ResNet1d:
    """Make a ResNet1d-50: bottlenecks [3, 4, 6, 3]."""
    return ResNet1d(
        Bottleneck, (3, 4, 6, 3), num_classes, num_leads, num_samples, memory_format, widths, features
    )


@register_network("resnet1d101", family="cnn", residual=True)
def resnet1d101(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    memory_format: MemoryFormat = "auto",
    widths: Sequence[int] = WIDTHS,
    features: int = FEATURES,
) -> ResNet1d:
    """Make a ResNet1d-101: bottlenecks [3, 4, 23, 3]."""
    return ResNet1d(
        Bottleneck, (3, 4, 23, 3), num_classes, num_leads, num_samples, memory_format, widths, features
    )


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> Convolution:
    # No bias: the batch norm that follows every convolution has one.
    return Convolution(
        in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False
    )


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        _convolution(in_channels, out_channels, kernel_size=1, stride=stride), BatchNorm(out_channels)
    )
