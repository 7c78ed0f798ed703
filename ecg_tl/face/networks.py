"""`ecg_tl.list_networks`."""

from __future__ import annotations

from ecg_tl.face.names import matching
from ecg_tl.models import network_names


def list_networks(pattern: str = "*") -> list[str]:
    """List the networks, by the name that `EcgClassifier` and the command line use.

    Args:
        pattern: Of the names, such as `resnet*`.
    """
    return matching(network_names(), pattern)
