"""What upstreams' authors declare of their training data, in words of reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def declared_overlaps(overlap: Mapping[str, Any]) -> list[str]:
    """Say in lines what `OverlapReport.as_dict` says of declared overlaps; nothing where it says nothing."""
    declared = overlap.get("declared")
    parts: dict[str, list[str]] = {}
    for one in declared if isinstance(declared, list) else []:
        if isinstance(one, Mapping):
            counts = f"{one.get('overlap')} of {one.get('records')} {one.get('part')}"
            parts.setdefault(str(one.get("dataset")), []).append(counts)
    return [
        f"{_listed(counts)} records are among {dataset}, on which the upstream's authors declare that it was "
        "trained"
        for dataset, counts in parts.items()
    ]


def _listed(counts: list[str]) -> str:
    *first, last = counts
    return f"{', '.join(first)} and {last}" if first else last
