"""torch_ecg's ResNet of 18 layers and trainer, which asks its user for steps, loaders and an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from records import (
    BATCH,
    RATE,
    Records,
    Trained,
    Weights,
    main,
    probabilities,
    validation_loss,
    without_head,
)
from torch import Tensor
from torch.utils.data import DataLoader
from torch_ecg.cfg import CFG
from torch_ecg.components.trainer import BaseTrainer
from torch_ecg.model_configs import ECG_CRNN_CONFIG
from torch_ecg.models import ECG_CRNN

MONITOR = "minus_loss"


class Trainer(BaseTrainer):
    """Its trainer, with what it leaves open.

    Args:
        records: What it trains on.
        **given: What its own class takes.
    """

    __name__ = "Trainer"

    def __init__(self, records: Records, **given: Any) -> None:
        self.records = records
        super().__init__(**given)

    def _setup_dataloaders(self, train_dataset: Any = None, val_dataset: Any = None) -> None:
        self.train_loader = self.records.loader("train")
        self.val_loader = self.records.loader("validation")

    def run_one_step(self, *data: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs of a batch."""
        signal, target = data
        return self.model(signal), target

    def evaluate(self, data_loader: DataLoader[Any]) -> dict[str, float]:
        """Return what the epoch is chosen by, of which more is better."""
        loss = validation_loss(self.model, data_loader)
        self.model.train()
        return {MONITOR: -loss}

    @property
    def batch_dim(self) -> int:
        """Which dimension is the batch's."""
        return 0

    @property
    def extra_required_train_config_fields(self) -> list[str]:
        """Return none."""
        return []


def make_network(classes: list[str]) -> ECG_CRNN:
    """Make its ResNet of 18 layers, without recurrent layers and attention."""
    config = CFG(ECG_CRNN_CONFIG)
    config.cnn.name = "resnet_18"
    config.rnn.name = config.attn.name = "none"
    return ECG_CRNN(classes=classes, n_leads=12, config=config)


def train(records: Records, seed: int, upstream: Weights | None, epochs: int, folder: Path) -> Trained:
    """Train once."""
    torch.manual_seed(seed)
    network = make_network(records.classes)
    if upstream is not None:
        network.load_state_dict(without_head(upstream, network.state_dict()), strict=False)
    config = CFG(
        classes=records.classes,
        n_epochs=epochs,
        batch_size=BATCH,
        log_step=1000,
        optimizer="adamw",
        lr_scheduler="none",
        learning_rate=RATE,
        loss="BCEWithLogitsLoss",
        monitor=MONITOR,
        early_stopping=None,
        flooding_level=0,
        keep_checkpoint_max=1,
        checkpoints=str(folder / "checkpoints"),
        log_dir=str(folder / "logs"),
    )
    trainer = Trainer(
        records,
        model=network,
        dataset_cls=None,
        model_config={},
        train_config=config,
        device=torch.device("cpu"),
    )
    weights = trainer.train()
    network.load_state_dict(weights)
    return Trained(weights, lambda signals: probabilities(network, signals))


if __name__ == "__main__":
    main(train)
