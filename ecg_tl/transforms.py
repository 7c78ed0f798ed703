"""What is done to a batch of signals on its way from the store to the network, on the batch's device.

Normalisation makes amplitudes fit for a network and belongs to the model: it is written into checkpoints and
exported graphs. Augmentation varies training signals at random; it works on millivolts, before normalisation.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ecg_tl import preprocessing
from ecg_tl.device_steps import ON_DEVICE, TrainingScale
from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.preprocessing import Chain

WANDER_BAND_HZ = (0.05, 0.5)
"""Baseline wander comes from breathing and movement; filters against it cut at 0.5 Hz."""


class Normalization(nn.Module, ABC):
    """Turn signals in millivolts into what a network takes: `(..., leads, samples)` to the same shape.

    Attributes:
        name: What `create_normalization` calls it.
    """

    name: ClassVar[str]

    def describe(self) -> dict[str, Any]:
        """Return what `create_normalization(**description)` makes it from again."""
        return {"name": self.name}

    @abstractmethod
    def forward(self, signal: Tensor) -> Tensor:
        """Normalise signals in millivolts."""


class NoNormalization(Normalization):
    """Leave millivolts as they are."""

    name = "none"

    def forward(self, signal: Tensor) -> Tensor:
        """Return the signal."""
        return signal


class FixedScale(Normalization):
    """Divide by a fixed voltage, and clip: voltage criteria (hypertrophy, low voltage) stay visible.

    Args:
        scale_mv: Millivolts that become 1. The default is about the standard deviation of a surface ECG.
        clip: Greatest absolute value after scaling. The default is ±6 mV: beyond a QRS complex, it holds
            electrode artefacts down.

    Raises:
        SettingError: If either is not positive and finite.
    """

    name = "fixed_scale"

    def __init__(self, scale_mv: float = 0.3, clip: float = 20.0) -> None:
        super().__init__()
        for setting, value in (("scale_mv", scale_mv), ("clip", clip)):
            if not (value > 0 and math.isfinite(value)):
                raise SettingError(
                    f"normalization {setting}", str(value), "a positive number", f"Correct {setting}."
                )
        self.scale_mv = float(scale_mv)
        self.clip = float(clip)

    def describe(self) -> dict[str, Any]:
        """Return the name, `scale_mv` and `clip`."""
        return {"name": self.name, "scale_mv": self.scale_mv, "clip": self.clip}

    def forward(self, signal: Tensor) -> Tensor:
        """Scale and clip."""
        return torch.clamp(signal / self.scale_mv, -self.clip, self.clip)


class MinMax(Normalization):
    """Stretch each lead of each record to [-1, 1], as Nguyen and Do (2025) did; a flat lead becomes 0.

    It throws away the voltage, which some diagnoses are made of.
    """

    name = "min_max"

    def forward(self, signal: Tensor) -> Tensor:
        """Stretch each lead from its least and greatest value."""
        low, high = signal.amin(dim=-1, keepdim=True), signal.amax(dim=-1, keepdim=True)
        extent = high - low
        flat = extent <= 0
        stretched = 2 * (signal - low) / torch.where(flat, 1.0, extent) - 1
        return torch.where(flat, 0.0, stretched)


class ZScore(Normalization):
    """Give each lead of each record mean 0 and standard deviation 1; a flat lead becomes 0.

    It throws away the voltage, and the proportion between leads.
    """

    name = "z_score"

    def forward(self, signal: Tensor) -> Tensor:
        """Shift and scale each lead."""
        centred = signal - signal.mean(dim=-1, keepdim=True)
        deviation = centred.square().mean(dim=-1, keepdim=True).sqrt()
        # A flat lead is known by its extent: rounding may leave it a tiny deviation from its mean.
        flat = (signal.amax(dim=-1, keepdim=True) - signal.amin(dim=-1, keepdim=True)) <= 0
        return torch.where(flat, 0.0, centred / torch.where(flat, 1.0, deviation))


class ChainScaling(Normalization):
    """The scaling at the end of a published network's chain (`ecg_tl.preprocessing`), each window by itself.

    Mean and deviation of training records are buffers: what `fit` finds is in the checkpoint.

    Args:
        steps: As `Chain.to_json` gives them, of the kinds z_score, min_max, training_scale and clip.

    Raises:
        SettingError: If there is no such step, or one that is no scaling.
    """

    name = "chain"

    def __init__(self, steps: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self.chain = Chain.from_json(list(steps))
        others = [step.name for step in self.chain.steps if type(step) not in ON_DEVICE]
        if others:
            raise SettingError(
                "normalization chain",
                f"the step {others[0]}",
                f"one of {', '.join(kind.name for kind in ON_DEVICE)}",
                "Other steps run once, when a dataset is prepared: give them in a contract.",
            )
        self.steps = nn.ModuleList(ON_DEVICE[type(step)](step) for step in self.chain.steps)

    def describe(self) -> dict[str, Any]:
        """Return the name and the steps as they were given, without what was fitted."""
        return {"name": self.name, "steps": self.chain.to_json()}

    @property
    def is_fitted(self) -> bool:
        """Whether all statistics of training records are known."""
        return all(step.is_fitted for step in self.steps if isinstance(step, TrainingScale))

    def expect(self, num_leads: int) -> None:
        """Make room for the statistics of so many leads."""
        for step in self.steps:
            if isinstance(step, TrainingScale):
                step.expect(num_leads)

    def fit(self, chain: Chain) -> None:
        """Take over the statistics of a chain of the same steps that was fitted to the training records."""
        for ours, theirs in zip(self.steps, chain.steps, strict=True):
            if isinstance(ours, TrainingScale) and isinstance(theirs, preprocessing.TrainingScale):
                ours.fit(theirs)

    def forward(self, signal: Tensor) -> Tensor:
        """Scale each record."""
        for step in self.steps:
            signal = step(signal)
        return signal


NORMALIZATIONS: dict[str, type[Normalization]] = {
    kind.name: kind for kind in (FixedScale, MinMax, ZScore, NoNormalization, ChainScaling)
}


def create_normalization(name: str = FixedScale.name, **options: Any) -> Normalization:
    """Make a normalisation; `create_normalization(**n.describe())` makes the same as `n`.

    Args:
        name: One of `NORMALIZATIONS`.
        **options: `scale_mv` and `clip` of `fixed_scale`, `steps` of `chain`; the others have none.

    Raises:
        SettingError: If there is no such normalisation or option, or a value is out of range.
    """
    if name not in NORMALIZATIONS:
        raise SettingError(
            "normalization", repr(name), f"one of {', '.join(NORMALIZATIONS)}", "Choose one of these."
        )
    known = [option for option in NORMALIZATIONS[name]().describe() if option != "name"]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise SettingError(
            f"options of normalization {name}",
            ", ".join(unknown),
            f"only {', '.join(known)}" if known else "none, for it has none",
            "Remove or correct the option.",
        )
    return NORMALIZATIONS[name](**options)


@dataclass(frozen=True)
class Augmentation:
    """How training signals are varied. Each kind has a strength (0 is off) and the share of records it meets.

    Attributes:
        amplitude_scale: All leads are multiplied by one factor out of 1 ± this; below 1.
        amplitude_scale_probability: Share of records.
        gaussian_noise: Standard deviation of white noise, in millivolts.
        gaussian_noise_probability: Share of records.
        baseline_wander: Greatest amplitude of a slow sine (0.05 to 0.5 Hz) added to each lead, in
            millivolts. A record's leads share the frequency and the phase, each has its own amplitude and
            sign.
        baseline_wander_probability: Share of records.
        time_shift: Greatest shift of a record to either side, in seconds. What comes in is zero, as where a
            short record was padded; wrapping the end around to the start would invent an RR interval.
        time_shift_probability: Share of records.
        time_mask: Greatest length of a stretch that is set to zero in all leads, in seconds.
        time_mask_probability: Share of records.
        lead_dropout: Chance of each lead to be set to zero; one lead, drawn at random, is always kept.
        lead_dropout_probability: Share of records.

    Raises:
        SettingError: If a strength or a probability is out of range.
    """

    amplitude_scale: float = 0.0
    amplitude_scale_probability: float = 0.5
    gaussian_noise: float = 0.0
    gaussian_noise_probability: float = 0.5
    baseline_wander: float = 0.0
    baseline_wander_probability: float = 0.5
    time_shift: float = 0.0
    time_shift_probability: float = 0.5
    time_mask: float = 0.0
    time_mask_probability: float = 0.5
    lead_dropout: float = 0.0
    lead_dropout_probability: float = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = value if isinstance(value, int | float) else math.nan
            if field.name.endswith("_probability"):
                fits, expected = 0 <= number <= 1, "from 0 to 1"
            elif field.name in ("amplitude_scale", "lead_dropout"):
                fits, expected = 0 <= number < 1, "at least 0 and below 1"
            else:
                fits, expected = 0 <= number < math.inf, "at least 0"
            if not fits:
                raise SettingError(
                    f"augmentation {field.name}",
                    shown(value),
                    f"a number {expected}",
                    f"Correct {field.name}.",
                )

    @property
    def is_off(self) -> bool:
        """Whether nothing is done to any record."""
        kinds = [field.name for field in dataclasses.fields(self) if not field.name.endswith("_probability")]
        return not any(getattr(self, kind) and getattr(self, f"{kind}_probability") for kind in kinds)


def augmentation_generator(
    seed: int, epoch: int, batch_index: int, rank: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Make the generator of one batch's augmentation: the same numbers whether training was resumed or not.

    Args:
        seed: Of the run.
        epoch: Counted from 0.
        batch_index: Within the epoch and process.
        rank: Of the process, so that processes vary their batches differently.
        device: Where the numbers are drawn; devices draw different ones.
    """
    sequence = np.random.SeedSequence((seed, epoch, batch_index, rank))
    state = int(sequence.generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)  # torch takes 63 bits alike on every device


