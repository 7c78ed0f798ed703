"""Runs that are compared and were not trained with the same number of threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_SHARED = ("protocol", "dataset", "network", "size", "axes")
"""What runs have in common that are compared with each other: all but the arm, its upstream and the seed."""


def uneven_threads(runs: Iterable[tuple[Mapping[str, Any], int | None]]) -> tuple[str, ...]:
    """Say, a sentence for each comparison, where numbers of threads differ.

    Args:
        runs: For each `Run.describe()` and its number of threads, None if that is not known.
    """
    groups: dict[str, set[int]] = {}
    for described, threads in runs:
        words = [described[name] for name in _SHARED]
        size = "" if words[3] is None else f", {words[3]} records"
        axes = "".join(f", {axis} {value}" for axis, value in dict(words[4]).items())
        second = ", second opinion" if words[0] == "second_opinion" else ""
        name = f"{words[1]}, {words[2]}{size}{axes}{second}"
        groups.setdefault(name, set()).update([] if threads is None else [threads])
    return tuple(
        f"{name}: runs were trained with {_either(sorted(found))} threads, which round differently."
        for name, found in groups.items()
        if len(found) > 1
    )


def _either(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
