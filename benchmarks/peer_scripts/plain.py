"""A plain PyTorch script: a ResNet of 18 layers, AdamW, the epoch of the least validation loss."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from records import RATE, Records, Trained, Weights, main, probabilities, validation_loss, without_head
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions, and what they are added to."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(before, channels, 3, stride, 1, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm1d(channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or before != channels:
            self.shortcut = nn.Sequential(
                nn.Conv1d(before, channels, 1, stride, bias=False), nn.BatchNorm1d(channels)
            )

    def forward(self, signal: Tensor) -> Tensor:
        """Compute it."""
        return torch.relu(self.body(signal) + self.shortcut(signal))


def make_network(classes: int) -> nn.Module:
    """Make a ResNet of 18 layers for twelve leads."""
    layers: list[nn.Module] = [
        nn.Conv1d(12, 64, 7, 2, 3, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.MaxPool1d(3, 2, 1),
    ]
    before = 64
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(before, channels, stride), Block(channels, channels, 1)]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(512, classes))


def train(records: Records, seed: int, upstream: Weights | None, epochs: int, folder: Path) -> Trained:
    """Train once."""
    torch.manual_seed(seed)
    network = make_network(len(records.classes))
    if upstream is not None:
        network.load_state_dict(without_head(upstream, network.state_dict()), strict=False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    training, validation = records.loader("train"), records.loader("validation")
    best, chosen = float("inf"), copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        network.train()
        for signal, target in training:
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(signal), target).backward()
            optimizer.step()
        loss = validation_loss(network, validation)
        if loss < best:
            best, chosen = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(chosen)
    return Trained(chosen, lambda signals: probabilities(network, signals))


if __name__ == "__main__":
    main(train)