def augment(
    signal: Tensor, settings: Augmentation, generator: torch.Generator, *, sampling_rate: float
) -> Tensor:
    """Vary each record of a batch at random; the given batch is not changed.

    Args:
        signal: `(batch, leads, samples)` in millivolts.
        settings: What is done, how strongly and how often.
        generator: Where all random numbers come from.
        sampling_rate: In Hz.
    """
    if settings.is_off:
        return signal
    if settings.time_shift:
        chosen = _chosen(signal, settings.time_shift_probability, generator)
        signal = _shift(signal, chosen, settings.time_shift * sampling_rate, generator)
    if settings.amplitude_scale:
        chosen = _chosen(signal, settings.amplitude_scale_probability, generator)
        change = settings.amplitude_scale * (2 * _uniform(signal, (len(signal), 1, 1), generator) - 1)
        signal = signal * (1 + chosen * change)
    if settings.baseline_wander:
        chosen = _chosen(signal, settings.baseline_wander_probability, generator)
        wander = settings.baseline_wander * _slow_sine(signal, sampling_rate, generator)
        signal = signal + chosen * wander
    if settings.gaussian_noise:
        chosen = _chosen(signal, settings.gaussian_noise_probability, generator)
        noise = torch.randn(signal.shape, generator=generator, device=generator.device, dtype=signal.dtype)
        signal = signal + chosen * settings.gaussian_noise * noise.to(signal.device)
    if settings.time_mask:
        chosen = _chosen(signal, settings.time_mask_probability, generator)
        masked = _stretch(signal, settings.time_mask * sampling_rate, generator)
        signal = signal.masked_fill(chosen & masked, 0.0)
    if settings.lead_dropout:
        chosen = _chosen(signal, settings.lead_dropout_probability, generator)
        draws = _uniform(signal, (*signal.shape[:2], 1), generator)
        # The lead with the greatest draw is the one that is kept whatever the draw.
        dropped = (draws < settings.lead_dropout) & (draws < draws.amax(dim=1, keepdim=True))
        signal = signal.masked_fill(chosen & dropped, 0.0)
    return signal


