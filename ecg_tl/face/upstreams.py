"""`ecg_tl.upstream`, `ecg_tl.load_upstream` and `ecg_tl.list_upstreams`."""

from __future__ import annotations

from ecg_tl.face.names import matching
from ecg_tl.upstreams import UPSTREAMS, PublishedUpstream, find_upstream, load_upstream

__all__ = ["list_upstreams", "load_upstream", "upstream"]


def list_upstreams(pattern: str = "*") -> list[str]:
    """List the published upstreams.

    Args:
        pattern: Of the names, such as `hubert*`.
    """
    return matching(UPSTREAMS, pattern)


def upstream(name: str) -> PublishedUpstream:
    """Say what is known of a published upstream; `upstream(name).contract.prepare` makes its input.

    Args:
        name: One of `list_upstreams()`.

    Raises:
        SettingError: If there is no such upstream; the nearest is named.
    """
    return find_upstream(name)
