"""Steps of preprocessing that only scale a record, on the device; numbers as in `ecg_tl.preprocessing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ecg_tl import preprocessing
from ecg_tl.errors import SettingError


class ZScore(nn.Module):
    """Standardise each record by itself."""

    def __init__(self, step: preprocessing.ZScore) -> None:
        super().__init__()
        self.over, self.eps = _axes(step.over), step.eps

    def forward(self, signal: Tensor) -> Tensor:
        """Apply the step to `(..., leads, samples)`."""
        centred = signal - signal.mean(dim=self.over, keepdim=True)
        deviation = centred.square().mean(dim=self.over, keepdim=True).sqrt()
        return _divided(centred, deviation, _extent(signal, self.over), self.eps)


class MinMax(nn.Module):
    """Bring each record between two bounds."""

    def __init__(self, step: preprocessing.MinMax) -> None:
        super().__init__()
        self.over, self.eps, self.low, self.high = _axes(step.over), step.eps, step.low, step.high

    def forward(self, signal: Tensor) -> Tensor:
        """Apply the step to `(..., leads, samples)`."""
        extent = _extent(signal, self.over)
        scaled = _divided(signal - signal.amin(dim=self.over, keepdim=True), extent, extent, self.eps)
        return (self.high - self.low) * scaled + self.low


class TrainingScale(nn.Module):
    """Standardise by mean and deviation of the training records, which are buffers."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, step: preprocessing.TrainingScale) -> None:
        super().__init__()
        self.is_fitted, self.of_leads = step.is_fitted, step.over == "lead"
        # Of numbers that are settings, a checkpoint needs no second copy.
        for name in ("mean", "deviation"):
            value = getattr(step, name)
            tensor = torch.full((1, 1), torch.nan) if value is None else torch.tensor(value)[:, None]
            self.register_buffer(name, tensor.float(), persistent=value is None)

    def fit(self, step: preprocessing.TrainingScale) -> None:
        """Take over what was found in the training records."""
        assert step.mean is not None
        assert step.deviation is not None
        device = self.mean.device
        self.mean = torch.tensor(step.mean, dtype=torch.float32, device=device)[:, None]
        self.deviation = torch.tensor(step.deviation, dtype=torch.float32, device=device)[:, None]
        self.is_fitted = True

    def expect(self, leads: int) -> None:
        """Make room for a number a lead."""
        if not self.is_fitted and self.of_leads:
            self.mean, self.deviation = (torch.full((leads, 1), torch.nan) for _ in range(2))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        found = state_dict.get(f"{prefix}mean")
        if isinstance(found, Tensor):
            self.is_fitted = bool(torch.isfinite(found).all())

    def forward(self, signal: Tensor) -> Tensor:
        """Apply the step to `(..., leads, samples)`."""
        if not self.is_fitted:
            raise SettingError(
                "normalization training_scale",
                "no mean and deviation",
                "those of the training records",
                "Train first, with a datamodule: it fits them. Or give them in the contract.",
            )
        return (signal - self.mean) / self.deviation


class Clip(nn.Module):
    """Bring values back to two bounds."""

    def __init__(self, step: preprocessing.Clip) -> None:
        super().__init__()
        self.low, self.high = step.low, step.high

    def forward(self, signal: Tensor) -> Tensor:
        """Apply the step to `(..., leads, samples)`."""
        return signal.clamp(self.low, self.high)


ON_DEVICE: dict[type[preprocessing.Step], Callable[[Any], nn.Module]] = {
    preprocessing.ZScore: ZScore,
    preprocessing.MinMax: MinMax,
    preprocessing.TrainingScale: TrainingScale,
    preprocessing.Clip: Clip,
}


def _axes(over: str) -> tuple[int, ...]:
    return (-1,) if over == "lead" else (-2, -1)


def _extent(signal: Tensor, over: tuple[int, ...]) -> Tensor:
    return signal.amax(dim=over, keepdim=True) - signal.amin(dim=over, keepdim=True)


def _divided(values: Tensor, by: Tensor, extent: Tensor, eps: float) -> Tensor:
    if eps:
        return values / (by + eps)
    # What is constant is known by its extent: rounding may leave it a tiny deviation from its mean.
    flat = extent <= 0
    return torch.where(flat, 0.0, values / torch.where(flat, 1.0, by))
