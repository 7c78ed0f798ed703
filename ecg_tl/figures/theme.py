"""Colours of the report: one table for the page, for its figures, and for light and dark."""

from __future__ import annotations

from collections.abc import Sequence

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fefefd", "#14171b"),
    "panel": ("#f5f5f2", "#1c2026"),
    "rule": ("#d8d8d3", "#363c45"),
    "ink": ("#1b1e23", "#e9eaec"),
    "muted": ("#5b626c", "#a4abb5"),
    "gain": ("#0b62a4", "#74b8f2"),
    "gain-soft": ("#dfebf5", "#1d3346"),
    "loss": ("#b5420e", "#f3935f"),
    "loss-soft": ("#f9e6dc", "#43291c"),
    "open": ("#757c86", "#98a0ab"),
    "open-soft": ("#ececea", "#292e35"),
    "caution": ("#7a5a00", "#e3bd57"),
    "caution-soft": ("#faf0d3", "#3a3119"),
    "series-0": ("#535a64", "#b3bac4"),
    "series-1": ("#0a629f", "#6fb3ee"),
    "series-2": ("#b4430f", "#ee8f5d"),
    "series-3": ("#00785f", "#4fc3a5"),
    "series-4": ("#84489e", "#c593dd"),
    "series-5": ("#8f6a00", "#d9b44a"),
    "series-6": ("#b13a72", "#ec86b1"),
}
"""Role of a colour -> its value on light and on dark paper.

Gain and loss are blue and vermilion, and the series follow Okabe and Ito's hues: they stay apart under every
common colour vision deficiency, and each series has its marker besides. Text reaches a contrast of 4.5.
"""

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
SERIES = 6
"""Colours of series; with more, they repeat under another marker."""

FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
"""Of figures: sans serifs of the same widths, and the one that matplotlib brings along."""


def light(role: str) -> str:
    """Give a role's colour on light paper, which figures are drawn in."""
    return COLOURS[role][0]


def declarations(dark: bool) -> str:
    """Give the colours as CSS variables."""
    return "".join(f"--{role}:{colours[dark]};" for role, colours in COLOURS.items())


def variables() -> dict[str, str]:
    """Map each light colour to the CSS variable that stands for it."""
    return {colours[0]: f"var(--{role})" for role, colours in COLOURS.items()}


def series_role(name: str, names: Sequence[str]) -> str:
    """Give an arm's colour: grey to the first, which is scratch, and one of the others to each further."""
    position = names.index(name)
    return f"series-{0 if position == 0 else (position - 1) % SERIES + 1}"


def series_marker(name: str, names: Sequence[str]) -> str:
    """Give an arm's marker."""
    return MARKERS[names.index(name) % len(MARKERS)]
