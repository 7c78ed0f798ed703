"""Tables of the report, as words and numbers that a page lays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import NOTHING, number, signed, span

ROLES = {"win": "gain", "loss": "loss", "equivalent": "open", "open": "open", "tie": "open"}


MOST_CARDS = 60
"""Cells of a table that a phone shows as cards; a larger one scrolls in its own box."""


VERDICTS = {"win": "better", "loss": "worse", "equivalent": "equivalent", "open": "open", "tie": "tie"}


@dataclass(frozen=True)
class TableCell:
    """What stands in one place of a table.

    Attributes:
        text: Shown first.
        note: Shown below, quieter.
        tone: Role of its colour; empty for that of text.
        interval: Estimate and ends, drawn beside the text; None for nothing.
    """

    text: str
    note: str = ""
    tone: str = ""
    interval: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: What it holds.
        columns: Heading of each column; one that starts with `#` is of numbers and stands right.
        rows: A cell for each column.
        note: How to read it; empty for nothing.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    note: str = ""

    @property
    def cards(self) -> bool:
        """Whether a phone shows its rows as cards."""
        return len(self.rows) * len(self.columns) <= MOST_CARDS

    @property
    def reach(self) -> float:
        """Give the largest end of the intervals that are drawn, which scales them all."""
        ends = (cell.interval for row in self.rows for cell in row if cell.interval)
        return max((abs(value) for interval in ends for value in interval), default=1.0) or 1.0


Line = dict[str, TableCell | str]
"""A row: what stands in each column, by the column's heading."""


def make_table(caption: str, lines: Sequence[Line], note: str = "") -> Table | None:
    """Make a table; None without rows, and without the columns that every row leaves empty."""
    cells = [
        {column: cell if isinstance(cell, TableCell) else TableCell(cell) for column, cell in line.items()}
        for line in lines
    ]
    shown = [
        column
        for column in (cells[0] if cells else ())
        if any(line[column].text not in ("", NOTHING) or line[column].interval for line in cells)
    ]
    if not shown:
        return None
    return Table(
        caption, tuple(shown), tuple(tuple(line[column] for column in shown) for line in cells), note
    )


def difference_cell(interval: Interval, verdict: str = "open", drawn: bool = True) -> TableCell:
    """Show a difference, its interval below, and a picture of both beside."""
    ends = None
    if drawn and interval.estimate is not None and interval.low is not None and interval.high is not None:
        ends = (interval.low, interval.estimate, interval.high)
    note = span(interval.low, interval.high) if interval.low is not None else ""
    return TableCell(signed(interval.estimate), note, ROLES[verdict] if verdict != "open" else "", ends)


def times(ratio: Interval) -> str:
    """Write a ratio as a multiple."""
    return f"{number(ratio.estimate, 2)}×" if ratio.estimate is not None else NOTHING


def score_cell(interval: Interval) -> TableCell:
    """Show a score, and its interval below."""
    return TableCell(
        number(interval.estimate),
        span(interval.low, interval.high, sign=False) if interval.low is not None else "",
    )


def axis_words(axes: Axes, default: Axes) -> str:
    """Name the axis values that are not the default ones."""
    return ", ".join(f"{axis}: {value}" for axis, value in axes if (axis, value) not in default)


def verdict_cell(verdict: str, seeds: int) -> TableCell:
    """Show a verdict in its colour; with one seed there is none."""
    if seeds == 1:
        return TableCell("not judged", "one seed", "muted")
    return TableCell(VERDICTS[verdict], tone=ROLES[verdict] if verdict != "open" else "muted")