def _uniform(signal: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    draws = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)
    return draws.to(signal.device, signal.dtype)


def _chosen(signal: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    return _uniform(signal, (len(signal), 1, 1), generator) < probability


def _shift(signal: Tensor, chosen: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    samples = signal.shape[-1]
    draws = 2 * _uniform(signal, (len(signal), 1, 1), generator) - 1
    shift = (chosen * draws * min(limit, samples)).round().long()
    source = torch.arange(samples, device=signal.device) - shift  # (batch, 1, samples)
    shifted = signal.gather(-1, source.clamp(0, samples - 1).expand_as(signal))
    return shifted.masked_fill((source < 0) | (source >= samples), 0.0)


def _slow_sine(signal: Tensor, sampling_rate: float, generator: torch.Generator) -> Tensor:
    """Draw a sine for each record, its amplitude in each lead from -1 to 1."""
    batch, leads, samples = signal.shape
    low, high = WANDER_BAND_HZ
    frequency = low + (high - low) * _uniform(signal, (batch, 1, 1), generator)
    phase = _uniform(signal, (batch, 1, 1), generator)
    amplitude = 2 * _uniform(signal, (batch, leads, 1), generator) - 1
    seconds = torch.arange(samples, device=signal.device, dtype=signal.dtype) / sampling_rate
    return amplitude * torch.sin(2 * math.pi * (frequency * seconds + phase))


def _stretch(signal: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    """Draw a stretch of up to `limit` samples for each record, wholly inside of it: `(batch, 1, samples)`."""
    samples = signal.shape[-1]
    length = _uniform(signal, (len(signal), 1, 1), generator) * min(limit, samples)
    start = _uniform(signal, (len(signal), 1, 1), generator) * (samples - length)
    position = torch.arange(samples, device=signal.device)
    return (position >= start.round()) & (position < (start + length).round())
