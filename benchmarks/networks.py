"""Networks that nobody has trained, in checkpoints as `ecg-tl fit` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ecg_tl.checkpoints.description import CheckpointDescription, describe_versions
from ecg_tl.signals import LEADS
from ecg_tl.tasks import EcgClassifier

CLASSES = ("NORM", "MI", "STTC", "HYP", "CD")
SAMPLING_RATE = 100.0


def save_network(path: Path, network: str, num_samples: int = 1000) -> Path:
    """Save a network with drawn weights that takes twelve leads at 100 Hz.

    Args:
        path: Of the checkpoint.
        network: Its name.
        num_samples: Of each lead.
    """
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "network": network,
        "num_classes": len(CLASSES),
        "num_leads": len(LEADS),
        "num_samples": num_samples,
        "class_names": list(CLASSES),
        "normalization": {"name": "z_score"},
    }
    task = EcgClassifier(**settings)
    data = {
        "dataset": "ptbxl",
        "class_names": list(CLASSES),
        "class_codes": {name: [name] for name in CLASSES},
        "code_system": "scp",
        "leads": list(LEADS),
        "sampling_rate": SAMPLING_RATE,
        "num_samples": num_samples,
        "units": "mV",
        "resampling": "polyphase",
        "crop": "start",
    }
    said = CheckpointDescription(
        versions=describe_versions(), class_names=CLASSES, data=data, calibration=None, transfer=None
    )
    content = {
        "state_dict": task.state_dict(),
        "hyper_parameters": settings | {"_class_path": "ecg_tl.tasks.EcgClassifier"},
        "ecg_tl": said.as_dict(),
        "pytorch-lightning_version": "2.6.6",
        "epoch": 0,
        "global_step": 1,
    }
    torch.save(content, path)
    return path
