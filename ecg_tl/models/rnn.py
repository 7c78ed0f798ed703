"""Recurrent networks over time: LSTM, bidirectional LSTM and GRU.

The default is that of Nguyen and Do, "Transfer Learning in ECG Diagnosis: Is It Effective?", PLOS ONE 20(5),
2025: one recurrent layer of 100 hidden units, and every step's output flattened into one linear layer. That
layer then holds 92 to 94 % of the parameters, all of which a transfer to other classes throws away; the
poolings over time are there so that recurrent networks can be compared without it.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import HIDDEN_SIZE, NUM_LAYERS, require_settings
from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.registry import register_network

Cell = Literal["lstm", "gru"]
Pooling = Literal["flatten", "last", "mean", "attention"]


class RecurrentNetwork(EcgNetwork):
    """A recurrent network that reads the leads sample by sample, from a zero state.

    What reaches the head is, by `pooling`:

    - `flatten`: the outputs of all steps, one after the other; the length of a signal is then fixed.
    - `last`: the final hidden state; of a bidirectional network, those of both directions.
    - `mean`: the mean of the outputs over time.
    - `attention`: their mean with weights softmax(v . tanh(W output + b)) (additive attention over time).

    Groups: `rnn` (with several layers `rnn.0`, `rnn.1` ...), `attention` where there is one, `head`.

    Args:
        cell: `lstm` or `gru`.
        bidirectional: Whether a second layer reads from the end to the start.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; with any pooling but `flatten` other lengths work as well.
        hidden_size: Hidden units of a layer and direction.
        num_layers: Recurrent layers.
        pooling: How outputs become features.

    Raises:
        SettingError: If one of the numbers is below 1, or the pooling is unknown.
    """

    head_name = "fc"
    has_tokens = True

    def __init__(
        self,
        cell: Cell,
        bidirectional: bool,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 1000,
        hidden_size: int = 100,
        num_layers: int = 1,
        pooling: Pooling = "flatten",
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(hidden_size=(HIDDEN_SIZE, hidden_size), num_layers=(NUM_LAYERS, num_layers))
        if pooling not in get_args(Pooling):
            raise SettingError(
                "pooling", repr(pooling), f"one of {', '.join(get_args(Pooling))}", "Choose one of these."
            )
        self.pooling = pooling
        self.input_weight_names = ("rnn.weight_ih_l0",)
        if bidirectional:
            self.input_weight_names += ("rnn.weight_ih_l0_reverse",)
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.rnn = layer(num_leads, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        outputs = hidden_size * (2 if bidirectional else 1)
        if pooling == "attention":
            # The softmax cancels a bias after the last layer: it would never be trained.
            self.attention = nn.Sequential(
                nn.Linear(outputs, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1, bias=False)
            )
        self.fc = nn.Linear(outputs * num_samples if pooling == "flatten" else outputs, num_classes)

    @property
    def fixed_length(self) -> bool:
        """Whether signals must have exactly `num_samples` samples."""
        return self.pooling == "flatten"

    @property
    def head_kind(self) -> Literal["pooled", "flatten"]:
        """How time reaches the head."""
        return "flatten" if self.pooling == "flatten" else "pooled"

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        outputs: Tensor = self.rnn(signal.transpose(1, 2))[0]
        return outputs

    def _encode(self, signal: Tensor) -> Tensor:
        outputs, state = self.rnn(signal.transpose(1, 2))  # (batch, samples, directions * hidden_size)
        if self.pooling == "flatten":
            return torch.flatten(outputs, start_dim=1)
        if self.pooling == "mean":
            return torch.mean(outputs, dim=1)
        if self.pooling == "attention":
            weights = torch.softmax(self.attention(outputs), dim=1)
            return torch.sum(weights * outputs, dim=1)
        hidden = state[0] if isinstance(state, tuple) else state  # (layers * directions, batch, hidden_size)
        directions = 2 if self.rnn.bidirectional else 1
        return torch.cat(tuple(hidden[-directions:]), dim=-1)

    def _group_of(self, parameter_name: str) -> str:
        first = parameter_name.split(".", 1)[0]
        layer = re.search(r"_l(\d+)(?:_reverse)?$", parameter_name)
        return f"rnn.{layer[1]}" if first == "rnn" and layer and self.rnn.num_layers > 1 else first


@register_network("lstm", family="rnn", bfloat16_on_cpu="lstm_kernel")
def lstm(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    hidden_size: int = 100,
    num_layers: int = 1,
    pooling: Pooling = "flatten",
) -> RecurrentNetwork:
    """Make a long short-term memory network (Hochreiter and Schmidhuber, 1997)."""
    return RecurrentNetwork(
        "lstm", False, num_classes, num_leads, num_samples, hidden_size, num_layers, pooling
    )


@register_network("bilstm", family="rnn", bfloat16_on_cpu="lstm_kernel")
def bilstm(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    hidden_size: int = 100,
    num_layers: int = 1,
    pooling: Pooling = "flatten",
) -> RecurrentNetwork:
    """Make an LSTM that reads in both directions (Schuster and Paliwal, 1997)."""
    return RecurrentNetwork(
        "lstm", True, num_classes, num_leads, num_samples, hidden_size, num_layers, pooling
    )


@register_network("gru", family="rnn", bfloat16_on_cpu="no_gain")
def gru(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 1000,
    hidden_size: int = 100,
    num_layers: int = 1,
    pooling: Pooling = "flatten",
) -> RecurrentNetwork:
    """Make a network of gated recurrent units (Cho et al., 2014)."""
    return RecurrentNetwork(
        "gru", False, num_classes, num_leads, num_samples, hidden_size, num_layers, pooling
    )
