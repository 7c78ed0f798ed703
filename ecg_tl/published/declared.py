"""What upstreams' authors declare of their training data, in words of reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def declared_overlaps(overlap: Mapping[str, Any]) -> list[str]:
    """Say in lines what `OverlapReport.as_dict` says of declared overlaps; nothing where it says nothing."""
    declared = overlap.get("declared")
    return [
        f"{one.get('overlap')} of {one.get('records')} {one.get('part')} records are among "
        f"{one.get('dataset')}, on which the upstream's authors declare that it was trained"
        for one in (declared if isinstance(declared, list) else [])
        if isinstance(one, Mapping)
    ]
