"""The task of convolutional networks."""

from __future__ import annotations

from typing import Any, Literal

from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.models import create_network
from ecg_tl.models.resnet1d import ResNet1d
from ecg_tl.tasks.base import EcgClassifier


class CnnClassifier(EcgClassifier):
    """Classify ECGs with a one-dimensional ResNet.

    Args:
        network: Which one.
        num_classes: From the datamodule.
        num_leads: From the datamodule.
        num_samples: From the datamodule.
        memory_format: How signals lie in memory inside the network: it decides the speed and nothing else. A
            checkpoint of one is a checkpoint of the other.
        **kwargs: Those of `EcgClassifier`.
    """

    def __init__(
        self,
        network: Literal["resnet1d18", "resnet1d50", "resnet1d101"],
        num_classes: int,
        num_leads: int,
        num_samples: int,
        memory_format: Literal["auto", "channels_last", "contiguous"] = "auto",
        **kwargs: Any,
    ) -> None:
        options = {"memory_format": memory_format}
        super().__init__(create_network(network, num_classes, num_leads, num_samples, **options), **kwargs)
        self.save_hyperparameters()

    def on_fit_start(self) -> None:
        """Say which memory format was chosen."""
        assert isinstance(self.network, ResNet1d)
        rank_zero_info(f"memory_format: {self.network.chosen_memory_format()}")
