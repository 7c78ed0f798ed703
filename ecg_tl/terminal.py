"""Tables and progress bars on the terminal, where text is text.

A console that is made here takes nothing in a name for markup (`[bold]`, `[/]`, `:smile:`), and shows what
would be a command to the terminal; see `ecg_tl.printing`. The package prints through this module alone: what
it uses of rich is imported from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
    track,
)
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ecg_tl.printing import visible

__all__ = [
    "SIMPLE_HEAD",
    "BarColumn",
    "Console",
    "DownloadColumn",
    "Group",
    "MofNCompleteColumn",
    "Progress",
    "ProgressColumn",
    "RenderableType",
    "Table",
    "Task",
    "TaskID",
    "Text",
    "TimeLeftColumn",
    "TransferSpeedColumn",
    "console",
    "console_for",
    "text_column",
    "track",
]

WIDEST = 2000
"""Columns that a table may take where there is no screen."""


class TextConsole(Console):
    """A console for which nothing that it prints is markup, an emoji's name or a command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **settings})

    def render_str(self, text: str, **settings: Any) -> Text:
        """Make text of a string; here, so that widths are those of what is shown."""
        return super().render_str(visible(text, keep="\n\t"), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything, with every character of its text shown."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, keep="\n"), segment.style)


def console(*, stderr: bool = False) -> Console:
    """Return standard output, or standard error."""
    return TextConsole(stderr=stderr)


def console_for(content: RenderableType) -> Console:
    """Return standard output, as wide as the screen, or in a file or a pipe as wide as `content` needs."""
    made = console()
    if not made.is_terminal:
        unbounded = made.options.update(width=WIDEST)
        made.width = max(made.width, made.measure(content, options=unbounded).maximum)
    return made


def text_column(form: str) -> TextColumn:
    """Return a column of a progress bar in which nothing is markup."""
    return TextColumn(form, markup=False)
