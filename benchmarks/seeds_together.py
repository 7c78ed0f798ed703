"""Several seeds of one small network in one pass, against one after another: what it could gain.

    python benchmarks/seeds_together.py [--networks convolutions-16] [--together 4] [--quick]

Training steps (forward, backward, AdamW) of so many networks, each on a batch of its own. "Stacked" has the
parameters of all in one tensor each, and PyTorch's `vmap` over them: a convolution becomes a grouped one, and
a GRU is written step by step. "One by one" are the networks with PyTorch's own layers, each in turn.
Nothing of the project trains stacked networks yet: this says where it would pay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from timing import interleave, print_machine, print_table
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

CLASSES = 5
BATCH = 64


class ConvolutionalNetwork(nn.Module):
    """Convolutions as a ResNet of 18 layers has them, each halving the signal, without batch norms.

    Args:
        width: Channels of the first.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [12, width, width, 2 * width, 4 * width, 8 * width]
        self.layers = nn.ModuleList(
            nn.Conv1d(one, other, 7 if one == 12 else 3, 2, 1) for one, other in pairwise(widths)
        )
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, signal: Tensor) -> Tensor:
        """Return logits."""
        for layer in self.layers:
            signal = layer(signal).relu()
        return self.head(signal.mean(dim=-1))


class RecurrentNetwork(nn.Module):
    """A GRU; step by step where it is stacked.

    Args:
        hidden: Units.
        stepwise: Whether each sample is an operation of its own.
    """

    def __init__(self, hidden: int, stepwise: bool) -> None:
        super().__init__()
        self.layer = nn.GRU(12, hidden, batch_first=True)
        self.head = nn.Linear(hidden, CLASSES)
        self.stepwise = stepwise

    def forward(self, signal: Tensor) -> Tensor:
        """Return logits."""
        if not self.stepwise:
            return self.head(self.layer(signal.transpose(1, 2))[1][0])
        layer = self.layer
        state = signal.new_zeros(signal.shape[0], layer.hidden_size)
        of_input = F.linear(signal.transpose(1, 2), layer.weight_ih_l0, layer.bias_ih_l0)
        for step in range(signal.shape[-1]):
            reset, update, new = of_input[:, step].chunk(3, dim=-1)
            own_reset, own_update, own_new = F.linear(state, layer.weight_hh_l0, layer.bias_hh_l0).chunk(
                3, dim=-1
            )
            kept = torch.sigmoid(update + own_update)
            drawn = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            state = kept * state + (1 - kept) * drawn
        return self.head(state)


NETWORKS: dict[str, Callable[[bool], nn.Module]] = {
    "convolutions-64": lambda _: ConvolutionalNetwork(64),
    "convolutions-16": lambda _: ConvolutionalNetwork(16),
    "gru-64": lambda stepwise: RecurrentNetwork(64, stepwise),
}
"""What makes a network; given whether it is to be stacked."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--together", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short signals, one round: does it run?")
    arguments = parser.parse_args()
    print_machine("seeds_together: training steps of several networks in one pass, against one by one")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    samples, rounds, numbers = (
        (64, 1, [2]) if arguments.quick else (1000, arguments.rounds, arguments.together)
    )
    rows: list[list[object]] = []
    for name in arguments.networks:
        make_network = NETWORKS[name]
        for number in numbers:
            signal = torch.randn(number, BATCH, 12, samples, device=device)
            target = (torch.rand(number, BATCH, CLASSES, device=device) > 0.5).float()
            subjects = {
                "one by one": one_by_one(make_network, signal, target),
                "stacked": stacked(make_network, signal, target),
            }
            timed = interleave(subjects, budget=0, fewest=rounds, most=rounds)
            speeds = [number / timed.median(one) for one in subjects]
            ratio = timed.ratio("one by one", "stacked"), timed.spread("one by one", "stacked")
            rows.append([name, number, *speeds, *ratio])
    columns = ["network", "together", "one by one, steps/s", "stacked, steps/s", "x", "rounds' range"]
    print_table(columns, rows)
    if device.type == "cpu":
        print("On a GPU: not measured")


def one_by_one(
    make_network: Callable[[bool], nn.Module], signal: Tensor, target: Tensor
) -> Callable[[], object]:
    """Return what does a step of each network, with an optimizer of its own."""
    networks = [make_network(False).to(signal.device) for _ in signal]
    optimizers = [torch.optim.AdamW(network.parameters(), fused=True) for network in networks]

    def step() -> None:
        for network, optimizer, own, wanted in zip(networks, optimizers, signal, target, strict=True):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(network(own), wanted).backward()
            optimizer.step()

    return step


def stacked(
    make_network: Callable[[bool], nn.Module], signal: Tensor, target: Tensor
) -> Callable[[], object]:
    """Return what does a step of all networks at once: AdamW goes by element, and so needs no change."""
    networks = [make_network(True).to(signal.device) for _ in signal]
    parameters, buffers = stack_module_state(networks)
    network = networks[0]
    optimizer = torch.optim.AdamW(parameters.values(), fused=True)

    def forward(own: dict[str, Tensor], kept: dict[str, Tensor], of_own: Tensor) -> Tensor:
        logits: Tensor = functional_call(network, (own, kept), (of_own,))
        return logits

    def step() -> None:
        optimizer.zero_grad()
        logits = vmap(forward)(parameters, buffers, signal)
        # The sum over networks of each one's mean: gradients are those of each alone.
        (F.binary_cross_entropy_with_logits(logits, target) * len(signal)).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
