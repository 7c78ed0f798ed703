"""What all findings are made of: verdicts and values of axes."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["win", "loss", "equivalent", "open"]
"""Of a difference, corrected for the number of comparisons: above 0, below 0, shown to be less than the
study's margin either way, or none of these."""


Axes = tuple[tuple[str, str], ...]
"""Value of each axis, by name, in the study's order."""
