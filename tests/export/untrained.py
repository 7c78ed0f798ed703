"""Checkpoints of networks that nobody has trained, as `ecg-tl fit` lays them out, in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ecg_tl.calibration import Calibration
from ecg_tl.checkpoints.description import CheckpointDescription, describe_versions
from ecg_tl.checkpoints.settings import task_class
from ecg_tl.signals import LEADS

CLASSES = ("NORM", "MI", "CD")
CALIBRATION = Calibration((0.3, 0.5, 0.8), (True, False, True), 1.7)
SAMPLING_RATE, NUM_SAMPLES = 25.0, 32


def save_checkpoint(
    path: Path,
    network: str = "gru",
    normalization: str = "fixed_scale",
    calibration: Calibration | None = CALIBRATION,
    **options: Any,
) -> Path:
    """Save a network with random weights, whose batch norms have seen a batch of noise."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "network": network,
        "num_classes": len(CLASSES),
        "num_leads": len(LEADS),
        "num_samples": NUM_SAMPLES,
        "class_names": list(CLASSES),
        "normalization": {"name": normalization},
        **options,
    }
    kind = task_class(settings)
    assert kind is not None
    task = kind(**settings)
    for module in task.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0  # one batch decides
    with torch.no_grad():
        signal = torch.randn(4, len(LEADS), settings["num_samples"])
        task.train()(signal)
        # In a fresh ResNet logits are in the thousands, and every probability is 0 or 1.
        task.network.head.weight /= 3 * task.eval()(signal).std().clamp(min=1 / 3)
    data = {
        "dataset": "ptbxl",
        "class_names": list(CLASSES),
        "class_codes": {"NORM": ["NORM"], "MI": ["AMI", "IMI"], "CD": ["CLBBB"]},
        "code_system": "scp",
        "leads": list(LEADS),
        "sampling_rate": SAMPLING_RATE,
        "num_samples": settings["num_samples"],
        "units": "mV",
        "resampling": "polyphase",
        "crop": "start",
    }
    description = CheckpointDescription(
        versions=describe_versions(),
        class_names=CLASSES,
        data=data,
        calibration=None if calibration is None else calibration.as_dict(),
        transfer=None,
    )
    torch.save(
        {
            "state_dict": task.state_dict(),
            "hyper_parameters": settings,
            "ecg_tl": description.as_dict(),
            "pytorch-lightning_version": "2.6.6",
            "epoch": 0,
            "global_step": 1,
        },
        path,
    )
    return path
