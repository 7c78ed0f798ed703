"""The recipe `lora`: the upstream's weights stay, and small matrices beside them are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.errors import SettingError
from ecg_tl.limits import COUNT, PENALTY, fits_type, require_settings, shown
from ecg_tl.models import EcgNetwork
from ecg_tl.models.low_rank import add_low_rank, is_low_rank
from ecg_tl.transfer.phases import everything
from ecg_tl.transfer.recipe import Recipe


@dataclass(frozen=True)
class LoraOptions:
    """What is added where.

    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, 2021: in place of a
    weight W the network computes with `W + alpha / rank * B A`. W stays; A begins at random and B at zero, so
    that the network begins as the upstream. B A is added to the weight of a convolution as well, as a matrix
    of output channels by input channels times taps, and to the input and recurrent weights of an LSTM or
    GRU, all gates as one matrix. Biases and batch norms have no matrix: they stay as the upstream has them.

    Attributes:
        rank: Rows of A and columns of B, where the weight has as many rows and columns.
        alpha: Together with the rank the scale of what is added.
        layers: Names of layers or of their weights, or patterns (`layer4*`, `fc1`, `rnn.weight_ih*`); the
            head, which is new and trained as it is, is none of them.

    Raises:
        SettingError: If an option is out of range.
    """

    rank: int = 8
    alpha: float = 16.0
    layers: Sequence[str] = ("*",)

    def __post_init__(self) -> None:
        require_settings("transfer.options", rank=(COUNT, self.rank), alpha=(PENALTY, self.alpha))
        if self.rank < 1:
            raise SettingError("transfer.options.rank", str(self.rank), "at least 1", "Correct rank.")
        if not fits_type(list(self.layers), list[str]) or isinstance(self.layers, str) or not self.layers:
            raise SettingError(
                "transfer.options.layers",
                shown(self.layers),
                "a list of names of layers or patterns",
                "Correct layers.",
            )


def _add(network: EcgNetwork, options: LoraOptions) -> None:
    add_low_rank(network, options.layers, options.rank, options.alpha)


LORA = Recipe(
    "a new head, and matrices of low rank beside weights that stay as they are",
    everything,
    prepare=_add,
    options=LoraOptions,
    trains=is_low_rank,
    l2_sp=None,
)
