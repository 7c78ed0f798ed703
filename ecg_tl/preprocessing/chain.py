"""A chain of steps: what a network's input went through, as something that can be written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.preprocessing.layout import Crop
from ecg_tl.preprocessing.scaling import MinMax, TrainingScale, ZScore
from ecg_tl.preprocessing.step import STEPS, Signal, Step, did_you_mean

Starts = Callable[[int, int], Sequence[int]]
"""Of samples, and of those in a window: where windows begin."""


@dataclass(frozen=True)
class Chain:
    """Steps, one after another.

    Attributes:
        steps: In the order of a signal.
    """

    steps: tuple[Step, ...]

    def __call__(self, values: ArrayLike, sampling_rate: float, leads: Sequence[str]) -> Signal:
        """Take a recording through all steps, in double precision.

        Args:
            values: `(leads, samples)` in millivolts.
            sampling_rate: In Hz.
            leads: Name of each row.

        Raises:
            SettingError: If the recording is no such array, or a step cannot take it.
        """
        signal = _signal(values, sampling_rate, leads)
        for step in self.steps:
            signal = step(signal)
        return signal

    def windows(
        self, values: ArrayLike, sampling_rate: float, leads: Sequence[str], starts: Starts
    ) -> list[tuple[float, Signal]]:
        """Take a recording through the chain in windows, which part where the chain crops.

        What is before the crop sees the whole recording, and what is behind it each window by itself: the
        first window is what `__call__` gives. A chain without a crop gives one window.

        Args:
            values: `(leads, samples)` in millivolts.
            sampling_rate: In Hz.
            leads: Name of each row.
            starts: Says of a number of samples, and of those in a window, where windows begin.

        Returns:
            Of each window where it begins, in seconds, and the signal.

        Raises:
            SettingError: As `__call__`.
        """
        number = next((n for n, step in enumerate(self.steps) if isinstance(step, Crop)), None)
        if number is None:
            return [(0.0, self(values, sampling_rate, leads))]
        crop = self.steps[number]
        assert isinstance(crop, Crop)
        whole = _signal(values, sampling_rate, leads)
        for step in self.steps[:number]:
            whole = step(whole)
        found = []
        for start in starts(whole.values.shape[1], min(crop.samples, whole.values.shape[1])):
            signal = replace(crop, start=start)(whole)
            for step in self.steps[number + 1 :]:
                signal = step(signal)
            found.append((start / whole.sampling_rate, signal))
        return found

    def fit(self, recordings: Sequence[tuple[ArrayLike, float, Sequence[str]]]) -> Chain:
        """Return the chain with what its steps learn from the training records.

        Args:
            recordings: Values, rate and leads of each, as `__call__` takes them.

        Raises:
            SettingError: If a recording cannot be taken, or nothing be learnt.
        """
        signals = [_signal(*recording) for recording in recordings]
        fitted: list[Step] = []
        for step in self.steps:
            fitted.append(step.fit(signals))
            signals = [fitted[-1](signal) for signal in signals]
        return Chain(tuple(fitted))

    def __add__(self, other: Chain) -> Chain:
        return Chain(self.steps + other.steps)

    def divided(self) -> tuple[Chain, Chain]:
        """Divide it into what runs once, and the scaling at its end, which a device does for each batch."""
        last = len(self.steps)
        while last and self.steps[last - 1].scales:
            last -= 1
        return Chain(self.steps[:last]), Chain(self.steps[last:])

    @property
    def is_fitted(self) -> bool:
        """Whether it knows all that it must know of the training records."""
        return all(step.is_fitted for step in self.steps if isinstance(step, TrainingScale))

    @property
    def in_millivolts(self) -> bool:
        """Whether signals are in millivolts when they have gone through it."""
        return not any(step.scales for step in self.steps)

    @property
    def resolution(self) -> float:
        """What one step of int16 stands for where its result is stored.

        1 µV of what is in millivolts, and a thousandth of a deviation: both reach to 32.767. Of what was
        brought between two bounds a ten-thousandth of the greater one, which leaves filters behind it room up
        to 3.2767 of it.
        """
        bounds = [step for step in self.steps if isinstance(step, MinMax | ZScore | TrainingScale)]
        if not bounds or not isinstance(bounds[-1], MinMax):
            return 1e-3
        return 1e-4 * max(abs(bounds[-1].low), abs(bounds[-1].high))

    def to_json(self) -> list[dict[str, Any]]:
        """Return names and parameters of all steps as plain values."""
        return [step.to_json() for step in self.steps]

    def in_words(self) -> str:
        """Say it in a line: each step with its parameters."""
        return "; ".join(
            " ".join([step.name, *(_parameter(k, v) for k, v in step.to_json().items() if k != "step")])
            for step in self.steps
        )

    @classmethod
    def from_json(cls, content: object) -> Chain:
        """Make a chain from what `to_json` gave, or what somebody wrote.

        Raises:
            SettingError: If it is no such list, or a step or parameter is unknown; the nearest is named.
        """
        if not isinstance(content, list | tuple):
            raise SettingError("preprocessing", shown(content), "a list of steps", "Correct it.")
        return cls(tuple(_step(one) for one in content))


def steps_in_words(said: object) -> str:
    """Say in a line what steps a file names; one that an altered file made unintelligible, as it is."""
    try:
        return Chain.from_json(said).in_words() or "none"
    except SettingError:
        return shown(said)


def _parameter(name: str, value: object) -> str:
    listed = (
        ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else value
    )
    return f"{name}=[{listed}]" if isinstance(value, list) else f"{name}={listed}"


def _step(content: object) -> Step:
    if not isinstance(content, Mapping) or "step" not in content:
        raise SettingError(
            "preprocessing", shown(content), "a step: its name under `step`, and parameters", "Correct it."
        )
    name = content["step"]
    if not isinstance(name, str) or name not in STEPS:
        raise SettingError(
            "preprocessing",
            f"the step {shown(name)}",
            f"one of {', '.join(STEPS)}",
            did_you_mean(name, STEPS) or "Choose one of these.",
        )
    return STEPS[name].from_parameters({key: value for key, value in content.items() if key != "step"})


def _signal(values: ArrayLike, sampling_rate: float, leads: Sequence[str]) -> Signal:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) != len(leads) or array.shape[1] < 1 or not len(leads):
        raise SettingError(
            "recording to prepare",
            f"values of shape {array.shape} and {len(leads)} names of leads",
            "(leads, samples), and a name for each lead",
            "Correct the array or the names.",
        )
    if not np.isfinite(sampling_rate) or sampling_rate <= 0:
        raise SettingError("sampling rate", shown(sampling_rate), "a rate above 0 Hz", "Correct it.")
    return Signal(array, float(sampling_rate), tuple(leads))
