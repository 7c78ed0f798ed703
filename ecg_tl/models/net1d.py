"""Net1D: residual blocks of grouped convolutions with squeeze-and-excitation, and no normalisation.

Hong et al., "HOLMES: Health OnLine Model Ensemble Serving for Deep Learning Models in Intensive Care
Units", KDD 2020, in the form of ECGFounder (Li et al., "An Electrocardiogram Foundation Model Built on over
10 Million Recordings", NEJM AI 2025) and CLEF, whose tensor names it keeps. Both published networks carry
batch norms that no signal ever passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.models.base import Step, TokenNetwork, require_one_of
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

Size = Literal["tiny", "small", "medium", "large"]

KERNEL = 16


@dataclass(frozen=True)
class Net1dSize:
    """The numbers that make one Net1D.

    Attributes:
        stem: Channels after the first convolution.
        widths: Channels of each stage.
        blocks: Blocks of each stage.
        ratio: Channels inside a block over its channels.
        group_width: Channels of a block for each group of its middle convolution.
    """

    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    ratio: float
    group_width: int


SIZES: dict[Size, Net1dSize] = {
    "tiny": Net1dSize(16, (16, 32, 32), (1, 1, 1), 0.5, 8),
    "small": Net1dSize(32, (32, 64, 64, 128, 128, 256), (1, 1, 2, 2, 2, 2), 0.5, 8),
    "medium": Net1dSize(64, (64, 160, 160, 400, 400, 1024, 1024), (2, 2, 2, 3, 3, 4, 4), 1.0, 16),
    "large": Net1dSize(
        128, (128, 256, 256, 512, 512, 1024, 1024, 2048, 2048), (2, 3, 3, 4, 4, 5, 5, 6, 6), 1.5, 32
    ),
}


class SameConvolution(nn.Module):
    """A convolution whose output has `ceil(samples / stride)` samples, with zeros at both ends.

    Where the zeros are odd in number, the end has one more than the start.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Samples that one output is computed from.
        stride: By which the signal is shortened.
        groups: Groups of channels that do not meet.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, stride=stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, ceil(samples / stride))`."""
        (kernel,), (stride,), samples = self.conv.kernel_size, self.conv.stride, x.shape[-1]
        zeros = max(0, ((samples - 1) // stride) * stride + kernel - samples)
        if zeros:
            x = F.pad(x, (zeros // 2, zeros - zeros // 2))
        convolved: Tensor = self.conv(x)
        return convolved


class IdleNorm(nn.Module):
    """The tensors of a batch norm that no signal passes.

    The published files hold them. They are buffers here, so that they load by their names, and no optimizer
    or distributed training waits for a gradient that never comes.

    Args:
        channels: Length of each tensor.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))


class Net1dBlock(nn.Module):
    """Convolutions of kernel 1, 16 (in groups) and 1, weighted channel by channel, beside a shortcut.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, not fewer than those of the input.
        size: Ratio and group width.
        halve: Whether the output has half as many samples.
        activate: Whether the convolutions take the activated input; the very first block does not.
    """

    def __init__(
        self, in_channels: int, out_channels: int, size: Net1dSize, halve: bool, activate: bool
    ) -> None:
        super().__init__()
        inner = int(out_channels * size.ratio)
        self.halve, self.activate = halve, activate
        self.widen = out_channels - in_channels
        self.bn1 = IdleNorm(in_channels)
        self.conv1 = SameConvolution(in_channels, inner, 1)
        self.bn2 = IdleNorm(inner)
        self.conv2 = SameConvolution(
            inner, inner, KERNEL, stride=2 if halve else 1, groups=out_channels // size.group_width
        )
        self.bn3 = IdleNorm(inner)
        self.conv3 = SameConvolution(inner, out_channels, 1)
        self.se_fc1 = nn.Linear(out_channels, out_channels // 2)
        self.se_fc2 = nn.Linear(out_channels // 2, out_channels)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, samples)`, or half the samples."""
        out = self.conv1(F.silu(x) if self.activate else x)
        out = self.conv3(F.silu(self.conv2(F.silu(out))))
        weights = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(out.mean(dim=-1)))))
        out = self.stochastic_depth(out * weights.unsqueeze(-1))
        if self.halve:
            # The last of an odd number of samples competes with a zero.
            x = F.max_pool1d(F.pad(x, (0, 1)), 2, 2)
        if self.widen:
            x = F.pad(x, (0, 0, self.widen // 2, self.widen - self.widen // 2))
        summed: Tensor = out + x
        return summed


class Net1dStage(nn.Module):
    """Blocks of one width, the first of which halves the length.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        depth: Number of blocks.
        size: Ratio and group width.
        first: Whether the stage is the network's first.
    """

    def __init__(self, in_channels: int, out_channels: int, depth: int, size: Net1dSize, first: bool) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(
            Net1dBlock(
                out_channels if position else in_channels,
                out_channels,
                size,
                halve=position == 0,
                activate=position > 0 or not first,
            )
            for position in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, ceil(samples / 2))`."""
        for block in self.block_list:
            x = block(x)
        return x


class Net1d(TokenNetwork):
    """Net1D, pooled over time, so that it takes signals of any length.

    Tokens are the columns of the last map, one for `2 ** (stages + 1)` samples. Groups: `stem`, `stage1` to
    the last stage, `head`.

    Args:
        size: Its sizes.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
    """

    head_name = "dense"
    input_weight_names = ("first_conv.conv.weight",)

    def __init__(
        self, size: Net1dSize, num_classes: int, num_leads: int = 12, num_samples: int = 5000
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        self.first_conv = SameConvolution(num_leads, size.stem, KERNEL, stride=2)
        self.first_bn = IdleNorm(size.stem)
        self.stage_list = nn.ModuleList()
        channels = size.stem
        for width, depth in zip(size.widths, size.blocks, strict=True):
            self.stage_list.append(Net1dStage(channels, width, depth, size, first=not len(self.stage_list)))
            channels = width
        self.dense = nn.Linear(channels, num_classes)

    def _token_steps(self) -> Sequence[Step]:
        stages = [(f"stage{number}", stage) for number, stage in enumerate(self.stage_list, start=1)]
        return (
            ("stem", lambda x: F.silu(self.first_conv(x))),
            *stages,
            (stages[-1][0], lambda x: x.transpose(1, 2)),
        )

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        return f"stage{int(parts[1]) + 1}" if parts[0] == "stage_list" else "stem"


@register_network("net1d", family="cnn", residual=True)
def net1d(num_classes: int, num_leads: int = 12, num_samples: int = 5000, size: Size = "medium") -> Net1d:
    """Make a Net1D.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        size: `medium` is ECGFounder's and CLEF's medium one (30.8 M parameters), `small` (0.45 M) and `large`
            are CLEF's other two, `tiny` is for trying things out.

    Raises:
        SettingError: If there is no such size, or a number is below 1.
    """
    require_one_of("size", size, get_args(Size))
    return Net1d(SIZES[size], num_classes, num_leads, num_samples)
