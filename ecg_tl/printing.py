r"""Printing: text is text, whatever is in it. Nothing heavy is imported here.

Names of classes, files and patients come from anybody's files. On the terminal they are no commands: what
would move the cursor, set the window's title or turn the direction of reading is shown as the escape that
Python would write, such as `\x1b`. A test holds that nothing but this file and `terminal.py` prints or makes
a console.
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
from typing import IO, Any

# Controls (C0, DEL, C1), what joins or turns the direction of reading, breaks of lines other than \n,
# halves of letters, and tags that nothing shows.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: object, keep: str = "") -> str:
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
    print(visible(text, keep="\n\t"), end=end, file=stream)


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
    record.msg, record.args = visible(record.getMessage(), keep="\n\t"), None
    return True


_formatwarning = warnings.formatwarning


def _format_warning(*given: Any, **named: Any) -> str:
    return visible(_formatwarning(*given, **named), keep="\n\t")
