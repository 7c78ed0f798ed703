"""Files of published upstreams, opened strictly. What is known of each is in `ecg_tl.published`."""

from ecg_tl.published import UPSTREAMS, PublishedUpstream, find_upstream, publish
from ecg_tl.upstreams.loading import (
    FileReport,
    LoadedUpstream,
    check_upstream,
    load_upstream,
    open_upstream,
    read_published,
)

__all__ = [
    "UPSTREAMS",
    "FileReport",
    "LoadedUpstream",
    "PublishedUpstream",
    "check_upstream",
    "find_upstream",
    "load_upstream",
    "open_upstream",
    "publish",
    "read_published",
]
