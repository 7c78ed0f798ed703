"""xResNets in one dimension: three small convolutions first, and shortcuts that average before they project.

He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", CVPR 2019, in the form
of the PTB-XL benchmark (see `ecg_tl.models.max_mean_head`) and of KED (Tian et al., "Foundation model of ECG
diagnosis: Diagnostics and explanations of any form and rhythm on ECG", Cell Reports Medicine 5, 2024). Layers
are named as in the published weights, where they are numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.models.base import Step, TokenNetwork, require_one_of
from ecg_tl.models.laid_out import LaidOutNetwork
from ecg_tl.models.layout import (
    BatchNorm,
    Convolution,
    MaxPool,
    MemoryFormat,
    to_channels_last,
)
from ecg_tl.models.max_mean_head import MaxMeanNetwork, initialise_as_published, max_mean_head
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

Variant = Literal["benchmark", "ked"]

STEM_WIDTHS = (32, 32, 64)
EXPANSION = 4
STAGE_WIDTHS: dict[Variant, tuple[int, ...]] = {
    "benchmark": (256, 256, 256, 256),
    "ked": (256, 512, 512, 768),
}
FIRST_STAGE = len(STEM_WIDTHS) + 1
ALIAS, ALIASED = ".convpath.0.", ".convs."


class HalvingMean(nn.Module):
    """The mean of every two samples; an odd last one stands alone."""

    def forward(self, input: Tensor) -> Tensor:
        """Pool `(batch, channels, samples)` or `(batch, channels, 1, samples)`."""
        if input.ndim == 3:
            return F.avg_pool1d(input, 2, 2, ceil_mode=True, count_include_pad=False)
        return F.avg_pool2d(input, (1, 2), (1, 2), ceil_mode=True, count_include_pad=False)


class XResBlock(nn.Module):
    """Convolutions of kernel 1, 5 and 1 beside a shortcut that averages first.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output; the middle convolution has a quarter of them.
        stride: By which the middle convolution and the shortcut shorten the signal: 1 or 2.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        inner = out_channels // EXPANSION
        self.convs = nn.Sequential(
            _unit(in_channels, inner, 1),
            _unit(inner, inner, 5, stride),
            _unit(inner, out_channels, 1, activate=False),
        )
        shortcut: list[nn.Module] = []
        if stride != 1:
            shortcut.append(HalvingMean())
        if in_channels != out_channels:
            shortcut.append(_unit(in_channels, out_channels, 1, activate=False))
        self.idpath = nn.Sequential(*shortcut)
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, ceil(samples / stride))`."""
        out: Tensor = self.stochastic_depth(self.convs(x))
        out += self.idpath(x)
        return torch.relu_(out)


class XResNet1d(MaxMeanNetwork):
    """An xResNet of the PTB-XL benchmark.

    Tokens are the columns of the last map, one for 32 samples. Groups: `stem`, `stage1` to `stage4`,
    `hidden`, `head`.

    Args:
        depths: Number of blocks in each of the four stages.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    head_name = "8.8"
    input_weight_names = ("0.0.weight",)

    def __init__(
        self,
        depths: Sequence[int],
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples, memory_format)
        widths = STAGE_WIDTHS["benchmark"]
        _add_layers(self, num_leads, widths, depths)
        self.add_module("8", max_mean_head(widths[-1], num_classes))
        initialise_as_published(self)
        self.register_load_state_dict_pre_hook(_drop_aliases)  # type: ignore[no-untyped-call]

    def _token_steps(self) -> Sequence[Step]:
        return _column_steps(self, self._laid_out)

    def _group_of(self, parameter_name: str) -> str:
        return _group_of(parameter_name)


class KedXResNet1d(LaidOutNetwork, TokenNetwork):
    """The xResNet of KED, wider in its later stages, whose features are the mean of the map.

    Tokens are the columns of the last map, one for 32 samples. Groups: `stem`, `stage1` to `stage4`, `head`.

    Args:
        depths: Number of blocks in each of the four stages.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    head_name = "classifier"
    input_weight_names = ("0.0.weight",)

    def __init__(
        self,
        depths: Sequence[int],
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples, memory_format)
        widths = STAGE_WIDTHS["ked"]
        _add_layers(self, num_leads, widths, depths)
        self.classifier = nn.Linear(widths[-1], num_classes)
        initialise_as_published(self)
        self.register_load_state_dict_pre_hook(_drop_aliases)  # type: ignore[no-untyped-call]

    def _token_steps(self) -> Sequence[Step]:
        return _column_steps(self, self._laid_out)

    def _group_of(self, parameter_name: str) -> str:
        return _group_of(parameter_name)


@register_network("xresnet1d50", family="cnn", residual=True)
def xresnet1d50(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    variant: Variant = "benchmark",
    memory_format: MemoryFormat = "auto",
) -> XResNet1d | KedXResNet1d:
    """Make an xResNet1d-50: blocks [3, 4, 6, 3]."""
    return _xresnet((3, 4, 6, 3), num_classes, num_leads, num_samples, variant, memory_format)


@register_network("xresnet1d101", family="cnn", residual=True)
def xresnet1d101(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    variant: Variant = "benchmark",
    memory_format: MemoryFormat = "auto",
) -> XResNet1d | KedXResNet1d:
    """Make an xResNet1d-101: blocks [3, 4, 23, 3]; its variant `ked` is KED's."""
    return _xresnet((3, 4, 23, 3), num_classes, num_leads, num_samples, variant, memory_format)


def _xresnet(
    depths: Sequence[int],
    num_classes: int,
    num_leads: int,
    num_samples: int,
    variant: Variant,
    memory_format: MemoryFormat,
) -> XResNet1d | KedXResNet1d:
    require_one_of("variant", variant, get_args(Variant))
    network = KedXResNet1d if variant == "ked" else XResNet1d
    return network(depths, num_classes, num_leads, num_samples, memory_format)


def _unit(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, activate: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        Convolution(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False
        ),
        BatchNorm(out_channels),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if activate else []))


def _add_layers(network: nn.Module, num_leads: int, widths: Sequence[int], depths: Sequence[int]) -> None:
    """Register the numbered layers up to the last map: the stem, the pooling, the stages."""
    channels = num_leads
    for index, width in enumerate(STEM_WIDTHS):
        network.add_module(str(index), _unit(channels, width, 5, stride=1 if index else 2))
        channels = width
    network.add_module(str(len(STEM_WIDTHS)), MaxPool(kernel_size=3, stride=2, padding=1))
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        blocks: list[nn.Module] = []
        for position in range(depth):
            # Every stage but the first halves the length, in its first block.
            blocks.append(XResBlock(channels, width, stride=2 if stage and not position else 1))
            channels = width
        network.add_module(str(FIRST_STAGE + stage), nn.Sequential(*blocks))


def _column_steps(network: nn.Module, lay_out: Callable[[Tensor], Tensor]) -> Sequence[Step]:
    """List the steps to the columns of the last map."""

    def stem(signal: Tensor) -> Tensor:
        x = lay_out(signal)
        for index in range(FIRST_STAGE):
            x = network.get_submodule(str(index))(x)
            if index == 0 and x.ndim == 4:
                x = to_channels_last(x)  # one lead lies alike in both layouts
        return x

    stages = [(f"stage{one + 1}", network.get_submodule(str(FIRST_STAGE + one))) for one in range(4)]
    return (("stem", stem), *stages, (stages[-1][0], lambda x: x.flatten(start_dim=2).transpose(1, 2)))


def _group_of(parameter_name: str) -> str:
    index = int(parameter_name.split(".", 1)[0])
    if index < FIRST_STAGE:
        return "stem"
    return f"stage{index - FIRST_STAGE + 1}" if index < FIRST_STAGE + 4 else "hidden"


def _drop_aliases(
    module: nn.Module,
    state_dict: dict[str, Tensor],
    prefix: str,
    local_metadata: dict[str, object],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Leave out the second name under which the published files list each tensor of `convs`."""
    for name in [name for name in state_dict if ALIAS in name]:
        first = state_dict.get(name.replace(ALIAS, ALIASED))
        if first is None:
            continue
        if torch.equal(first, state_dict[name]):
            del state_dict[name]
        else:
            error_msgs.append(f"{name} and {name.replace(ALIAS, ALIASED)} are one tensor, and differ here")
