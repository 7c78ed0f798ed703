"""The task of recurrent networks."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.models import network_names
from ecg_tl.tasks.base import EcgClassifier


class RnnClassifier(EcgClassifier):
    """Classify ECGs with a recurrent network.

    Args:
        network: Which one.
        num_classes: From the datamodule.
        num_leads: From the datamodule.
        num_samples: From the datamodule.
        hidden_size: Hidden units of a layer and direction.
        num_layers: Recurrent layers.
        pooling: How the outputs over time become features; `flatten` is the paper's.
        **kwargs: Those of `EcgClassifier`.
    """

    def __init__(
        self,
        network: Literal[network_names("rnn")],  # type: ignore[valid-type]  # a list that the registry keeps
        num_classes: int,
        num_leads: int,
        num_samples: int,
        hidden_size: int = 100,
        num_layers: int = 1,
        pooling: Literal["flatten", "last", "mean", "attention"] = "flatten",
        **kwargs: Any,
    ) -> None:
        options = {"hidden_size": hidden_size, "num_layers": num_layers, "pooling": pooling}
        super().__init__(network, num_classes, num_leads, num_samples, network_options=options, **kwargs)
        self.save_hyperparameters(ignore=self.not_kept)
