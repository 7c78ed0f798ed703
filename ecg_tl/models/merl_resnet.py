"""The ResNet-18 of MERL, which has no max-pooling and keeps the full length through its first stage.

Liu et al., "Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical Knowledge
Enhancement", ICML 2024. Layers are named as in the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecg_tl.models.base import Step, TokenNetwork
from ecg_tl.models.registry import register_network
from ecg_tl.models.stochastic_depth import StochasticDepth

WIDTHS = (64, 128, 256, 512)
BLOCKS = 2


class ShortcutBlock(nn.Module):
    """Two convolutions of kernel 3 beside a shortcut.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: By which the first convolution shortens the signal.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(out_channels)
        self.conv2 = nn.Conv1d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(out_channels)
        self.stochastic_depth = StochasticDepth()
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv1d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm1d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, samples / stride)`."""
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(self.stochastic_depth(out) + self.shortcut(x))


class MerlResNet18(TokenNetwork):
    """MERL's ResNet-18, pooled over time, so that it takes signals of any length.

    Tokens are the columns of the last map, one for 16 samples. Groups: `stem`, `layer1` to `layer4`, `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.

    Raises:
        SettingError: If one of the numbers is below 1.
    """

    head_name = "linear"
    input_weight_names = ("conv1.weight",)

    def __init__(self, num_classes: int, num_leads: int = 12, num_samples: int = 5000) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        channels = WIDTHS[0]
        self.conv1 = nn.Conv1d(num_leads, channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        for stage, width in enumerate(WIDTHS):
            blocks: list[nn.Module] = []
            for position in range(BLOCKS):
                # Every stage but the first halves the length, in its first block.
                blocks.append(ShortcutBlock(channels, width, stride=2 if stage and not position else 1))
                channels = width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(channels, num_classes)

    def _token_steps(self) -> Sequence[Step]:
        stages = [f"layer{stage}" for stage in range(1, len(WIDTHS) + 1)]
        return (
            ("stem", lambda x: torch.relu(self.bn1(self.conv1(x)))),
            *((stage, self.get_submodule(stage)) for stage in stages),
            (stages[-1], lambda x: x.transpose(1, 2)),
        )

    def _group_of(self, parameter_name: str) -> str:
        first = parameter_name.split(".", 1)[0]
        return first if first.startswith("layer") else "stem"


@register_network("merl_resnet18", family="cnn", residual=True)
def merl_resnet18(num_classes: int, num_leads: int = 12, num_samples: int = 5000) -> MerlResNet18:
    """Make MERL's ResNet-18."""
    return MerlResNet18(num_classes, num_leads, num_samples)
