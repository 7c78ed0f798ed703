"""What a step of preprocessing is, and what goes through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, ClassVar, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.limits import fits_type, in_words, shown

Values = NDArray[np.float64]

FLAT = ("flat",)
"""The one row that all leads become when they are laid one after another."""


@dataclass(frozen=True)
class Signal:
    """A recording on its way through the steps.

    Attributes:
        values: `float64 (leads, samples)`; millivolts until a step changes their scale.
        sampling_rate: In Hz.
        leads: Name of each row.
    """

    values: Values
    sampling_rate: float
    leads: tuple[str, ...]

    def with_values(self, values: Values) -> Signal:
        """Return the signal with other values of the same leads and rate."""
        return replace(self, values=values)


class Step(ABC):
    """One step, a frozen dataclass whose fields are its parameters, of plain types.

    A subclass that names itself registers itself. What a parameter may be beyond its type, `__post_init__`
    checks.
    """

    name: ClassVar[str]
    """The step's name in files."""

    scales: ClassVar[bool] = False
    """Whether it changes the values' scale alone, each window by itself: this a device does for a batch."""

    def __init_subclass__(cls, name: str, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        STEPS[name] = cls

    @abstractmethod
    def __call__(self, signal: Signal) -> Signal:
        """Apply the step.

        Raises:
            SettingError: If the signal cannot be taken through it.
        """

    def fit(self, signals: Sequence[Signal]) -> Step:
        """Learn what the step must know of the training records; most steps need nothing."""
        return self

    def of_leads(self, rows: Sequence[int], names: Sequence[str]) -> Step:
        """Return the step for some of its leads.

        Args:
            rows: Which of the leads that it was made for, by their numbers.
            names: What they are called.
        """
        return self

    def to_json(self) -> dict[str, Any]:
        """Return name and parameters as plain values; those at their default as well, for they may change."""
        parameters = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()}
        return {"step": self.name, **plain}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """Make the step from plain values.

        Raises:
            SettingError: If a parameter is unknown, missing or of another type.
        """
        hints = get_type_hints(cls)
        known = {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for name, value in parameters.items():
            if name not in known:
                raise SettingError(
                    f"preprocessing step {cls.name}",
                    f"the parameter {shown(name)}",
                    f"only {', '.join(known)}" if known else "none, for it has none",
                    did_you_mean(name, known) or "Remove or correct it.",
                )
            if not fits_type(value, known[name]):
                raise cls.wrong(name, value, in_words(known[name]))
            values[name] = tuple(value) if isinstance(value, list) else value
        try:
            return cls(**values)
        except TypeError:
            missing = [n for n in known if n not in values and not hasattr(cls, n)]
            raise SettingError(
                f"preprocessing step {cls.name}", f"no {', '.join(missing)}", "all parameters", "Add it."
            ) from None

    @classmethod
    def wrong(cls, parameter: str, found: object, expected: str) -> SettingError:
        """Make the error of a parameter that makes no sense."""
        return SettingError(
            f"preprocessing step {cls.name}: {parameter}", shown(found), expected, f"Correct {parameter}."
        )

    def unfit(self, found: str, expected: str, remedy: str) -> SettingError:
        """Make the error of a signal that the step cannot take."""
        return SettingError(f"preprocessing step {self.name}", found, expected, remedy)


STEPS: dict[str, type[Step]] = {}


def did_you_mean(name: object, known: Mapping[str, object]) -> str:
    """Name the nearest of the known names, or nothing if none is near."""
    close = get_close_matches(name, known, n=1) if isinstance(name, str) else []
    return f"Did you mean {close[0]}?" if close else ""
