"""Starting from a published upstream: its name and the file of its weights, which go together."""

from __future__ import annotations

from pathlib import Path

from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.published import UPSTREAMS, find_upstream
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.transfer.groups import ForeignFile
from ecg_tl.upstreams import read_published


def require_published(upstream: str | None, file: ForeignFile) -> None:
    """Refuse a file of weights that is said to be of no published upstream, or to need names.

    Raises:
        SettingError: If there is no such upstream, or there are names beside it.
    """
    if upstream is None:
        raise SettingError(
            "transfer.weights",
            "a file, and no upstream",
            "the name of the published upstream whose file it is",
            "Name it as `upstream`; a file of another network is an `upstream` by itself.",
        )
    find_upstream(upstream)
    if file.prefix or file.renames:
        raise SettingError(
            "transfer.file",
            "names of tensors beside a published upstream",
            "none: its entry knows them",
            "Remove prefix and renames.",
        )


def require_file_of_its_own(upstream: str) -> Path:
    """Return the path of an upstream that is a file, and refuse a published one without its file.

    Raises:
        SettingError: If it names a published upstream.
    """
    path = Path(upstream)
    if upstream in UPSTREAMS and not path.exists():
        raise SettingError(
            "transfer.weights",
            f"no file for the published upstream {upstream}",
            f"its file of weights ({UPSTREAMS[upstream].source})",
            f"Get it (see `ecg-tl upstream show {upstream}`), and name it as `weights`.",
        )
    return path


def read_for(task: EcgClassifier, upstream: str, weights: str) -> Upstream:
    """Read a published upstream's file for a task.

    Raises:
        CheckpointError: If the task has a network of another kind, or the file is not the upstream's.
    """
    entry = find_upstream(upstream)
    if task.network_name != entry.network:
        options = f" with network_options {dict(entry.options)}" if entry.options else ""
        raise CheckpointError(
            weights,
            f"weights of {upstream}, whose network is {entry.network}",
            f"weights of {task.network_name}, the network to be trained",
            f"Set the network to {entry.network}{options}.",
        )
    return read_published(upstream, weights)
