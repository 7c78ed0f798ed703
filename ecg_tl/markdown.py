"""Pieces of Markdown, from text that may come from anybody's file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ecg_tl.printing import visible


def inline(text: object) -> str:
    """Put text into one line in which nothing is markup."""
    # An underscore within a word is none; two beside each other are no letters to Markdown.
    line = visible(" ".join(str(text).split()))
    return re.sub(r"[\\`*|<\[\]&$~]|^[#>+=-]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", line)


def code(text: object) -> str:
    """Put text into one line of code; a backtick would end it."""
    return "`" + visible(" ".join(str(text).split())).replace("`", "'").replace("|", "\\|") + "`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: int = 1) -> str:
    """Lay out a table.

    Args:
        header: Titles of the columns.
        rows: Cells, in which nothing is escaped.
        right: From which column on cells are numbers, which stand to the right.
    """
    rules = ["---" if column < right else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rules, *rows))


def bullets(lines: Iterable[str]) -> str:
    """Lay out a list."""
    return "\n".join(f"- {line}" for line in lines)


def block(lines: Iterable[str], language: str = "") -> str:
    """Lay out lines of code."""
    return "\n".join([f"```{language}", *lines, "```"])
