"""A task with its trained network, from nothing but its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecg_tl.errors import CheckpointError
from ecg_tl.models import network_names
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.cnn import CnnClassifier
from ecg_tl.tasks.rnn import RnnClassifier

FAMILIES: dict[str, type[EcgClassifier]] = {
    **dict.fromkeys(network_names("cnn"), CnnClassifier),
    **dict.fromkeys(network_names("rnn"), RnnClassifier),
}


def restore_task(path: Path, hyperparameters: Mapping[str, Any]) -> EcgClassifier:
    """Make the task that a checkpoint holds, on the CPU and in eval mode.

    Nothing but tensors and primitives is unpickled, and no class is made but those of this project and
    subclasses of them that are already imported.

    Args:
        path: A checkpoint that `read_checkpoint` found whole.
        hyperparameters: Its `hyper_parameters`.

    Raises:
        CheckpointError: If its settings make no network, or its weights do not fit the network they make.
    """
    task = _task_of(hyperparameters)
    if task is None:
        raise CheckpointError(
            path,
            f"network {hyperparameters.get('network')!r} in its settings",
            f"one of {', '.join(FAMILIES)}",
            "Give a checkpoint of CnnClassifier or RnnClassifier.",
        )
    try:
        restored = task.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except Exception as error:  # settings of a tampered file may fail anywhere on the way to a network
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(
            path,
            f"settings and weights that make no network ({reason})",
            "those that a fit of ecg_tl wrote, with this version of it",
            "Give an intact checkpoint.",
        ) from error
    return restored.eval()


def _task_of(hyperparameters: Mapping[str, Any]) -> type[EcgClassifier] | None:
    """Find the class by its name, which the command line leaves in a checkpoint, or else by the network's."""
    name = str(hyperparameters.get("_class_path")).rpartition(".")[2]
    named = [task for task in _subclasses(EcgClassifier) if task.__name__ == name]
    return named[0] if named else FAMILIES.get(str(hyperparameters.get("network")))


def _subclasses(task: type[EcgClassifier]) -> Iterator[type[EcgClassifier]]:
    for subclass in task.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
