"""What is known of a published upstream: network, file, contract, licence, and what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from ecg_tl.downloading.sources import Source
from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.preprocessing import Contract

UNVERIFIED = "unverified"


@dataclass(frozen=True)
class PublishedUpstream:
    """A published upstream.

    Attributes:
        name: By which it is asked for.
        title: What it is, in a line.
        network: Name of the network in the registry.
        contract: What it asks of its input.
        feature: What `forward_features` gives.
        code_licence: Of the authors' code.
        weights_licence: Of the weights.
        source: Where the file is.
        citation: The publication.
        trained_on: Datasets that are declared as its training data.
        recipe: How the authors fine-tune it.
        options: Of the network.
        has_head: Whether the file has a head that was trained.
        ignored: Patterns of names in the file that are left out, each with the reason.
        beside: What tensors are whose names lack the prefix that the network's have; empty if there are none.
        unverified: What nobody has checked about it.
        non_commercial: Whether a licence forbids commercial use.
    """

    name: str
    title: str
    network: str
    contract: Contract
    feature: str
    code_licence: str
    weights_licence: str
    source: Source
    citation: str
    trained_on: tuple[str, ...]
    recipe: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    has_head: bool = False
    ignored: tuple[tuple[str, str], ...] = ()
    beside: str = ""
    unverified: tuple[str, ...] = ("the file itself",)
    non_commercial: bool = False

    @property
    def licence_remark(self) -> str:
        """What whoever uses the weights must read each time; empty if their licence asks for nothing."""
        if not self.non_commercial:
            return ""
        return f"{self.name} may not be used commercially: its weights are {self.weights_licence}."


UPSTREAMS: dict[str, PublishedUpstream] = {}


def publish(entry: PublishedUpstream) -> None:
    """Register an upstream under its name."""
    if entry.name in UPSTREAMS and UPSTREAMS[entry.name] != entry:
        raise SettingError("upstream", f"two of the name {entry.name}", "one", "Rename one of them.")
    UPSTREAMS[entry.name] = entry


def find_upstream(name: object) -> PublishedUpstream:
    """Look a published upstream up.

    Raises:
        SettingError: If there is none of this name; the nearest one is named.
    """
    if isinstance(name, str) and name in UPSTREAMS:
        return UPSTREAMS[name]
    close = get_close_matches(name, UPSTREAMS, n=1) if isinstance(name, str) else []
    raise SettingError(
        "upstream",
        shown(name),
        f"one of {', '.join(UPSTREAMS)}",
        f"Did you mean {close[0]}?" if close else "Choose one of these.",
    )
