"""What became of every tensor when an upstream was loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal

from ecg_tl.contamination.report import OverlapReport

State = Literal["loaded", "renamed", "adapted", "reinitialised", "shape-skipped", "missing", "unexpected"]

TAKEN: tuple[State, ...] = ("loaded", "renamed", "adapted")
"""States of tensors that hold something of the upstream's."""

UNMATCHED: tuple[State, ...] = ("shape-skipped", "missing", "unexpected")
"""States that nobody asked for."""

HEAD = "head"

STATISTICS = ("running_mean", "running_var")
"""Buffers of a batch norm that the forward uses; what it counts (`num_batches_tracked`) decides nothing."""

NORM_WEIGHTS = ("weight", "bias")

_NOT_COUNTED: tuple[State, ...] = ("unexpected", "reinitialised")


@dataclass(frozen=True)
class TensorReport:
    """What became of one tensor.

    Attributes:
        name: In the downstream network (in the upstream's file, if `unexpected`).
        group: Layer group of the downstream network; `-` if `unexpected`.
        state: `loaded`; `renamed` (loaded by the table of renames); `adapted` (to other leads, another rate
            or other classes); `reinitialised` (left as initialised, on purpose); `shape-skipped`; `missing`
            upstream; `unexpected` downstream.
        shape: Downstream, or upstream if `unexpected`.
        upstream_shape: None if missing.
        parameters: Number of trainable values; 0 for buffers.
        taken: How many of these come from the upstream.
        note: What there is to say beyond that: the upstream's name, the leads, the diagnoses.
    """

    name: str
    group: str
    state: State
    shape: tuple[int, ...]
    upstream_shape: tuple[int, ...] | None
    parameters: int
    taken: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives."""
        upstream_shape = None if self.upstream_shape is None else list(self.upstream_shape)
        return asdict(self) | {"shape": list(self.shape), "upstream_shape": upstream_shape}


@dataclass(frozen=True)
class TrainedReport:
    """How much of a network a recipe trains.

    Attributes:
        recipe: Its name; `phases` where phases were given in its place.
        parameters: Number of trainable values that are trained in the last phase, in which most are.
        of: Number of all of them, with those that the recipe adds.
        at_first: Number of them that are trained from the first epoch on.
    """

    recipe: str
    parameters: int
    of: int
    at_first: int

    @property
    def share(self) -> float:
        """Share of the network's parameters that are trained in the last phase."""
        return self.parameters / self.of

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives."""
        return asdict(self) | {"share": self.share}


@dataclass(frozen=True)
class TransferReport:
    """What became of every tensor.

    Attributes:
        upstream: The file; None for a network that starts at random.
        tensors: In the downstream network's order, then the unexpected ones.
        overlap: Records at hand that the upstream was trained on; None where there is nothing to compare.
        training: What is trained; None before that is settled.
    """

    upstream: str | None
    tensors: tuple[TensorReport, ...]
    overlap: OverlapReport | None = None
    training: TrainedReport | None = None

    @property
    def coverage(self) -> float:
        """Share of the backbone's parameters that come from the upstream.

        The head is no part of the backbone, and groups that were to start fresh are not counted.
        """
        backbone = [t for t in self.tensors if t.group != HEAD and t.state not in _NOT_COUNTED]
        total = sum(t.parameters for t in backbone)
        return sum(t.taken for t in backbone) / total if total else 0.0

    @property
    def norm_coverage(self) -> dict[str, float]:
        """Shares of the backbone's batch norms that come from the upstream: `weights`, `statistics`.

        They are a thousandth of the parameters, or none, and decide every output: a mean of 0 and a variance
        of 1 in place of the upstream's make nothing of what was loaded. Empty without batch norms.
        """
        backbone = [t for t in self.tensors if t.group != HEAD and t.state not in _NOT_COUNTED]
        norms = {module for t in backbone for module in [_norm_of(t.name, STATISTICS)] if module}
        shares = {}
        for kind, names in (("weights", NORM_WEIGHTS), ("statistics", STATISTICS)):
            members = [t for t in backbone if _norm_of(t.name, names) in norms]
            total = sum(prod(t.shape) for t in members)
            if total:
                shares[kind] = sum(prod(t.shape) for t in members if t.state in TAKEN) / total
        return shares

    @property
    def groups(self) -> tuple[str, ...]:
        """Layer groups of the downstream network, from input to output."""
        return tuple(dict.fromkeys(t.group for t in self.tensors if t.state != "unexpected"))

    def count(self, state: State) -> int:
        """Count the tensors that fared so."""
        return sum(t.state == state for t in self.tensors)

    def counts(self) -> dict[str, int]:
        """Count the tensors of each state that occurs."""
        return {state: n for state in (*TAKEN, "reinitialised", *UNMATCHED) if (n := self.count(state))}

    def share_by_group(self) -> dict[str, float]:
        """Give the share of each layer group's parameters that come from the upstream."""
        return {group: self._share(group) for group in self.groups}

    def _share(self, group: str) -> float:
        members = [t for t in self.tensors if t.group == group]
        total = sum(t.parameters for t in members)
        return sum(t.taken for t in members) / total if total else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        return {
            "upstream": self.upstream,
            "coverage": self.coverage,
            "norm_coverage": self.norm_coverage,
            "counts": self.counts(),
            "share_by_group": self.share_by_group(),
            "tensors": [t.as_dict() for t in self.tensors],
            "overlap": None if self.overlap is None else self.overlap.as_dict(),
            "training": None if self.training is None else self.training.as_dict(),
        }


def _norm_of(name: str, kinds: tuple[str, ...]) -> str:
    """Return the module of one of a batch norm's tensors; nothing for other tensors."""
    module, _, kind = name.rpartition(".")
    return module if kind in kinds else ""
