"""What is known of published upstreams, without weights: one entry each. A file here registers its entries.

What opens their files is `ecg_tl.upstreams`, which needs torch; a datamodule needs the contracts alone.
"""

from importlib import import_module
from pkgutil import iter_modules

from ecg_tl.published.entry import UPSTREAMS, PublishedUpstream, find_upstream, publish

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["UPSTREAMS", "PublishedUpstream", "find_upstream", "publish"]
