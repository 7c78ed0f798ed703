"""What all findings are made of: verdicts and values of axes."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["win", "loss", "open"]
"""Of a difference, corrected for the number of comparisons: above 0, below 0, or neither is shown."""


Axes = tuple[tuple[str, str], ...]
"""Value of each axis, by name, in the study's order."""
