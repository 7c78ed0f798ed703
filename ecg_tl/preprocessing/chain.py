"""A chain of steps: what a network's input went through, as something that can be written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.preprocessing.step import STEPS, Signal, Step, did_you_mean


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

    def to_json(self) -> list[dict[str, Any]]:
        """Return names and parameters of all steps as plain values."""
        return [step.to_json() for step in self.steps]

    @classmethod
    def from_json(cls, content: object) -> Chain:
        """Make a chain from what `to_json` gave, or what somebody wrote.

        Raises:
            SettingError: If it is no such list, or a step or parameter is unknown; the nearest is named.
        """
        if not isinstance(content, list | tuple):
            raise SettingError("preprocessing", shown(content), "a list of steps", "Correct it.")
        return cls(tuple(_step(one) for one in content))


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
