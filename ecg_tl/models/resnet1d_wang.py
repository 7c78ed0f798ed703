"""The residual network of Wang et al.: three blocks of one width.

Wang et al., "Time Series Classification from Scratch with Deep Neural Networks: A Strong Baseline", IJCNN
2017, in the form of the PTB-XL benchmark (see `ecg_tl.models.max_mean_head`). Layers are named as in the
published weights, where they are numbered.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ecg_tl.models.base import Step
from ecg_tl.models.layout import BatchNorm, Convolution, MemoryFormat
from ecg_tl.models.max_mean_head import MaxMeanNetwork, initialise_as_published, max_mean_head
from ecg_tl.models.registry import register_network
from ecg_tl.models.resnet1d import BasicBlock

WIDTH = 128
STRIDES = (1, 2, 2)
FIRST_BLOCK = 3


class ResNet1dWang(MaxMeanNetwork):
    """The residual network of Wang et al. in the PTB-XL benchmark.

    Tokens are the columns of the last map, one for 4 samples. Groups: `stem`, `block1` to `block3`, `hidden`,
    `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    head_name = "6.8"
    input_weight_names = ("0.weight",)

    def __init__(
        self,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples, memory_format)
        layers = [
            Convolution(num_leads, WIDTH, 7, padding=3, bias=False),
            BatchNorm(WIDTH),
            nn.ReLU(),
            *(nn.Sequential(BasicBlock(WIDTH, WIDTH, stride, kernel_sizes=(5, 3))) for stride in STRIDES),
            max_mean_head(WIDTH, num_classes),
        ]
        for index, layer in enumerate(layers):
            self.add_module(str(index), layer)
        initialise_as_published(self)

    def _token_steps(self) -> Sequence[Step]:
        layers = [self.get_submodule(str(index)) for index in range(FIRST_BLOCK + len(STRIDES))]
        blocks = [(f"block{number}", block) for number, block in enumerate(layers[FIRST_BLOCK:], start=1)]
        stem = [("stem", layer) for layer in layers[:FIRST_BLOCK]]
        columns = (blocks[-1][0], lambda x: x.flatten(start_dim=2).transpose(1, 2))
        return (("stem", self._laid_out), *stem, *blocks, columns)

    def _group_of(self, parameter_name: str) -> str:
        index = int(parameter_name.split(".", 1)[0])
        if index < FIRST_BLOCK:
            return "stem"
        return f"block{index - FIRST_BLOCK + 1}" if index < FIRST_BLOCK + len(STRIDES) else "hidden"


@register_network("resnet1d_wang", family="cnn", residual=True)
def resnet1d_wang(
    num_classes: int, num_leads: int = 12, num_samples: int = 1000, memory_format: MemoryFormat = "auto"
) -> ResNet1dWang:
    """Make the residual network of Wang et al."""
    return ResNet1dWang(num_classes, num_leads, num_samples, memory_format)
