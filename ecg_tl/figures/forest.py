"""Rows of estimates with their intervals around a line of no effect, drawn for a screen and for a phone."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

from ecg_tl.figures.svg import new_figure, printable, sheet
from ecg_tl.figures.theme import light

WIDE, NARROW = 760.0, 350.0
"""Widths in pixels: of the page's column, and of the smallest phone's."""

MOST_LINES = 32
"""Of a figure: what a printed page holds."""

SIZE, SMALL = 12.5, 11.0  # of text
GAP = 8.0  # between words of a row
FONT_MARGIN = 1.1  # by which a browser's letters may be wider than estimated
LINE = 15.0  # between two lines of small text


@dataclass(frozen=True)
class Mark:
    """One more value in a row, without an interval.

    Attributes:
        value: On the axis.
        marker: A marker's name, as matplotlib knows it.
        role: Its colour.
    """

    value: float
    marker: str
    role: str


@dataclass(frozen=True)
class Row:
    """One estimate.

    Attributes:
        label: What it is of.
        detail: More of it, quieter.
        estimate: None draws no point.
        low: Of its interval; None draws none.
        high: Of its interval; None, where `low` is given, leaves it open.
        text: The numbers, written beside it.
        role: Colour of it.
        filled: Whether its point is filled: an effect that is shown, not merely estimated.
        marker: A marker's name, as matplotlib knows it.
        dots: Single values that it is the mean of.
        marks: Other values to compare it with.
    """

    label: str
    detail: str
    estimate: float | None
    low: float | None
    high: float | None
    text: str
    role: str
    filled: bool = True
    marker: str = "o"
    dots: tuple[float, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class RowGroup:
    """Rows under one heading.

    Attributes:
        title: The heading.
        subtitle: Counts that stand beside every score of it.
        rows: At least one.
    """

    title: str
    subtitle: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Scale:
    """The axis of a forest.

    Attributes:
        label: What is on it, with its unit.
        left: What values left of the line mean; empty for nothing.
        right: What values right of it mean.
        zero: Where the line of no effect stands; None for none.
        logarithmic: Whether equal steps are equal factors.
    """

    label: str
    left: str = ""
    right: str = ""
    zero: float | None = 0.0
    logarithmic: bool = False


@dataclass(frozen=True)
class _Layout:
    """Where values and words lie, in pixels."""

    left: float
    right: float
    lowest: float
    highest: float
    logarithmic: bool

    def x(self, value: float) -> float:
        position, start, end = (
            math.log(max(number, 1e-9)) if self.logarithmic else number
            for number in (value, self.lowest, self.highest)
        )
        share = min(max((position - start) / (end - start), 0.0), 1.0)
        return self.left + share * (self.right - self.left)


def paint_forests(groups: Sequence[RowGroup], scale: Scale) -> tuple[list[Figure], list[Figure]]:
    """Draw groups of rows for screens and paper, and for phones, in pieces of one scale that fit a page."""
    limits = _limits([row for group in groups for row in group.rows], scale)
    pieces = list(_pieces(groups))
    wide, narrow = (
        [paint_forest(piece, scale, width, limits) for piece in pieces] for width in (WIDE, NARROW)
    )
    return wide, narrow


def _pieces(groups: Sequence[RowGroup]) -> Iterator[list[RowGroup]]:
    """Share groups out over pages of `MOST_LINES` rows, a heading counting as two."""
    page: list[RowGroup] = []
    room = MOST_LINES
    for group in groups:
        rows = group.rows
        while rows:
            if page and room < 2 + min(len(rows), MOST_LINES - 2):
                yield page
                page, room = [], MOST_LINES
            fitting = room - 2
            title = group.title if rows is group.rows else f"{group.title} (continued)"
            page.append(RowGroup(title, group.subtitle, rows[:fitting]))
            room -= 2 + len(rows[:fitting])
            rows = rows[fitting:]
    if page:
        yield page


def paint_forest(
    groups: Sequence[RowGroup], scale: Scale, width: float, limits: tuple[float, float] | None = None
) -> Figure:
    """Draw groups of rows over one axis; narrow figures put each row's words above its interval.

    Args:
        groups: One at least.
        scale: Of the axis.
        width: Of the figure, in pixels.
        limits: Ends of the axis; chosen to fit the rows if None.
    """
    narrow = width < 500
    row_height, head_height, top = (46.0, 50.0, 24.0) if narrow else (27.0, 48.0, 0.0)
    # Long counts take two lines on a phone.
    heads = [head_height + LINE * (len(_wrapped(group.subtitle, SMALL, width)) - 1) for group in groups]
    body = sum(head + row_height * len(group.rows) for head, group in zip(heads, groups, strict=True))
    height = top + body + 54.0
    figure = new_figure(width, height)
    axes = sheet(figure)
    lowest, highest = limits or _limits([row for group in groups for row in group.rows], scale)
    left, right = (8.0, width - 8.0) if narrow else (0.34 * width, 0.76 * width)
    layout = _Layout(left, right, lowest, highest, scale.logarithmic)

    ticks = list(_ticks(layout, right - left))
    room = width if narrow else left - 14
    column = None if narrow else _detail_column(groups, room)
    _draw_axis(axes, layout, scale, ticks, top, top + body, width)
    y = top
    for group, head in zip(groups, heads, strict=True):
        # Beside the first heading stands what the sides mean.
        head_room = width if narrow or y else left - 90
        _write(axes, 0, y + 22, group.title, SIZE + 0.5, "ink", weight="bold", room=head_room)
        for line, words in enumerate(_wrapped(group.subtitle, SMALL, width)):
            _write(axes, 0, y + 22 + LINE * (line + 1), words, SMALL, "muted")
        y += head
        if not narrow:
            _draw_rules(axes, layout, scale, ticks, y, y + row_height * len(group.rows))
        for row in group.rows:
            bottom = y + row_height
            middle = y + (31.0 if narrow else row_height / 2)
            if narrow:  # the words of a row stand above its interval, so the rules leave them out
                _draw_rules(axes, layout, scale, ticks, y + 21, bottom - 3)
            _draw_words(axes, row, y + 11 if narrow else middle, room, column, width)
            _draw_row(axes, row, middle, layout)
            y = bottom
    return figure


def _limits(rows: Sequence[Row], scale: Scale) -> tuple[float, float]:
    """Choose the axis' ends: all points are on it, and intervals much longer than others are cut."""
    move: Callable[[float], float] = math.log if scale.logarithmic else float
    points = [row.estimate for row in rows if row.estimate is not None]
    points += [value for row in rows for value in (*row.dots, *(mark.value for mark in row.marks))]
    ends = [end for row in rows for end in (row.low, row.high) if end is not None]
    points = [move(value) for value in points if not scale.logarithmic or value > 0]
    ends = [move(value) for value in ends if not scale.logarithmic or value > 0]
    if scale.zero is not None:
        points.append(move(scale.zero))
    if not points:
        points = [0.0, 1.0]
    lowest, highest = min(points), max(points)
    reach = max(2.5 * (highest - lowest), 2 * float(np.quantile(np.abs(ends), 0.8)) if ends else 0.0)
    middle = (lowest + highest) / 2
    shown = [min(max(end, middle - reach), middle + reach) for end in ends]
    lowest, highest = min([lowest, *shown]), max([highest, *shown])
    margin = 0.05 * (highest - lowest) or (0.01 if not scale.logarithmic else 0.5)
    lowest, highest = lowest - margin, highest + margin
    return (math.exp(lowest), math.exp(highest)) if scale.logarithmic else (lowest, highest)


