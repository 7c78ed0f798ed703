"""A task with its trained network, from nothing but its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ecg_tl.checkpoints.settings import declared_settings, require_stored_settings, require_task, task_class
from ecg_tl.errors import CheckpointError
from ecg_tl.models import NETWORKS, create_network
from ecg_tl.models.attention_pool import attend_as_stored
from ecg_tl.models.low_rank import merged_state
from ecg_tl.models.registry import SIZES
from ecg_tl.tasks.base import EcgClassifier


def restore_task(path: Path, checkpoint: Mapping[str, Any]) -> EcgClassifier:
    """Make the task that a checkpoint holds, on the CPU and in eval mode.

    No class is made but those of this project and subclasses of them that are already imported, and that one
    by itself, from settings that are checked type by type: nothing that a file says is called or imported.

    Args:
        path: The checkpoint, for errors.
        checkpoint: What `read_checkpoint` found in it.

    Raises:
        CheckpointError: If its settings are not those of a task or make no network, or its weights do not fit
            the network they make.
    """
    hyperparameters = checkpoint.get("hyper_parameters", {})
    require_stored_settings(hyperparameters, path)
    require_task(hyperparameters, path)
    task = task_class(hyperparameters)
    if task is None or not issubclass(task, EcgClassifier):
        raise CheckpointError(
            path,
            f"network {hyperparameters.get('network')!r} in its settings",
            f"one of {', '.join(NETWORKS)}",
            "Give a checkpoint of ecg_tl, and import the file of a network of your own first.",
        )
    settings = declared_settings(task, hyperparameters, path)
    checkpoint = {**checkpoint, "state_dict": merged_state(checkpoint["state_dict"], path)}
    try:
        _require_shapes(settings, checkpoint["state_dict"])
        restored = task(**settings)
        restored.on_load_checkpoint(dict(checkpoint))
        restored.load_state_dict(checkpoint["state_dict"])
    except CheckpointError as error:
        # A task that is loaded without a trainer does not know which file it is loaded from.
        raise CheckpointError(path, error.found, error.expected, error.remedy) from error
    except Exception as error:  # settings of a tampered file may fail anywhere on the way to a network
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(
            path,
            f"settings and weights that make no network ({reason})",
            "those that a fit of ecg_tl wrote, with this version of it",
            "Give an intact checkpoint.",
        ) from error
    return restored.eval()


def _require_shapes(settings: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Compare shapes before any memory is taken: a few settings may ask for more than there is."""
    if settings.get("network") not in NETWORKS:
        return
    options = settings.get("network_options")
    if options is None:  # of a class that takes them among its own settings
        own = NETWORKS[settings["network"]].options
        options = {name: settings[name] for name in own if name in settings}
    sizes = {name: settings[name] for name in SIZES if name in settings}
    with torch.device("meta"):
        network = create_network(settings["network"], **sizes, **options)
        attend_as_stored(network, weights, "network.")
        wanted = network.state_dict()
    for name, tensor in wanted.items():
        found = weights.get(f"network.{name}")
        if not isinstance(found, torch.Tensor) or found.shape != tensor.shape:
            size = list(found.shape) if isinstance(found, torch.Tensor) else "missing"
            raise ValueError(f"{name} is {size}, by its settings {list(tensor.shape)}")
