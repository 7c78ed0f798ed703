"""What the tests of transfer train: the project's own tasks and data, made small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tiny import ACCELERATOR

from ecg_tl.datamodules import EcgDataModule, SplitSettings
from ecg_tl.datamodules.cpsc2018 import Cpsc2018DataModule
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.models.resnet1d import ResNet1d, resnet1d18
from ecg_tl.signals import LEADS
from ecg_tl.tasks import EcgClassifier, RnnClassifier

Family = Literal["gru", "cnn"]


NARROW = {"widths": (8, 8, 16, 16), "features": 16}
"""Of a ResNet: batch norm, all groups, few parameters."""


def small_resnet(num_classes: int, num_leads: int = 12, num_samples: int = 100) -> ResNet1d:
    return resnet1d18(num_classes, num_leads, num_samples, **NARROW)


@dataclass(frozen=True)
class Study:
    """Makes data, tasks and trainers over one folder of records."""

    roots: Path

    def data(self, layout: Literal["cpsc2018", "custom"] = "cpsc2018", **settings: Any) -> EcgDataModule:
        """Six training batches of four records an epoch; 4 records validate."""
        kind = {"cpsc2018": Cpsc2018DataModule, "custom": CustomDataModule}[layout]
        settings = {
            "leads": LEADS,
            "num_samples": 100,
            "batch_size": 4,
            "split": SplitSettings(fractions=(0.6, 0.1, 0.3)),
            "prepare_workers": 1,
            **settings,
        }
        return kind(root=str(self.roots / layout), store_dir=str(self.roots / "stores"), **settings)

    def task(
        self, data: EcgDataModule, family: Family = "gru", seed: int = 0, **settings: Any
    ) -> EcgClassifier:
        seed_everything(seed, verbose=False)
        known = {
            "num_classes": data.num_classes,
            "class_names": data.class_names,
            "num_leads": data.num_leads,
            "num_samples": data.num_samples,
            "normalization": data.normalization,
            **({"single_choice": True} if data.single_choice else {}),
            "schedule": "constant",
            "learning_rate": 1e-2,
        }
        if family == "cnn":
            return EcgClassifier(**{"network": "resnet1d18", "network_options": NARROW, **known, **settings})
        rnn = {"network": "gru", "hidden_size": 6, "num_layers": 3, "pooling": "mean"}
        return RnnClassifier(**(known | rnn | settings))

    def trainer(self, folder: Path, *callbacks: Callback, **settings: Any) -> Trainer:
        quiet = {
            "accelerator": ACCELERATOR,
            "devices": 1,
            "max_epochs": 1,
            "logger": TensorBoardLogger(folder, name="", version=""),
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
        }
        return Trainer(callbacks=list(callbacks), **(quiet | settings))

    def upstream(self, folder: Path, family: Family, **settings: Any) -> Path:
        """Train on the laboratory's records and keep the checkpoint."""
        data = self.data("custom", **settings)
        trainer = self.trainer(folder, logger=False)
        trainer.fit(self.task(data, family, seed=1), data)
        trainer.save_checkpoint(folder / "upstream.ckpt")
        return folder / "upstream.ckpt"


def weights(task: EcgClassifier) -> dict[str, torch.Tensor]:
    """A copy of the network's tensors."""
    return {name: tensor.clone() for name, tensor in task.network.state_dict().items()}


def equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same, bit for bit."""
    return one.shape == other.shape and bool((one == other).all())
