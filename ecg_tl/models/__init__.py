"""Networks for ECGs: plain `nn.Module`s behind one contract. Each file registers its own; see `registry`."""

from importlib import import_module
from pkgutil import iter_modules

from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.registry import (
    NETWORKS,
    NetworkEntry,
    create_network,
    find_network,
    network_names,
    register_network,
    require_options,
)

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "NETWORKS",
    "EcgNetwork",
    "NetworkEntry",
    "create_network",
    "find_network",
    "network_names",
    "register_network",
    "require_options",
]
