"""Upstreams that are files: a checkpoint of this project, or a published upstream with its weights.

A file brings its network and the signals that it takes. Runs with it are named by the upstream in the place
of a network: those from scratch are the same network under the same contract, so that each file has its
partner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import shown
from ecg_tl.published import find_upstream
from ecg_tl.study.design.settings import FILE_KEYS, Overlay, StudySettings, config_of, is_a_file

_TASK = "EcgClassifier"


@dataclass(frozen=True)
class FileUpstream:
    """An upstream that no run of the study trains.

    Attributes:
        name: In the study.
        transfer: What `TransferLearning` is given of it.
        model: Its network, and what else the study lays over that.
        data: The signals that it takes, and what else the study lays over data.
        path: Of the file.
        digest: SHA-256 of the file.
    """

    name: str
    transfer: Overlay
    model: Overlay
    data: Overlay
    path: str
    digest: str


def file_upstreams(settings: StudySettings) -> dict[str, FileUpstream]:
    """Find the upstreams of a study that are files, by name.

    Raises:
        SettingError: If what is said of one contradicts itself, or there is no such published upstream.
        CheckpointError: If a file is not there or cannot be read.
    """
    return {name: _file_upstream(name, one) for name, one in settings.upstreams.items() if is_a_file(one)}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        CheckpointError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise CheckpointError(path, found, "the file of an upstream", "Check the path.") from error


def require_unchanged(path: Path, digest: str) -> None:
    """Refuse a file that is not the one that a run was planned with.

    Raises:
        CheckpointError: If it is another, or cannot be read.
    """
    if file_digest(path) != digest:
        raise CheckpointError(
            path,
            "another file than when the study was planned",
            f"the file with the SHA-256 {digest[:16]}...",
            "Restore it, or run the study again: runs with another file have other names.",
        )


def _file_upstream(name: str, overlay: Overlay) -> FileUpstream:
    where = f"upstreams.{name}"
    given = {key: overlay[key] for key in FILE_KEYS if key in overlay}
    for key, value in given.items():
        if not isinstance(value, str) or not value:
            raise SettingError(f"{where}.{key}", shown(value), "a name or a path", "Correct it.")
    if not ({*given} == {"checkpoint"} or {*given} == {"published", "weights"}):
        raise SettingError(
            where,
            ", ".join(given),
            "`checkpoint`, or `published` and `weights` together",
            "Give the one or the other two.",
        )
    if "checkpoint" in given:
        file = Path(given["checkpoint"]).absolute()
        transfer: Overlay = {"upstream": str(file)}
        digest = file_digest(file)
        network, signals = _of_checkpoint(file)
    else:
        entry, file = find_upstream(given["published"]), Path(given["weights"]).absolute()
        transfer = {"upstream": entry.name, "weights": str(file)}
        digest = file_digest(file)
        network = {"network": entry.network, "network_options": dict(entry.options)}
        signals = {"contract": entry.name, **_LEFT_TO_THE_CONTRACT}
    own = config_of(overlay)
    return FileUpstream(
        name,
        transfer,
        _laid(own, network),
        {"data": {"init_args": {**signals, **(own.get("data") or {}).get("init_args", {})}}},
        str(file),
        digest,
    )


def _laid(own: Overlay, network: Overlay) -> Overlay:
    """Lay what a study says of the upstream over its network."""
    model = own.get("model") or {}
    kept = {key: value for key, value in own.items() if key not in ("model", "data")}
    init_args = {**network, **model.get("init_args", {})}
    return {**kept, "model": {"class_path": model.get("class_path", _TASK), "init_args": init_args}}


_LEFT_TO_THE_CONTRACT: Mapping[str, Any] = {
    **dict.fromkeys(("leads", "sampling_rate", "num_samples", "normalization_options")),
    **{"resampling": "polyphase", "normalization": "fixed_scale"},
}


def _of_checkpoint(file: Path) -> tuple[Overlay, Overlay]:
    """Return a checkpoint's network, and its data's settings, as it says them of itself."""
    from ecg_tl.checkpoints.description import read_description
    from ecg_tl.checkpoints.reading import read_checkpoint
    from ecg_tl.models import NETWORKS

    checkpoint = read_checkpoint(file)
    data = read_description(checkpoint, file).data
    settings = checkpoint.get("hyper_parameters") or {}
    entry = NETWORKS.get(str(settings.get("network")))
    if not isinstance(data, Mapping) or entry is None:
        raise CheckpointError(
            file,
            "nothing on its network or on the data that it was trained on",
            "both, as a fit of ecg_tl writes them",
            "Give a checkpoint of a fit with a datamodule.",
        )
    options = settings.get("network_options")
    if options is None:  # of a class that takes them among its own settings
        options = {name: settings[name] for name in entry.options if name in settings}
    network: Overlay = {"network": settings["network"], "network_options": dict(options)}
    signals: Overlay = {name: data.get(name) for name in ("leads", "sampling_rate", "num_samples")}
    windows = data.get("windows")
    if isinstance(windows, Mapping):
        rate = float(signals["sampling_rate"])
        stride = windows.get("stride_samples")
        signals |= {"num_samples": windows.get("record_samples"), "crop_seconds": data["num_samples"] / rate}
        signals |= {"crop_stride_seconds": None if stride is None else stride / rate}
    if data.get("contract") is not None:
        # Written out: the same contract, whatever path the file has.
        kept = ("num_samples", "crop_seconds", "crop_stride_seconds") if windows else ()
        longer: Overlay = {name: signals[name] for name in kept}
        return network, {"contract": data["contract"], **_LEFT_TO_THE_CONTRACT, **longer}
    said = dict(data.get("normalization") or {})
    signals |= {"normalization": said.pop("name", "none"), "normalization_options": said or None}
    return network, signals | {"contract": None, "resampling": data.get("resampling", "polyphase")}
