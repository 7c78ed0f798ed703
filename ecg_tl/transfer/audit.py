"""Two files of weights compared: what a training moved, and what it left as it was.

Whoever fine-tunes writes an optimizer, a freeze and a mode of the batch norms, and each can leave out what
was meant to be trained without a word. The weights before and after say what happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ecg_tl.checkpoints.reading import read_checkpoint, read_upstream, read_weights_file
from ecg_tl.errors import CheckpointError
from ecg_tl.models import EcgNetwork
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.report import HEAD
from ecg_tl.upstreams.conversion import find_tensors
from ecg_tl.upstreams.loading import open_upstream, usual_name

Kind = Literal["weight", "statistic", "count", "buffer"]
"""A tensor is trained, gathered by a batch norm, counts its batches, or is none of these."""

STATISTICS = ("running_mean", "running_var")
COUNT = "num_batches_tracked"
_LISTED = 5


@dataclass(frozen=True)
class TensorMovement:
    """One tensor in both files.

    Attributes:
        name: As in the second file, without the prefix.
        group: Of layers, or the beginning of the name.
        kind: What it is.
        values: Numbers in it.
        moved: Whether any number differs, beyond the rounding of another precision.
        length: Euclidean, of the first.
        distance: Euclidean, of the two.
        relative: That distance by the length of the first; None if that is 0.
        largest: Greatest difference of one number.
        share: Of its numbers that differ.
        factor: What all its numbers were multiplied with, if that is all that happened.
    """

    name: str
    group: str
    kind: Kind
    values: int
    moved: bool
    length: float
    distance: float
    relative: float | None
    largest: float
    share: float
    factor: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return primitives."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class GroupMovement:
    """The tensors of a group that were trained, or gathered.

    Attributes:
        group: Its name.
        weights: Tensors that are trained.
        moved: How many of them moved.
        values: Numbers in them.
        relative: Distance of all together, by the length of all; None if there are none, or they were 0.
        largest: Greatest difference of one number.
        statistics: Tensors that batch norms gathered.
        statistics_moved: How many of these moved.
    """

    group: str
    weights: int
    moved: int
    values: int
    relative: float | None
    largest: float
    statistics: int
    statistics_moved: int

    def as_dict(self) -> dict[str, Any]:
        """Return primitives."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Audit:
    """What became of the weights of one file in another.

    Attributes:
        before: The first file.
        after: The second.
        grouped_by: Where the groups come from, in words.
        tensors: Those in both files with the same shape, in the second's order.
        only_before: Names that the second lacks.
        only_after: Names that the first lacks.
        reshaped: Names in both with other shapes, each with what it was and became.
        head: Names of the head's tensors, of both files.
        head_known: Whether the network says which those are; else it is guessed.
    """

    before: Path
    after: Path
    grouped_by: str
    tensors: tuple[TensorMovement, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    reshaped: tuple[tuple[str, str], ...]
    head: frozenset[str]
    head_known: bool

    def weights(self, *, head: bool) -> list[TensorMovement]:
        """Return the trained tensors of the head, or of all else."""
        return [one for one in self.tensors if one.kind == "weight" and (one.name in self.head) == head]

    def statistics(self) -> list[TensorMovement]:
        """Return what batch norms gathered."""
        return [one for one in self.tensors if one.kind == "statistic"]

    def new_head(self) -> frozenset[str]:
        """Return the head's tensors that the first file lacks, or has with another shape."""
        return self.head & ({name for name, _ in self.reshaped} | set(self.only_after))

    def groups(self) -> list[GroupMovement]:
        """Sum tensors up by group, in the order of the network."""
        members: dict[str, list[TensorMovement]] = {}
        for one in self.tensors:
            members.setdefault(one.group, []).append(one)
        return [_summed(group, tensors) for group, tensors in members.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return primitives."""
        return {
            "before": str(self.before),
            "after": str(self.after),
            "grouped_by": self.grouped_by,
            "groups": [one.as_dict() for one in self.groups()],
            "tensors": [one.as_dict() for one in self.tensors],
            "only_before": list(self.only_before),
            "only_after": list(self.only_after),
            "reshaped": dict(self.reshaped),
            "head": sorted(self.head),
            "head_known": self.head_known,
        }


def audit(before: Path, after: Path, upstream: str | None = None) -> Audit:
    """Compare two files of weights of any origin.

    Args:
        before: What a training started from.
        after: What it left.
        upstream: Name of the published upstream whose layout both files have, if the network is to be known.

    Raises:
        CheckpointError: If a file cannot be read, holds no tensors, or none that the other has as well.
        SettingError: If there is no such upstream.
    """
    first, _ = _read(before, upstream)
    second, network = _read(after, upstream)
    first, second = _aligned(first, second)
    common = [name for name in second if name in first]
    if not common:
        raise CheckpointError(
            after,
            f"tensors named {', '.join(list(second)[:_LISTED])}",
            f"some of those of {before} ({', '.join(list(first)[:_LISTED])})",
            "Give two files of one network, before and after its training.",
        )
    groups = _groups(network, second) if network is not None else {name: _start(name) for name in second}
    alike = [name for name in common if first[name].shape == second[name].shape]
    compared = tuple(_compare(name, groups[name], first[name], second[name]) for name in alike)
    reshaped = tuple(
        (name, f"{list(first[name].shape)} became {list(second[name].shape)}")
        for name in common
        if name not in alike
    )
    only_before = tuple(name for name in first if name not in second)
    only_after = tuple(name for name in second if name not in first)
    if network is not None:
        head = frozenset(name for name, group in groups.items() if group == HEAD)
    else:
        head = _guessed_head(second, {name for name, _ in reshaped} | set(only_after))
    order = {group: at for at, group in enumerate(_group_order(network))}
    return Audit(
        before,
        after,
        "layer groups of the network" if network is not None else "the beginnings of names",
        tuple(sorted(compared, key=lambda one: order.get(one.group, len(order)))),
        only_before,
        only_after,
        reshaped,
        head,
        network is not None,
    )


def _read(path: Path, upstream: str | None) -> tuple[dict[str, Tensor], EcgNetwork | None]:
    """Return a file's tensors by their usual names, and the network if the file or `upstream` says it."""
    if upstream is not None:
        opened = open_upstream(upstream, path)
        state = opened.network.state_dict()
        return {name: state[name] for name in state if name in opened.report.taken}, opened.network
    content = read_weights_file(path)
    if isinstance(content, Mapping) and "ecg_tl" in content:
        network = restore_task(path, read_checkpoint(path)).network
        return dict(read_upstream(path).weights), network
    tensors, _, _ = find_tensors(content)
    if not tensors:
        raise CheckpointError(path, "no tensors", "a file of weights", "Give another file.")
    return {usual_name(name): tensor for name, tensor in tensors.items()}, None


def _aligned(
    first: dict[str, Tensor], second: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Strip from both the beginning of names under which they have most tensors in common."""

    def stripped(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}

    def agreement(one: str, other: str) -> int:
        left, right = stripped(first, one), stripped(second, other)
        return sum(name in right and right[name].shape == tensor.shape for name, tensor in left.items())

    pairs = [(a, b) for a in _prefixes(first) for b in _prefixes(second)]
    # Of equal ones the first, which strips least.
    best = max(pairs, key=lambda pair: (agreement(*pair), -len(pair[0]) - len(pair[1])))
    return stripped(first, best[0]), stripped(second, best[1])


def _prefixes(names: Iterable[str]) -> list[str]:
    """Return the beginnings that a wrapper may have put before names: of one and two parts, the commonest."""
    counts = {"": 0}
    for name in names:
        parts = name.split(".")
        for depth in (1, 2):
            if len(parts) > depth:
                prefix = ".".join(parts[:depth]) + "."
                counts[prefix] = counts.get(prefix, 0) + 1
    return ["", *sorted((p for p in counts if p), key=lambda p: -counts[p])[:6]]


def _groups(network: EcgNetwork, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Give each tensor its layer group; what is not trained has that of the module beside it."""
    of_parameter = {name: group for group, names in network.layer_groups().items() for name in names}
    of_module: dict[str, str] = {}
    for name, group in of_parameter.items():
        parts = name.split(".")[:-1]
        for depth in range(len(parts) + 1):
            of_module.setdefault(".".join(parts[:depth]), group)
    groups = {}
    for name in tensors:
        parts = name.split(".")[:-1]
        near = next(
            (
                of_module[".".join(parts[:depth])]
                for depth in range(len(parts), -1, -1)
                if ".".join(parts[:depth]) in of_module
            ),
            _start(name),
        )
        groups[name] = of_parameter.get(name, near)
    return groups


def _group_order(network: EcgNetwork | None) -> list[str]:
    return [] if network is None else list(network.layer_groups())


def _start(name: str) -> str:
    """Return the beginning of a name: the first part, and the second if that counts layers."""
    parts = name.split(".")[:-1] or [name]
    numbered = next((at for at, part in enumerate(parts) if part.isdecimal()), None)
    return ".".join(parts[: (numbered or 0) + 1])


def _guessed_head(tensors: Mapping[str, Tensor], new: set[str]) -> frozenset[str]:
    if new:
        modules = {name.rpartition(".")[0] for name in new}
    else:
        matrices = [name for name, tensor in tensors.items() if tensor.ndim == 2 and name.endswith("weight")]
        modules = {matrices[-1].rpartition(".")[0]} if matrices else set()
    return frozenset(name for name in tensors if name.rpartition(".")[0] in modules)


def _kind(name: str, tensor: Tensor) -> Kind:
    last = name.rpartition(".")[2]
    if last in STATISTICS:
        return "statistic"
    if last == COUNT:
        return "count"
    return "weight" if tensor.is_floating_point() else "buffer"


def _compare(name: str, group: str, before: Tensor, after: Tensor) -> TensorMovement:
    kind = _kind(name, after)
    # A file in half precision holds the same weights, rounded.
    narrow = min((before.dtype, after.dtype), key=lambda dtype: dtype.itemsize)
    same = torch.equal(before.to(narrow), after.to(narrow))
    old, new = before.double(), after.double()
    difference = new - old
    distance, length = float(difference.norm()), float(old.norm())
    return TensorMovement(
        name,
        group,
        kind,
        after.numel(),
        not same,
        length,
        0.0 if same else distance,
        None if length == 0 else 0.0 if same else distance / length,
        0.0 if same or not after.numel() else float(difference.abs().max()),
        0.0 if same else float((difference != 0).double().mean()),
        None if same or kind != "weight" else _factor(old, new),
    )


def _factor(old: Tensor, new: Tensor) -> float | None:
    """Return what `old` was multiplied with to give `new`, if that is all; 32 bits keep seven digits."""
    square = float(old.square().sum())
    if old.numel() < 2 or square == 0:
        return None
    factor = float((old * new).sum()) / square
    rest = float((new - factor * old).norm())
    moved = float((new - old).norm())
    return factor if rest <= 1e-3 * moved and 0 < factor < 1 else None


def _summed(group: str, tensors: list[TensorMovement]) -> GroupMovement:
    weights = [one for one in tensors if one.kind == "weight"]
    statistics = [one for one in tensors if one.kind == "statistic"]
    distance = sum(one.distance**2 for one in weights) ** 0.5
    length = sum(one.length**2 for one in weights) ** 0.5
    return GroupMovement(
        group,
        len(weights),
        sum(one.moved for one in weights),
        sum(one.values for one in weights),
        distance / length if length else None,
        max((one.largest for one in weights), default=0.0),
        len(statistics),
        sum(one.moved for one in statistics),
    )
