"""The task of convolutional networks."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.models import create_network
from ecg_tl.tasks.base import EcgClassifier


class CnnClassifier(EcgClassifier):
    """Classify ECGs with a one-dimensional ResNet.

    Args:
        network: Which one.
        num_classes: From the datamodule.
        num_leads: From the datamodule.
        num_samples: From the datamodule.
        **kwargs: Those of `EcgClassifier`.
    """

    def __init__(
        self,
        network: Literal["resnet1d18", "resnet1d50", "resnet1d101"],
        num_classes: int,
        num_leads: int,
        num_samples: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(create_network(network, num_classes, num_leads, num_samples), **kwargs)
        self.save_hyperparameters()
