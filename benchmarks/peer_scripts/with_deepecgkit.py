"""deepecgkit's ResNet and trainer, as its documentation uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from deepecgkit.models.resnet1d import ResNet1D
from deepecgkit.training.train import ECGTrainer
from records import RATE, Records, Trained, Weights, main, probabilities, without_head
from torch.utils.data import DataLoader


class Data:
    """What its trainer asks for.

    Args:
        records: Whose loaders they are.
    """

    def __init__(self, records: Records) -> None:
        self.records = records

    def train_dataloader(self) -> DataLoader[Any]:
        """Give the training part."""
        return self.records.loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        """Give the validation part."""
        return self.records.loader("validation")


def train(records: Records, seed: int, upstream: Weights | None, epochs: int, folder: Path) -> Trained:
    """Train once."""
    torch.manual_seed(seed)
    network = ResNet1D(input_channels=12, output_size=len(records.classes))
    if upstream is not None:
        network.load_state_dict(without_head(upstream, network.state_dict()), strict=False)
    trainer = ECGTrainer(network, {"learning_rate": RATE, "multi_label": True}, device="cpu")
    # Its checkpoints are what it chooses the epoch of the least validation loss from.
    trainer.fit(Data(records), epochs=epochs, checkpoint_dir=folder, progress_bar=False)
    return Trained(network.state_dict(), lambda signals: probabilities(network, signals))


if __name__ == "__main__":
    main(train)
