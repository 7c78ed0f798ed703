r"""The terminal: everything that is printed goes through here, where text is text.

Names of classes, files and patients come from anybody's files. On the terminal they are neither markup
(`[bold]`, `[/]`, `:smile:`) nor commands: what would move the cursor, set the window's title or turn the
direction of reading is shown as the escape that Python would write, such as `\x1b`. A test holds that
nothing else in this package prints or makes a console.
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import TextColumn
from rich.segment import Segment
from rich.text import Text

WIDEST = 2000
"""Columns that a table may take where there is no screen."""

# Controls (C0, DEL, C1), what joins or turns the direction of reading, breaks of lines other than \n,
# halves of letters, and tags that nothing shows.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def shown(text: object, keep: str = "") -> str:
    """Return text in which every character can be seen, but for those of `keep`."""
    return _HIDDEN.sub(lambda one: one[0] if one[0] in keep else _escape(one[0]), str(text))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def say(text: object, *, error: bool = False, end: str = "\n", file: IO[str] | None = None) -> None:
    """Print text as it is, line breaks and tabs included, and nothing in it as a command to the terminal.

    Args:
        text: What to print.
        error: Whether it goes to standard error.
        end: What is printed behind it.
        file: Another stream.
    """
    stream = file or (sys.stderr if error else sys.stdout)
    print(shown(text, keep="\n\t"), end=end, file=stream)


class TextConsole(Console):
    """A console for which nothing that it prints is markup, an emoji's name or a command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **settings})

    def render_str(self, text: str, **settings: Any) -> Text:
        """Make text of a string; here, so that widths are those of what is shown."""
        return super().render_str(shown(text, keep="\n\t"), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything, with every character of its text shown."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text, keep="\n"), segment.style)


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


def show_logs_as_text(*names: str) -> None:
    """Show what libraries log and warn of as `say` does; called again, it changes nothing more.

    Args:
        names: Of the libraries' loggers.
    """
    for name in names:
        for handler in logging.getLogger(name).handlers:
            if _as_text not in handler.filters:
                handler.addFilter(_as_text)
    if warnings.formatwarning is not _format_warning:
        global _formatwarning
        _formatwarning, warnings.formatwarning = warnings.formatwarning, _format_warning


def _as_text(record: logging.LogRecord) -> bool:
    record.msg, record.args = shown(record.getMessage(), keep="\n\t"), None
    return True


_formatwarning = warnings.formatwarning


def _format_warning(*given: Any, **named: Any) -> str:
    return shown(_formatwarning(*given, **named), keep="\n\t")
