"""Where a command's table is printed."""

from __future__ import annotations

from rich.console import Console, RenderableType

WIDEST = 2000
"""Columns that a table may take where there is no screen."""


def console_for(content: RenderableType) -> Console:
    """Return standard output, as wide as the screen, or in a file or a pipe as wide as `content` needs."""
    console = Console()
    if not console.is_terminal:
        unbounded = console.options.update(width=WIDEST)
        console.width = max(console.width, console.measure(content, options=unbounded).maximum)
    return console