def _ticks(layout: _Layout, room: float) -> Iterator[tuple[float, str]]:
    """Give ticks and what is written at them."""
    most = max(4, int(room // 48))
    if layout.logarithmic:
        steps = [f * 10.0**e for e in range(-3, 4) for f in (1, 2, 5)]
        values = [value for value in steps if layout.lowest <= value <= layout.highest]
        values = values[:: math.ceil(len(values) / most)] if values else []
        yield from ((value, f"{value:g}×") for value in values)
        return
    locator = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10])
    values = [float(value) for value in locator.tick_values(layout.lowest, layout.highest)]
    step = min(np.diff(values)) if len(values) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += abs(step * 10**digits - round(step * 10**digits)) > 1e-6  # steps of 0.025
    for value in values:
        if layout.lowest <= value <= layout.highest:
            text = f"{abs(value):.{digits}f}"
            sign = "" if not float(text) else "\u2212" if value < 0 else "+"
            yield float(value), sign + text


def _draw_axis(
    axes: Axes,
    layout: _Layout,
    scale: Scale,
    ticks: Sequence[tuple[float, str]],
    top: float,
    bottom: float,
    width: float,
) -> None:
    for value, text in ticks:
        shown = text if scale.zero == 0.0 or scale.logarithmic else text.lstrip("+")
        half = text_width(shown, SMALL) / 2
        x = min(max(layout.x(value), half), width - half)  # the outermost may stand at the figure's edge
        _write(axes, x, bottom + 16, shown, SMALL, "muted", align="center")
    axes.plot([layout.left, layout.right], [bottom, bottom], color=light("rule"), linewidth=1.0, zorder=0)
    middle = (layout.left + layout.right) / 2
    _write(axes, middle, bottom + 36, scale.label, SMALL, "ink", align="center", room=width)
    if scale.zero is None:
        return
    x = layout.x(scale.zero)
    y = 12 if top else 22  # on a line of its own, or beside the first heading
    left, right = (f"← {scale.left}" if scale.left else ""), (f"{scale.right} →" if scale.right else "")
    end, start = max(x - 8, text_width(left, SMALL)), min(x + 8, width - text_width(right, SMALL))
    if end > start:  # no room beside the line
        end, start = text_width(left, SMALL), width - text_width(right, SMALL)
    _write(axes, end, y, left, SMALL, "muted", align="right")
    _write(axes, start, y, right, SMALL, "muted")


