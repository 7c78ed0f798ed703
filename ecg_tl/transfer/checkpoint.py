"""Reading an upstream checkpoint and matching its tensors with a downstream network's.

Nothing here needs a Trainer. A checkpoint is somebody else's file: it is read with `weights_only=True`, and
tensors are compared by name and shape before any of them is copied, because `load_state_dict(strict=False)`
says nothing of what it skipped and raises on the first other shape.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ecg_tl.errors import CheckpointError
from ecg_tl.tasks.description import CheckpointDescription, read_description

NETWORK_PREFIX = "network."
"""Where a task keeps its network; the prefix of the network's tensors in a checkpoint of this project."""

State = Literal["loaded", "reinitialised", "shape-skipped", "missing", "unexpected"]


@dataclass(frozen=True)
class Upstream:
    """What was read from an upstream checkpoint.

    Attributes:
        path: The file.
        weights: The network's tensors, on the CPU, by the network's own names.
        description: What the checkpoint says of itself.
        hyperparameters: The task's settings.
    """

    path: Path
    weights: dict[str, Tensor]
    description: CheckpointDescription
    hyperparameters: dict[str, Any]


@dataclass(frozen=True)
class TensorReport:
    """What became of one tensor.

    Attributes:
        name: In the downstream network (in the upstream's, if `unexpected`).
        group: Layer group of the downstream network; `-` if the tensor is in none (buffers, unexpected ones).
        state: `loaded`; `reinitialised` (the head, on purpose); `shape-skipped`; `missing` upstream;
            `unexpected` downstream.
        shape: Downstream, or upstream if `unexpected`.
        upstream_shape: None if missing.
        parameters: Number of trainable values; 0 for buffers.
    """

    name: str
    group: str
    state: State
    shape: tuple[int, ...]
    upstream_shape: tuple[int, ...] | None
    parameters: int


@dataclass(frozen=True)
class TransferReport:
    """What became of every tensor when an upstream was loaded.

    Attributes:
        upstream: The file.
        tensors: In the downstream network's order, then the unexpected ones.
    """

    upstream: str
    tensors: tuple[TensorReport, ...]

    @property
    def coverage(self) -> float:
        """Share of the backbone's parameters (all but the head's) that were loaded."""
        backbone = [t for t in self.tensors if t.group not in ("head", "-")]
        total = sum(t.parameters for t in backbone)
        return sum(t.parameters for t in backbone if t.state == "loaded") / total if total else 0.0

    def count(self, state: State) -> int:
        """Count the tensors that fared so."""
        return sum(t.state == state for t in self.tensors)

    def share_by_group(self) -> dict[str, float]:
        """Give the share of each layer group's parameters that were loaded, from input to output."""
        groups = dict.fromkeys(t.group for t in self.tensors if t.parameters and t.state != "unexpected")
        return {group: self._share(group) for group in groups}

    def _share(self, group: str) -> float:
        members = [t for t in self.tensors if t.group == group and t.state != "unexpected"]
        return sum(t.parameters for t in members if t.state == "loaded") / sum(t.parameters for t in members)

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        tensors = [
            asdict(t)
            | {
                "shape": list(t.shape),
                "upstream_shape": None if t.upstream_shape is None else list(t.upstream_shape),
            }
            for t in self.tensors
        ]
        return {
            "upstream": self.upstream,
            "coverage": self.coverage,
            "share_by_group": self.share_by_group(),
            "tensors": tensors,
        }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint on the CPU, refusing everything but plain weights and primitives.

    Raises:
        CheckpointError: If the file is missing, empty, truncated, not a checkpoint, or holds other objects.
    """
    if not path.is_file():
        raise CheckpointError(path, "no such file", "a checkpoint", "Check the path.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            path,
            f"objects other than weights, or a damaged file ({_first_line(error)})",
            "a checkpoint of plain tensors and primitives",
            "Nothing of it was executed. Give a checkpoint written by ecg_tl.",
        ) from None
    except Exception as error:  # the unpickler fails in any way that the bytes of a damaged file make it
        raise CheckpointError(
            path,
            f"an empty, truncated or damaged file ({_first_line(error)})",
            "a whole checkpoint",
            "Copy or train it again.",
        ) from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise CheckpointError(
            path, "no state_dict", "a checkpoint written by ecg_tl", "Give a checkpoint of a fit."
        )
    return checkpoint


def read_upstream(path: Path) -> Upstream:
    """Read the network of an upstream checkpoint and what the checkpoint says of itself.

    Raises:
        CheckpointError: As `read_checkpoint`, or if it is not one of this project, or holds no network.
    """
    checkpoint = read_checkpoint(path)
    weights = {
        name.removeprefix(NETWORK_PREFIX): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK_PREFIX)
    }
    if not weights:
        raise CheckpointError(
            path,
            f"no tensor under {NETWORK_PREFIX}",
            "the weights of a network",
            "Give a checkpoint of a fit.",
        )
    return Upstream(
        path, weights, read_description(checkpoint, path), dict(checkpoint.get("hyper_parameters", {}))
    )


def match(
    upstream: Mapping[str, Tensor],
    downstream: Mapping[str, Tensor],
    layer_groups: Mapping[str, Iterable[str]],
    where: str,
) -> TransferReport:
    """Compare an upstream's tensors with a downstream network's by name and shape; copies nothing.

    Args:
        upstream: Tensors by name.
        downstream: The network's `state_dict()`.
        layer_groups: The network's `layer_groups()`; the group `head` is to be initialised anew.
        where: The upstream file, for the report.
    """
    group_of = {name: group for group, names in layer_groups.items() for name in names}
    tensors = [
        _compare(name, tensor, group_of.get(name, "-"), upstream) for name, tensor in downstream.items()
    ]
    unexpected = [
        TensorReport(name, "-", "unexpected", tuple(tensor.shape), tuple(tensor.shape), tensor.numel())
        for name, tensor in upstream.items()
        if name not in downstream
    ]
    return TransferReport(where, (*tensors, *unexpected))


def _compare(name: str, tensor: Tensor, group: str, upstream: Mapping[str, Tensor]) -> TensorReport:
    other = upstream.get(name)
    state: State
    if group == "head":
        state = "reinitialised"
    elif other is None:
        state = "missing"
    else:
        state = "loaded" if other.shape == tensor.shape else "shape-skipped"
    return TensorReport(
        name=name,
        group=group,
        state=state,
        shape=tuple(tensor.shape),
        upstream_shape=None if other is None else tuple(other.shape),
        parameters=0 if group == "-" else tensor.numel(),
    )


def require_coverage(report: TransferReport, min_coverage: float) -> None:
    """Refuse a transfer that hardly took place.

    Raises:
        CheckpointError: If less than `min_coverage` of the backbone was loaded; lists what did not match.
    """
    if report.coverage >= min_coverage:
        return
    unmatched = [
        f"{t.name} ({t.state})"
        for t in report.tensors
        if t.state in ("missing", "shape-skipped", "unexpected")
    ]
    listed = ", ".join(unmatched[:12]) + (f" and {len(unmatched) - 12} more" if len(unmatched) > 12 else "")
    raise CheckpointError(
        report.upstream,
        f"weights for {report.coverage:.1%} of the backbone's parameters; without a match: {listed}",
        f"at least {min_coverage:.0%} (min_coverage)",
        "Give a checkpoint of the same network, or lower min_coverage.",
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
