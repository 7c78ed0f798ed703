"""Networks of structured state-space layers: a classifier of bidirectional ones, and the encoder of ECG-CPC.

Sizes and names are those of Al-Masud et al., "Benchmarking ECG Foundational Models", 2025: its supervised
baseline, and ECG-CPC. See `ecg_tl.models.s4_layers` for the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.base import Lengths, Step, TokenNetwork, require_length
from ecg_tl.models.registry import register_network
from ecg_tl.models.s4_layers import S4Stack, check_sizes, fix_kernels, steps_of_layers

WIDTH = 512
DEPTH = 4
STATES = 8
DROPOUT = 0.2


class S4(TokenNetwork):
    """A classifier of bidirectional S4 layers; its features are the mean of its tokens, one for each sample.

    It takes signals up to the length that it was made for: a longer kernel would be that of another system.
    Groups: `stem`, `layer1` to the last layer, `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; shorter signals work as well.
        width: Channels.
        depth: Layers.
        states: States of each channel's system, an even number.
        dropout: Share of whole channels dropped in training, inside each layer and after it.

    Raises:
        SettingError: If one of the numbers is below 1, or the states are odd in number.
    """

    head_name = "decoder"
    input_weight_names = ("encoder.weight",)

    def __init__(
        self,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 250,
        width: int = WIDTH,
        depth: int = DEPTH,
        states: int = STATES,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        check_sizes(width, depth, states)
        self.encoder = nn.Conv1d(num_leads, width, 1)
        stack = S4Stack(width, depth, states, num_samples + num_samples % 2, True, dropout)
        self.s4_layers, self.norms, self.dropout = stack.s4_layers, stack.norms, stack.dropout
        self.decoder = nn.Linear(width, num_classes)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(longest=self.num_samples)

    def _token_steps(self) -> Sequence[Step]:
        layers = steps_of_layers(self.s4_layers, self.norms, self.dropout)
        return (("stem", self.encoder), *layers, (layers[-1][0], lambda x: x.transpose(1, 2)))

    def prepare_for_export(self) -> None:
        """Replace FFTs, which few other programs know, by convolutions with the kernels as they are."""
        fix_kernels(self.s4_layers)

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        return "stem" if parts[0] == "encoder" else f"layer{int(parts[1]) + 1}"


class ConvolutionalEncoder(nn.Module):
    """The convolutions before the layers of ECG-CPC: the first halves the length, the others mix channels.

    Args:
        num_leads: Leads of the input.
        width: Channels.
        depth: Convolutions.
    """

    def __init__(self, num_leads: int, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for index in range(depth):
            kernel, stride = (1, 1) if index else (3, 2)
            self.layers.append(
                nn.Sequential(
                    nn.Conv1d(
                        width if index else num_leads,
                        width,
                        kernel,
                        stride=stride,
                        padding=kernel // 2,
                        bias=False,
                    ),
                    nn.BatchNorm1d(width),
                    nn.ReLU(),
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, num_leads, samples)` to `(batch, width, ceil(samples / 2))`."""
        for layer in self.layers:
            x = layer(x)
        return x


class Predictor(nn.Module):
    """The layers under their published name, `predictor.predictor`.

    Args:
        stack: The layers.
    """

    def __init__(self, stack: S4Stack) -> None:
        super().__init__()
        self.predictor = stack

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width, samples)` to tokens `(batch, samples, width)`."""
        tokens: Tensor = self.predictor(x)
        return tokens


class CpcS4(TokenNetwork):
    """The encoder of ECG-CPC: convolutions, then causal S4 layers; its features are the mean of its tokens.

    A token is for 2 samples. Groups: `convolution1` to the last convolution, `layer1` to the last layer,
    `head`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; shorter signals work as well.
        width: Channels.
        depth: Convolutions, and layers.
        states: States of each channel's system, an even number.
        dropout: Share of whole channels dropped in training, inside each layer and after it.
        longest: The longest signal in samples, if not `num_samples`; the published weights are for 2400.

    Raises:
        SettingError: If one of the numbers is below 1, the states are odd in number, or `num_samples` is
            greater than `longest`.
    """

    head_name = "classifier"
    input_weight_names = ("encoder.layers.0.0.weight",)

    def __init__(
        self,
        num_classes: int,
        num_leads: int = 12,
        num_samples: int = 2400,
        width: int = WIDTH,
        depth: int = DEPTH,
        states: int = STATES,
        dropout: float = DROPOUT,
        longest: int | None = None,
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_settings(dropout=(SHARE, dropout))
        check_sizes(width, depth, states)
        self.longest = num_samples if longest is None else longest
        require_length(self.lengths, num_samples)
        tokens = -(-self.longest // 2)
        self.encoder = ConvolutionalEncoder(num_leads, width, depth)
        self.predictor = Predictor(S4Stack(width, depth, states, tokens + tokens % 2, False, dropout))
        self.classifier = nn.Linear(width, num_classes)

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(longest=self.longest)

    def forward_local(self, signal: Tensor) -> Tensor:
        """Encode signals `(batch, num_leads, samples)` by the convolutions alone: `(batch, width, tokens)`.

        A token is made of its own samples and one to each side.

        Raises:
            SettingError: As `forward_features`.
        """
        self._check_input(signal)
        local: Tensor = self.encoder(signal)
        return local

    def forward_context(self, local: Tensor) -> Tensor:
        """Summarise what `forward_local` gave, up to each token: `(batch, tokens, width)`."""
        tokens: Tensor = self.predictor(local)
        return tokens

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        return self.forward_context(self.encoder(signal))

    def prepare_for_export(self) -> None:
        """Replace FFTs, which few other programs know, by convolutions with the kernels as they are."""
        fix_kernels(self.predictor.predictor.s4_layers)

    def _group_of(self, parameter_name: str) -> str:
        parts = parameter_name.split(".")
        if parts[0] == "encoder":
            return f"convolution{int(parts[2]) + 1}"
        return f"layer{int(parts[3]) + 1}"


@register_network("s4", family="state_space", residual=True)
def s4(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 250,
    width: int = WIDTH,
    depth: int = DEPTH,
    states: int = STATES,
    dropout: float = DROPOUT,
) -> S4:
    """Make a classifier of bidirectional S4 layers; see `S4`."""
    return S4(num_classes, num_leads, num_samples, width, depth, states, dropout)


@register_network("cpc_s4", family="state_space", residual=True)
def cpc_s4(
    num_classes: int,
    num_leads: int = 12,
    num_samples: int = 2400,
    width: int = WIDTH,
    depth: int = DEPTH,
    states: int = STATES,
    dropout: float = DROPOUT,
    longest: int | None = None,
) -> CpcS4:
    """Make ECG-CPC's encoder; see `CpcS4`."""
    return CpcS4(num_classes, num_leads, num_samples, width, depth, states, dropout, longest)
