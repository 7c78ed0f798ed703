"""Networks for ECGs: plain `nn.Module`s behind one contract."""

from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.registry import NETWORKS, Family, NetworkEntry, create_network, network_names

__all__ = ["NETWORKS", "EcgNetwork", "Family", "NetworkEntry", "create_network", "network_names"]
