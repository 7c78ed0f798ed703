"""Opening a published file of weights: every tensor of it is taken, or named as ignored with the reason.

The weights may lie at the top of the file or in one of some containers, with or without a prefix. Both are
found by the names that the network has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecg_tl import printing
from ecg_tl.checkpoints.reading import Upstream, read_weights_file
from ecg_tl.contamination.training_sets import TrainingSet, declared_set, unknown_set
from ecg_tl.datamodules.contracts import NamedContract
from ecg_tl.errors import CheckpointError
from ecg_tl.models import EcgNetwork, create_network
from ecg_tl.published import PublishedUpstream, find_upstream

CONTAINERS = ("state_dict", "model", "encoder", "ecg_model", "model_state_dict", "model_state")
PREFIXES = (
    "backbone.",
    "ts_encoder.",
    "target_encoder.",
    "encoder.",
    "hubert_ecg.",
    "ecg_encoder.",
    "ecg_model.",
    "model.",
)
_RENAMES = (
    (re.compile(r"\.weight_g$"), ".parametrizations.weight.original0"),
    (re.compile(r"\.weight_v$"), ".parametrizations.weight.original1"),
    (re.compile(r"\.convpath\.0\."), ".convs."),
)
_LISTED = 5


@dataclass(frozen=True)
class FileReport:
    """What a file of weights holds, in the light of an upstream's entry.

    Attributes:
        path: The file.
        upstream: The entry's name.
        container: Key under which the weights are; empty at the top.
        prefix: What was taken off the names.
        taken: Names of the network's tensors that the file has.
        ignored: Names in the file that are left out, each with the reason.
        unexpected: Names in the file that nobody expected.
        missing: The network's tensors that the file lacks.
        differing: Tensors of another shape, each with what was found and expected.
        head: Whether the head is the file's; if not, it is drawn at random.
    """

    path: Path
    upstream: str
    container: str
    prefix: str
    taken: tuple[str, ...]
    ignored: tuple[tuple[str, str], ...]
    unexpected: tuple[str, ...]
    missing: tuple[str, ...]
    differing: tuple[tuple[str, str], ...]
    head: bool

    @property
    def fits(self) -> bool:
        """Whether the file is the upstream's."""
        return not (self.unexpected or self.missing or self.differing)

    def require_fit(self) -> None:
        """Refuse a file that is not the upstream's.

        Raises:
            CheckpointError: Names the first tensors that are wrong.
        """
        if self.fits:
            return
        faults = [f"{name} {text}" for name, text in self.differing[:_LISTED]]
        for word, names in (("unexpected", self.unexpected), ("missing", self.missing)):
            if names:
                more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
                faults.append(f"{word}: {', '.join(names[:_LISTED])}{more}")
        raise CheckpointError(
            self.path,
            f"other tensors than {self.upstream} has ({'; '.join(faults)})",
            f"the tensors of {self.upstream}",
            "Give its file as it was published, or name the upstream whose file it is.",
        )


@dataclass(frozen=True)
class LoadedUpstream:
    """A published upstream with its weights.

    Attributes:
        network: In eval mode.
        report: What the file held.
        entry: What is known of it.
    """

    network: EcgNetwork
    report: FileReport
    entry: PublishedUpstream


def load_upstream(name: str, file: str | Path, dtype: torch.dtype = torch.float32) -> EcgNetwork:
    """Make a published upstream's network with the weights of a file, in eval mode.

    It takes `(batch, leads, samples)` prepared by the entry's contract. Where the file has no head, the
    network's is drawn at random, and `forward_features` and `forward_tokens` are what was published.

    Args:
        name: Of the upstream.
        file: Its file of weights, as it was published.
        dtype: Of the network.

    Raises:
        SettingError: If there is no such upstream.
        CheckpointError: If the file cannot be read, or holds other tensors.
    """
    return open_upstream(name, file, dtype).network


def open_upstream(name: str, file: str | Path, dtype: torch.dtype = torch.float32) -> LoadedUpstream:
    """Do what `load_upstream` does, and say what the file held."""
    entry = find_upstream(name)
    report, network, weights = _examine(entry, Path(file))
    report.require_fit()
    network = network.to(dtype).eval()
    # A head that the file lacks stays as it was drawn.
    network.load_state_dict(network.state_dict() | weights, strict=True)
    return LoadedUpstream(network, report, entry)


def read_published(name: str, file: str | Path) -> Upstream:
    """Read a published upstream's file as a transfer takes one: its tensors, its contract, its training data.

    Args:
        name: Of the upstream.
        file: Its file of weights, as it was published.

    Raises:
        SettingError: If there is no such upstream.
        CheckpointError: If the file cannot be read, or holds other tensors.
    """
    loaded = open_upstream(name, file)
    taken = set(loaded.report.taken)
    return Upstream(
        Path(file),
        {name: tensor for name, tensor in loaded.network.state_dict().items() if name in taken},
        trained_on=declared_sets(loaded.entry),
        published=loaded.entry.name,
        asks=NamedContract(loaded.entry.name, loaded.entry.contract).describe_signals(),
    )


def declared_sets(entry: PublishedUpstream) -> tuple[TrainingSet, ...]:
    """Return what an upstream's authors declare that it was trained on; an unknown set if they do not say."""
    return tuple(declared_set(one) for one in entry.trained_on) or (unknown_set(entry.name),)


