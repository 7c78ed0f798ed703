"""A checkpoint written by `ecg-tl fit`, as inference sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg_tl.acceleration import take_device
from ecg_tl.checkpoints.description import CheckpointDescription, read_description
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.checkpoints.settings import require_task
from ecg_tl.datasets import DATASETS
from ecg_tl.errors import CheckpointError
from ecg_tl.inference.model import ModelDescription
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.restoring import restore_task


class CheckpointModel:
    """The network of a checkpoint.

    Args:
        path: The checkpoint.
        accelerator: `auto` takes a GPU if there is one; `cpu`, `cuda`.

    Attributes:
        description: What it says of itself.
        task: The network with its normalisation, in eval mode.

    Raises:
        CheckpointError: If the file is missing, damaged, of another project, or does not say what signals
            its network takes.
        SettingError: If there is no GPU although `cuda` is asked for.
    """

    def __init__(self, path: Path, accelerator: str = "cpu") -> None:
        checkpoint = read_checkpoint(path)
        said = read_description(checkpoint, path)
        hyperparameters = checkpoint.get("hyper_parameters")
        if not isinstance(hyperparameters, Mapping):
            raise CheckpointError(
                path, "no settings of its network", "those that a fit wrote", "Give an intact checkpoint."
            )
        require_task(hyperparameters, path)
        self.description = describe(said, str(hyperparameters.get("network")), path)
        self.device = take_device(accelerator)
        self.task: EcgClassifier = restore_task(path, checkpoint).to(self.device)
        _check_shape(self.task, self.description, path)

    @property
    def device_type(self) -> str:
        """Of the device that it runs on."""
        return self.device.type

    def logits(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signals `(batch, leads, samples)` in mV into uncalibrated logits `(batch, classes)`."""
        with torch.inference_mode():
            logits = self.task(torch.from_numpy(signal).to(self.device))
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result


def describe(said: CheckpointDescription, network: str, where: object) -> ModelDescription:
    """Take from a checkpoint's description what inference needs; entries of older checkpoints may be missing.

    Args:
        said: What the checkpoint says of itself.
        network: Name of the architecture.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: If it does not say what signals its network takes, or not intelligibly.
    """
    data = said.data
    if not isinstance(data, Mapping):
        raise CheckpointError(
            where,
            "nothing about the data that it was trained on",
            "leads, sampling rate and length of the signals that it takes",
            "Give a checkpoint that was trained with a datamodule.",
        )
    calibration = said.calibration
    dataset = str(data.get("dataset"))
    crop_of_dataset = DATASETS[dataset].reader.crop if dataset in DATASETS else "start"
    versions = said.versions if isinstance(said.versions, Mapping) else {}
    ours: dict[str, Any] = {
        "class_names": list(said.class_names),
        "network": network,
        "crop": data.get("crop", crop_of_dataset),
        "lead_dropout": _drops_leads(data.get("augmentation")),
        "validated": calibration is not None,
        "version": versions.get("ecg-tl", "unknown"),
    }
    same = (
        *("leads", "sampling_rate", "num_samples", "units", "class_codes", "code_system", "resampling"),
        *("dataset", "signal_ranges", "preprocessing", "single_choice"),
    )
    ours |= {name: data[name] for name in same if name in data}
    if isinstance(data.get("contract"), Mapping):
        ours["contract"] = data["contract"].get("name")
    windows = data.get("windows")
    if isinstance(windows, Mapping):
        ours |= {
            "record_samples": windows.get("record_samples"),
            "window_stride": windows.get("stride_samples"),
        }
    if isinstance(calibration, Mapping):
        ours |= {name: calibration.get(name) for name in ("thresholds", "tuned")}
        temperature = calibration.get("temperature")
        if temperature is None:
            ours |= {"uncalibrated": calibration.get("uncalibrated")}
        else:
            ours |= {"calibrated": True, "temperature": temperature}
        ours |= {
            "threshold_rule": calibration.get("rule", "f1"),
            "threshold_target": calibration.get("target"),
        }
    return ModelDescription.from_dict({"format": 1, **ours}, where)


def _drops_leads(augmentation: object) -> bool:
    """Whether training signals had leads missing; older checkpoints do not say."""
    if not isinstance(augmentation, Mapping):
        return False
    return bool(augmentation.get("lead_dropout") and augmentation.get("lead_dropout_probability"))


def _check_shape(task: EcgClassifier, description: ModelDescription, path: Path) -> None:
    network = task.network
    if task.single_choice != description.single_choice:
        raise CheckpointError(
            path,
            f"a network that {'chooses a class' if task.single_choice else 'decides each class by itself'}",
            "what it says of itself",
            "Give an intact checkpoint.",
        )
    found = (network.num_classes, network.num_leads, network.num_samples)
    said = (len(description.class_names), len(description.leads), description.num_samples)
    if found != said:
        raise CheckpointError(
            path,
            "a network of {} classes, {} leads and {} samples".format(*found),
            "{}, {} and {}, as it says of itself".format(*said),
            "Give an intact checkpoint.",
        )
