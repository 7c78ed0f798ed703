"""Published upstreams: one entry each, and their files opened strictly. A file here registers its entries."""

from importlib import import_module
from pkgutil import iter_modules

from ecg_tl.upstreams.entry import UPSTREAMS, Contract, PublishedUpstream, find_upstream, publish
from ecg_tl.upstreams.loading import (
    FileReport,
    LoadedUpstream,
    check_upstream,
    load_upstream,
    open_upstream,
)

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "UPSTREAMS",
    "Contract",
    "FileReport",
    "LoadedUpstream",
    "PublishedUpstream",
    "check_upstream",
    "find_upstream",
    "load_upstream",
    "open_upstream",
    "publish",
]
