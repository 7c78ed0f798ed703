"""Small sizes of networks that are large by default, and lengths that they take."""

from __future__ import annotations

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "net1d": {"size": "tiny"},
    "ecg_fm": {"size": "tiny"},
    "hubert_ecg": {"size": "tiny"},
    "ecg_jepa": {"size": "tiny"},
    "weimann_vit": {"size": "tiny"},
    "openecg": {"size": "tiny"},
    "s4": {"width": 8, "depth": 2},
    "cpc_s4": {"width": 8, "depth": 2},
}
STEPS = {"ecg_jepa": 50, "weimann_vit": 25, "openecg": 10}


def fitting(network: str, samples: int) -> int:
    """The least number of samples, not under `samples`, that a network can be made for."""
    step = STEPS.get(network, 1)
    return -(-samples // step) * step
