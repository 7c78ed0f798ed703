"""The task of convolutional networks."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.models import find_network, network_names
from ecg_tl.tasks.base import EcgClassifier


class CnnClassifier(EcgClassifier):
    """Classify ECGs with a convolutional network, such as the paper's one-dimensional ResNets.

    Args:
        network: Which one.
        num_classes: From the datamodule.
        num_leads: From the datamodule.
        num_samples: From the datamodule.
        memory_format: How signals lie in memory inside the network: it decides the speed and nothing else. A
            checkpoint of one is a checkpoint of the other. A network that has no such choice takes `auto`.
        **kwargs: Those of `EcgClassifier`.
    """

    def __init__(
        self,
        network: Literal[network_names("cnn")],  # type: ignore[valid-type]  # a list that the registry keeps
        num_classes: int,
        num_leads: int,
        num_samples: int,
        memory_format: Literal["auto", "channels_last", "contiguous"] = "auto",
        **kwargs: Any,
    ) -> None:
        chooses = memory_format != "auto" or "memory_format" in find_network(network).options
        options = {"memory_format": memory_format} if chooses else {}
        super().__init__(network, num_classes, num_leads, num_samples, network_options=options, **kwargs)
        self.save_hyperparameters(ignore=self.not_kept)
