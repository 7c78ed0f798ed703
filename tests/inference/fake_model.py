"""A network whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_tl.inference.model import ModelDescription
from ecg_tl.signals import LEADS


class FakeModel:
    """A network of two classes: a logit that is lead I's mean in mV, and one that is always 1."""

    device_type = "cpu"

    def __init__(self, **changes: Any) -> None:
        self.description = describe(**changes)
        self.seen: list[np.ndarray] = []

    def logits(self, signal: np.ndarray) -> np.ndarray:
        self.seen.append(signal)
        return np.stack([signal[:, 0].mean(axis=-1), np.ones(len(signal))], axis=1).astype(np.float32)


def describe(**changes: Any) -> ModelDescription:
    """A network's description that takes 10 s at 100 Hz."""
    defaults: dict[str, Any] = {
        "class_names": ("UP", "ONE"),
        "leads": LEADS,
        "sampling_rate": 100.0,
        "num_samples": 1000,
        "thresholds": (0.6, 0.5),
        "tuned": (True, False),
        "calibrated": True,
        "class_codes": {"UP": ["1", "2"], "ONE": []},
    }
    return ModelDescription(**{**defaults, **changes}).checked("test")
