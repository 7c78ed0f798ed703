"""The networks that exist, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ecg_tl.errors import SettingError
from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.resnet1d import resnet1d18, resnet1d50, resnet1d101
from ecg_tl.models.rnn import bilstm, gru, lstm

Family = Literal["cnn", "rnn"]

_COMMON_SETTINGS = ("num_classes", "num_leads", "num_samples")


@dataclass(frozen=True)
class NetworkEntry:
    """One network of the registry.

    Attributes:
        build: Makes it from `num_classes`, `num_leads`, `num_samples` and its own options.
        family: `cnn` or `rnn`.
    """

    build: Callable[..., EcgNetwork]
    family: Family

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the settings that this network has beyond those that all have."""
        return tuple(
            name for name in inspect.signature(self.build).parameters if name not in _COMMON_SETTINGS
        )


NETWORKS: dict[str, NetworkEntry] = {
    "resnet1d18": NetworkEntry(resnet1d18, "cnn"),
    "resnet1d50": NetworkEntry(resnet1d50, "cnn"),
    "resnet1d101": NetworkEntry(resnet1d101, "cnn"),
    "lstm": NetworkEntry(lstm, "rnn"),
    "bilstm": NetworkEntry(bilstm, "rnn"),
    "gru": NetworkEntry(gru, "rnn"),
}


def network_names(family: Family | None = None) -> tuple[str, ...]:
    """List the names of all networks, or of one family's."""
    return tuple(name for name, entry in NETWORKS.items() if family in (None, entry.family))


def create_network(
    name: str, num_classes: int, num_leads: int = 12, num_samples: int = 1000, **options: object
) -> EcgNetwork:
    """Make a freshly initialised network; `torch.manual_seed` decides its weights.

    Args:
        name: One of `network_names()`.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input.
        **options: What the network's own function takes beyond these (ResNets: `memory_format`; RNNs:
            `hidden_size`, `num_layers`, `pooling`).

    Raises:
        SettingError: If there is no such network, it has no such option, or a value is out of range.
    """
    if name not in NETWORKS:
        raise SettingError("network", repr(name), f"one of {', '.join(NETWORKS)}", "Choose one of these.")
    entry = NETWORKS[name]
    unknown = [option for option in options if option not in entry.options]
    if unknown:
        raise SettingError(
            f"options of {name}",
            ", ".join(unknown),
            f"only {', '.join(entry.options)}" if entry.options else "none, for it has none",
            "Remove or correct the option.",
        )
    return entry.build(num_classes, num_leads, num_samples, **options)
