"""The layers of a convolutional network in either memory layout, and which layout suits a device.

A signal `(batch, channels, samples)` usually lies in memory channel by channel (`contiguous`). The kernels
that are fastest on most hardware want all channels of one sample side by side (`channels_last`), and PyTorch
has that layout for pictures only. A one-dimensional convolution is the two-dimensional one of a picture of
height 1, so these layers take `(batch, channels, 1, samples)` as well and then compute just that. Their
parameters keep the shapes of one-dimensional layers: a checkpoint does not know in which layout it was
trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MemoryFormat = Literal["auto", "channels_last", "contiguous"]


@dataclass(frozen=True)
class MemoryFormatChoice:
    """What a setting came to.

    Attributes:
        channels_last: Whether all channels of one sample lie side by side.
        reason: Why, for a log.
    """

    channels_last: bool
    reason: str

    def __str__(self) -> str:
        return f"{'channels_last' if self.channels_last else 'contiguous'} ({self.reason})"


def choose_memory_format(
    wanted: MemoryFormat, device: torch.device, dtype: torch.dtype = torch.float32
) -> MemoryFormatChoice:
    """Resolve `auto`.

    Args:
        wanted: The setting.
        device: Where the network computes.
        dtype: Of its parameters.
    """
    if wanted != "auto":
        return MemoryFormatChoice(wanted == "channels_last", "as set")
    if dtype == torch.float64:
        return MemoryFormatChoice(False, "auto: kernels for double precision know no other layout")
    if device.type == "cpu":
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # PyTorch gives no types
            return MemoryFormatChoice(True, "auto: oneDNN's convolutions are faster so")
        return MemoryFormatChoice(False, "auto: this PyTorch lacks oneDNN, the reason for the other")
    if device.type == "cuda":
        return MemoryFormatChoice(True, "auto: tensor cores read their input so")
    return MemoryFormatChoice(False, f"auto: nothing is known of {device.type}")


def to_channels_last(signal: Tensor) -> Tensor:
    """Lay a signal out as a picture of height 1, `(batch, channels, 1, samples)`, channels side by side.

    A signal of one channel lies alike in both layouts, and PyTorch then takes it for the other one: the
    output of the first convolution has to be laid out once more, which costs nothing where it was right.

    Args:
        signal: `(batch, channels, samples)`, or such a picture.
    """
    picture = signal.unsqueeze(2) if signal.ndim == 3 else signal
    return picture.contiguous(memory_format=torch.channels_last)


class Convolution(nn.Conv1d):
    """A one-dimensional convolution that also takes pictures of height 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(batch, in_channels, samples)` or `(batch, in_channels, 1, samples)`."""
        if input.ndim == 3:
            return super().forward(input)
        (stride,), (dilation,) = self.stride, self.dilation
        assert not isinstance(self.padding, str)
        return F.conv2d(
            input,
            self.weight.unsqueeze(2),
            self.bias,
            stride=(1, stride),
            padding=(0, self.padding[0]),
            dilation=(1, dilation),
            groups=self.groups,
        )


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of signals, and of pictures of height 1."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 4:
            super()._check_input_dim(input)


class MaxPool(nn.Module):
    """Max-pooling over time, of signals and of pictures of height 1.

    Args:
        kernel_size: Samples that one output is the greatest of.
        stride: By which the signal is shortened.
        padding: Samples added at each end; they are never the greatest.
    """

    def __init__(self, kernel_size: int, stride: int, padding: int) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, input: Tensor) -> Tensor:
        """Pool `(batch, channels, samples)` or `(batch, channels, 1, samples)`."""
        if input.ndim == 3:
            return F.max_pool1d(input, self.kernel_size, self.stride, self.padding)
        return F.max_pool2d(input, (1, self.kernel_size), (1, self.stride), (0, self.padding))
