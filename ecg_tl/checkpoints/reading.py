"""Reading an upstream: a checkpoint of this project, or anybody's file of weights.

Nothing here needs a Trainer. The file is somebody else's: it is read on the CPU and with `weights_only=True`,
so that nothing in it is executed.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ecg_tl.checkpoints.description import CheckpointDescription, read_description
from ecg_tl.checkpoints.digest import require_weights_digest, require_whole_archive
from ecg_tl.checkpoints.settings import PRETRAINING, require_stored_settings
from ecg_tl.contamination.training_sets import TrainingSet, read_training_sets
from ecg_tl.errors import CheckpointError
from ecg_tl.limits import require_tree, shown
from ecg_tl.models.low_rank import merged_state

NETWORK_PREFIX = "network."
"""Where a task keeps its network; the prefix of the network's tensors in a checkpoint of this project."""

SCALING_PREFIX = "normalization."
"""Where a task keeps what its normalisation learnt of the training records."""

MOST_HEADER_BYTES = 2**21
"""Of a safetensors file: some ten thousand tensors. The largest networks of ECGs have some hundred."""

_WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every name."""


@dataclass(frozen=True)
class Upstream:
    """What was read from an upstream's file.

    Attributes:
        path: The file.
        weights: The network's tensors, on the CPU, by the names that the downstream network has for them.
        description: What the file says of itself; None if it is not one of this project's.
        hyperparameters: The task's settings; empty if it is not one of this project's.
        renamed: The file's name of each tensor that the table of renames gave another.
        outside: Tensors whose names lack the prefix.
        trained_on: Its training records, and those of its own upstreams; an unknown set if it does not say.
        published: Name of the published upstream whose file it is; None if it is none.
        asks: What the contract of that asks of signals.
    """

    path: Path
    weights: dict[str, Tensor]
    description: CheckpointDescription | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    outside: dict[str, Tensor] = field(default_factory=dict)
    trained_on: tuple[TrainingSet, ...] = ()
    published: str | None = None
    asks: dict[str, Any] | None = None

    @property
    def data(self) -> dict[str, Any] | None:
        """What signals it was trained on, and of its own checkpoints more; None if nothing says.

        As `EcgDataModule.describe()` said; of a published upstream, what its contract asks.
        """
        return self.asks if self.description is None else self.description.data


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint on the CPU, refusing everything but plain weights and primitives.

    Raises:
        CheckpointError: If the file is missing, empty, truncated, not a checkpoint, holds other objects, or
            settings that no fit of this project writes.
    """
    checkpoint = _load(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise CheckpointError(
            path, "no state_dict", "a checkpoint written by ecg_tl", "Give a checkpoint of a fit."
        )
    if "ecg_tl" in checkpoint and "hyper_parameters" in checkpoint:
        require_stored_settings(checkpoint["hyper_parameters"], path)
    read_training_sets(checkpoint, path)  # here, where the file can be named
    return checkpoint


def read_weights_file(path: Path) -> Any:
    """Load anybody's file of weights on the CPU, refusing everything but tensors and primitives.

    Raises:
        CheckpointError: If the file is missing, empty, truncated, or holds other objects.
    """
    return _load_safetensors(path) if path.suffix == ".safetensors" else _load(path)


def read_upstream(
    path: Path, prefix: str | None = None, renames: Mapping[str, str] | None = None
) -> Upstream:
    """Read the weights of a network and what the file says of itself.

    Args:
        path: A checkpoint (`.ckpt`, `.pt`, ...), or a file of weights alone (`.pt`, `.safetensors`).
        prefix: Module that holds the network, stripped from the start of the names; by default `network` in a
            checkpoint of this project, and none in other files.
        renames: The file's name (without prefix) of a tensor, or of a module with all its tensors, to the
            downstream network's name of it.

    Raises:
        CheckpointError: If the file is missing, empty, truncated, holds other objects than weights, or
            weights that are not finite; if the prefix or a rename is nowhere in it.
    """
    content = read_weights_file(path)
    state = _state_dict(content, path)
    description, hyperparameters = None, {}
    if "ecg_tl" in content:
        description = read_description(content, path)
        require_stored_settings(content.get("hyper_parameters", {}), path)
        hyperparameters = dict(content.get("hyper_parameters", {}))
        # What a contract learnt of training records goes with the contract, and is no tensor of the network.
        state = {name: x for name, x in state.items() if not name.startswith(SCALING_PREFIX)}
        prefix = NETWORK_PREFIX if prefix is None else prefix
    weights, outside = _strip(_unwrap(merged_state(state, path)), prefix or "", path)
    if PRETRAINING in hyperparameters:
        outside = {}  # predictors, projections and the like serve the pre-training alone
    weights, renamed = _rename(_unwrap(weights), renames or {}, path)
    return Upstream(
        path, weights, description, hyperparameters, renamed, outside, read_training_sets(content, path)
    )


def _load(path: Path) -> Any:
    _require_file(path)
    try:
        require_whole_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        _require_own_memory(content, path)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            path,
            f"objects other than weights, or a damaged file ({_first_line(error)})",
            "plain tensors and primitives",
            "Nothing of it was executed. `ecg-tl upstream convert FILE` says what it asks for, and saves its "
            "tensors alone.",
        ) from None
    except Exception as error:  # the unpickler fails in any way that the bytes of a damaged file make it
        raise _damaged(path, error) from None
    if isinstance(content, Mapping):
        require_weights_digest(content, path)
        if "ecg_tl" in content:
            require_tree(content["ecg_tl"], path, CheckpointError)
    return content