def check_upstream(name: str, file: str | Path) -> FileReport:
    """Say what a file holds in the light of an upstream's entry, without refusing it.

    Raises:
        SettingError: If there is no such upstream.
        CheckpointError: If the file cannot be read, or holds no weights.
    """
    return _examine(find_upstream(name), Path(file))[0]


def usual_name(name: str) -> str:
    """Return the name that a tensor has here: of weight norm's two spellings the newer, of two names one."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name


def _examine(entry: PublishedUpstream, path: Path) -> tuple[FileReport, EcgNetwork, dict[str, Tensor]]:
    content = read_weights_file(path)
    if entry.licence_remark:  # here, where every file of weights is opened
        printing.say(entry.licence_remark, error=True)
    with torch.device("meta"):
        names = _published_names(entry, _network(entry, {}))
    container, prefix, state, outside = _best_container(content, names, path)
    weights: dict[str, Tensor] = {}
    unexpected: list[str] = []
    ignored: list[tuple[str, str]] = []
    for name, tensor in state.items():
        ours = usual_name(name)
        if ours not in names:
            outside[prefix + name] = tensor
        elif ours in weights and not torch.equal(weights[ours], tensor):
            unexpected.append(f"{prefix}{name}, which differs from {prefix}{ours}")
        elif ours in weights:
            ignored.append((prefix + name, f"it is {ours} under a second name"))
        else:
            weights[ours] = tensor
    for name in outside:
        reason = next((why for pattern, why in entry.ignored if re.fullmatch(pattern, name)), "")
        if prefix and not name.startswith(prefix):
            reason = reason or entry.beside
        if not reason:
            unexpected.append(name)
        else:
            ignored.append((name, reason))
    network = _network(entry, weights)
    expected = network.state_dict()
    head = set(network.layer_groups()["head"])
    has_head = head <= set(weights)
    optional = set() if entry.has_head else head
    report = FileReport(
        path,
        entry.name,
        container,
        prefix,
        tuple(weights),
        tuple(ignored),
        tuple(unexpected),
        tuple(name for name in expected if name not in weights and name not in optional),
        tuple(
            (name, f"is {list(tensor.shape)}, expected {list(expected[name].shape)}")
            for name, tensor in weights.items()
            if tensor.shape != expected[name].shape
        ),
        has_head,
    )
    _require_finite(weights, path)
    return report, network, weights


def _published_names(entry: PublishedUpstream, network: EcgNetwork) -> set[str]:
    head = set(network.layer_groups()["head"])
    return {name for name in network.state_dict() if entry.has_head or name not in head}


def _network(entry: PublishedUpstream, weights: Mapping[str, Tensor]) -> EcgNetwork:
    """Make the network, with the sizes that a file decides: its classes, and the length of S4's kernels."""
    contract = entry.contract
    options: dict[str, Any] = dict(entry.options)
    omega = next((x for name, x in weights.items() if name.endswith(".omega") and x.ndim == 2), None)
    samples = contract.num_samples
    if omega is not None and entry.network == "cpc_s4":
        options["longest"] = max(4 * (len(omega) - 1), 2)
        samples = min(samples, options["longest"])

    def make(classes: int) -> EcgNetwork:
        return create_network(entry.network, classes, len(contract.leads), samples, **options)

    with torch.device("meta"):
        bias = weights.get(f"{make(1).head_name}.bias") if entry.has_head else None
    return make(len(bias) if bias is not None and bias.ndim == 1 and len(bias) else 1)


def _containers(content: Any, path: Path) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping):
        return
    for key in ("", *CONTAINERS):
        state = content.get(key) if key else content
        if isinstance(state, Mapping):
            yield key, {str(name): x for name, x in state.items() if isinstance(x, Tensor)}


def _best_container(
    content: Any, names: set[str], path: Path
) -> tuple[str, str, dict[str, Tensor], dict[str, Tensor]]:
    """Find the container and the prefix under which most of the network's names are."""
    best: tuple[int, str, str, dict[str, Tensor]] = (0, "", "", {})
    found: list[str] = []
    for container, tensors in _containers(content, path):
        found += tensors
        for prefix in ("", *PREFIXES):
            stripped = {n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)}
            count = len(names & set(stripped))
            if count > best[0]:
                best = (count, container, prefix, stripped)
                whole = tensors
    count, container, prefix, state = best
    if not count:
        near = [name for name in found if get_close_matches(name, names, n=1, cutoff=0.8)]
        raise CheckpointError(
            path,
            f"tensors named {', '.join(found[:_LISTED])}" if found else "no tensors",
            f"tensors named as {', '.join(sorted(names)[:_LISTED])}",
            f"{near[0]} is near." if near else "Give the upstream's file as it was published.",
        )
    return container, prefix, state, {n: x for n, x in whole.items() if not n.startswith(prefix)}


def _require_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in weights.items():
        # One node of S4's is infinite in some files, and is not used.
        infinite = tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
        if infinite and not name.endswith(".kernel.kernel.z"):
            raise CheckpointError(
                path, f"values in {name} that are not finite", "finite weights", "Get the file again."
            )