def _draw_rules(
    axes: Axes, layout: _Layout, scale: Scale, ticks: Sequence[tuple[float, str]], top: float, bottom: float
) -> None:
    """Draw the grid and the line of no effect behind a row."""
    for value, _ in ticks:
        x = layout.x(value)
        axes.plot([x, x], [top, bottom], color=light("rule"), linewidth=0.6, zorder=0)
    if scale.zero is not None:
        x = layout.x(scale.zero)
        axes.plot([x, x], [top, bottom], color=light("ink"), linewidth=1.0, zorder=1)


def _draw_words(axes: Axes, row: Row, y: float, room: float, column: float | None, right: float) -> None:
    """Write a row's label, what details it, and its numbers at the right edge.

    Args:
        axes: Of the sheet.
        row: Gives the words.
        y: Of their line.
        room: For label and detail.
        column: Where details start; right behind the label if None, as on a phone.
        right: Edge of the figure.
    """
    if column is None:  # the numbers share the line
        room -= 1.02 * text_width(row.text, SMALL) + 10
    label = fit(row.label, SIZE, column - GAP if column and row.detail else room)
    start = column or FONT_MARGIN * text_width(label, SIZE) + GAP
    _write(axes, 0, y, label, SIZE, "ink")
    if row.detail and room - start > 30:
        _write(axes, start, y, row.detail, SMALL, "muted", room=room - start)
    _write(axes, right, y, row.text, SMALL, row.role if row.filled else "ink", align="right")


def _detail_column(groups: Sequence[RowGroup], room: float) -> float:
    """Find where details start: behind the longest label, but leaving them a third of the room."""
    widest = max(text_width(row.label, SIZE) for group in groups for row in group.rows)
    return min(FONT_MARGIN * widest + GAP, 0.68 * room)


def _draw_row(axes: Axes, row: Row, y: float, layout: _Layout) -> None:
    colour = light(row.role)
    if row.low is not None:
        low, high = layout.x(row.low), layout.right if row.high is None else layout.x(row.high)
        axes.plot([low, high], [y, y], color=colour, linewidth=2.0, solid_capstyle="butt", zorder=2)
        beyond = row.high is None or row.high > layout.highest
        for cut, x, marker in ((row.low < layout.lowest, low, "<"), (beyond, high, ">")):
            if cut:
                axes.plot([x], [y], linestyle="none", marker=marker, color=colour, markersize=6, zorder=2)
    if row.dots:  # one path: hundreds of them, drawn one by one, would take as long as all else on the page
        strokes = [Path.unit_rectangle().transformed(_stroke(layout.x(value), y)) for value in row.dots]
        axes.add_patch(
            PathPatch(Path.make_compound_path(*strokes), facecolor=colour, edgecolor="none", zorder=2)
        )
    for mark in row.marks:
        axes.plot(
            [layout.x(mark.value)],
            [y],
            linestyle="none",
            marker=mark.marker,
            markersize=7,
            markerfacecolor=light("paper"),
            markeredgecolor=light(mark.role),
            markeredgewidth=1.5,
            zorder=3,
        )
    if row.estimate is not None:
        face = colour if row.filled else light("paper")
        axes.plot(
            [layout.x(row.estimate)],
            [y],
            linestyle="none",
            marker=row.marker,
            markersize=8,
            markerfacecolor=face,
            markeredgecolor=colour,
            markeredgewidth=1.8,
            zorder=4,
        )


def _stroke(x: float, y: float) -> Affine2D:
    """Place the unit square where a single seed's stroke stands, below its row."""
    return Affine2D().scale(1.4, 4.5).translate(x - 0.7, y + 5.5)


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: float,
    role: str,
    align: str = "left",
    weight: str = "normal",
    room: float | None = None,
) -> None:
    shown = printable(text) if room is None else fit(text, size, room)
    axes.text(x, y + 0.35 * size, shown, size=size, color=light(role), ha=align, va="baseline", weight=weight)


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in pixels in the fonts of `theme`, which are much alike in it."""
    return size * sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> float:
    """Give a letter's width in its size."""
    if unicodedata.east_asian_width(letter) in "WF" or letter in "mwMW@%→←…":
        return 1.0
    if letter in "iljftrI.,:;|'!()[]-/ ":
        return 0.33
    return 0.72 if letter.isupper() else 0.56


def fit(text: str, size: float, room: float) -> str:
    """Cut a text to a width, with an ellipsis in place of what is cut."""
    kept = text = printable(text)
    if text_width(text, size) <= room:
        return text
    while kept and text_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _wrapped(text: str, size: float, room: float) -> list[str]:
    """Break a text between its parts, which ` · ` separates, into lines of at most this width."""
    lines: list[str] = []
    for part in text.split(" · "):
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and text_width(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
