"""Which temperatures make probabilities calibrated; those at the ends of their range do not."""

from __future__ import annotations

TEMPERATURE_RANGE = (0.05, 20.0)

AT_RANGE_END = (
    f"the best temperature lay at an end of its range, {TEMPERATURE_RANGE[0]:g} to {TEMPERATURE_RANGE[1]:g}, "
    "as where the validation records are too few"
)

NEVER_VALIDATED = "the network was never validated"

_NEAR = 1e-3


def is_at_range_end(temperature: float) -> bool:
    """Say whether a temperature is an end, or beyond: the loss falls there, so that no minimum was found."""
    lowest, highest = TEMPERATURE_RANGE
    return not lowest * (1 + _NEAR) < temperature < highest * (1 - _NEAR)  # NaN compares false