def _require_own_memory(content: Any, path: Path) -> None:
    """Refuse tensors that say to be larger than what is stored of them: every copy would be that large."""
    waiting, seen = [content], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # a structure may hold itself
            continue
        seen.add(id(node))
        if isinstance(node, Tensor):
            if node.layout != torch.strided or node.nbytes > node.untyped_storage().nbytes():
                raise CheckpointError(
                    path,
                    f"a tensor of shape {shown(list(node.shape))} with fewer values than that",
                    "tensors whose values are all stored",
                    "Save a copy of it (`tensor.clone()`).",
                )
        elif isinstance(node, Mapping):
            waiting.extend(node.values())
        elif isinstance(node, list | tuple):
            waiting.extend(node)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    _require_file(path)
    try:
        _require_small_header(path)
        return load_file(path, device="cpu")
    except CheckpointError:
        raise
    except Exception as error:
        raise _damaged(path, error) from None


def _require_small_header(path: Path) -> None:
    """Refuse a header of far more tensors than a network has: each costs time, also an empty one."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > MOST_HEADER_BYTES:
        raise CheckpointError(
            path,
            f"a header of {size:,} bytes",
            f"at most {MOST_HEADER_BYTES:,}: the tensors of one network",
            "Give an intact file.",
        )


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(path, "no such file", "a checkpoint", "Check the path.")


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        path,
        f"an empty, truncated or damaged file ({_first_line(error)})",
        "a whole checkpoint",
        "Copy or train it again.",
    )


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the weights in what was loaded: under `state_dict`, or all of it."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        state = {}
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if not state or others:
        found = f"{', '.join(map(str, others[:5]))} among the weights" if others else "no weights"
        raise CheckpointError(
            path,
            found,
            "tensors by name, at the top or under `state_dict`",
            "Save the network's `state_dict()` alone, and give that file.",
        )
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                path,
                f"values in {name} that are not finite",
                "the weights of a training that did not diverge",
                "Give an earlier checkpoint.",
            )
    return dict(state)


def _unwrap(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip the wrappers that all names begin with."""
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in weights):
            return _unwrap({name.removeprefix(wrapper): tensor for name, tensor in weights.items()})
    return weights


def _strip(
    weights: dict[str, Tensor], prefix: str, path: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Divide tensors into those under a prefix, without it, and the others."""
    prefix = f"{prefix.removesuffix('.')}." if prefix else ""
    inside = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
    if not inside:
        raise CheckpointError(
            path,
            f"no tensor under {prefix} (the first: {', '.join(list(weights)[:3])})",
            "the weights of a network",
            "Give a checkpoint of a fit, or correct the prefix.",
        )
    return inside, {name: w for name, w in weights.items() if not name.startswith(prefix)}


def _rename(
    weights: dict[str, Tensor], renames: Mapping[str, str], path: Path
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Rename tensors, the longest matching entry of the table first."""
    renamed: dict[str, Tensor] = {}
    former: dict[str, str] = {}
    used: set[str] = set()
    for name, tensor in weights.items():
        key = max((k for k in renames if name == k or name.startswith(f"{k}.")), key=len, default=None)
        new = name if key is None else renames[key] + name[len(key) :]
        if key is not None:
            used.add(key)
            former[new] = name
        if new in renamed:
            raise CheckpointError(
                path,
                f"two tensors that would be called {new}",
                "one tensor a name",
                "Correct the table of renames.",
            )
        renamed[new] = tensor
    idle = [key for key in renames if key not in used]
    if idle:
        raise CheckpointError(
            path,
            f"nothing called {', '.join(idle)} (the first names: {', '.join(list(weights)[:3])})",
            "what the table of renames names",
            "Correct the table; its names are the file's, without the prefix.",
        )
    return renamed, former


def _first_line(error: BaseException) -> str:
    """Return what a library says of a file, which may quote it: without a terminal's escape sequences."""
    line = str(error).strip().split("\n", 1)[0][:200]
    return "".join(one if one.isprintable() else "?" for one in line) or type(error).__name__
