"""One ECG, what a network finds in it, and what it looked at: a sheet to print or to send."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from ecg_tl.figures.attribution import attribution_room_mm, draw_attribution
from ecg_tl.figures.paper import FAINT_INK, INK, MARGIN_MM, draw_sheet, paper_width_mm

TITLE_MM = 7.0
LINE_MM = 5.0
GAP_MM = 3.0
COLUMNS = 2  # of decisions, side by side
MOST_DECISIONS = 12
MOST_WARNINGS = 6
LEAST_WIDTH_MM = 240.0
LETTER_MM, BOLD_LETTER_MM = 1.75, 2.15  # widths, generously, of the sizes used here

POSITIVE, NEGATIVE, BAR = "#7a1fa2", "#b9b4c4", "#efedf3"
WARNING = "#8a5a00"


@dataclass(frozen=True)
class Decision:
    """What is said of one class of one record.

    Attributes:
        name: Of the class.
        probability: In [0, 1].
        threshold: On the same scale as the probability; None where one of the classes is chosen.
        positive: Whether the class is found, or chosen.
    """

    name: str
    probability: float
    threshold: float | None
    positive: bool


def finding_figure(
    signal: ArrayLike,
    leads: Sequence[str],
    sampling_rate: float,
    decisions: Sequence[Decision],
    title: str = "",
    subtitle: str = "",
    warnings: Sequence[str] = (),
    attribution: ArrayLike | None = None,
    explained: str = "",
    notice: str = "",
) -> Figure:
    """Draw an ECG on millimetre paper under what was found in it.

    Args:
        signal: `(leads, samples)` in millivolts; NaN leaves a gap.
        leads: Name of each row.
        sampling_rate: In Hz.
        decisions: Of all classes. What is found comes first, then by distance to the threshold; of many
            classes those that come first are shown, and the others counted.
        title: The record.
        subtitle: Under it: the model, the stretch of a longer record.
        warnings: About the signal; each is shown.
        attribution: `(leads, samples)`: what each sample adds to the logit of a class; drawn as colour.
        explained: The name of that class.
        notice: At the foot.

    Raises:
        SettingError: If signal, leads and rate do not make an ECG, or the attribution is of another shape.
    """
    ranked = sorted(decisions, key=lambda d: (not d.positive, (d.threshold or 0.0) - d.probability))
    shown = ranked[:MOST_DECISIONS]
    rows = -(-len(shown) // COLUMNS) + (len(ranked) > len(shown))
    seconds = np.shape(signal)[-1] / sampling_rate if np.ndim(signal) and sampling_rate > 0 else 0.0
    width = max(paper_width_mm(seconds), LEAST_WIDTH_MM - 2 * MARGIN_MM)
    letters = int(width / LETTER_MM)
    below_title = textwrap.wrap(subtitle, letters)
    lines = _warning_lines(warnings, letters)
    above = GAP_MM + TITLE_MM * bool(title) + LINE_MM * (len(below_title) + rows + len(lines))
    above += GAP_MM * bool(rows) + GAP_MM * bool(lines)
    room = 0.0 if attribution is None else attribution_room_mm(leads, signal, sampling_rate)
    sheet = draw_sheet(signal, leads, sampling_rate, above, room, LEAST_WIDTH_MM)
    axes = sheet.axes

    y = sheet.height + above
    if title:
        axes.text(
            0, y - TITLE_MM / 2, title, size=13, weight="bold", color=INK, va="center", parse_math=False
        )
        y -= TITLE_MM
    for line in below_title:
        axes.text(0, y - LINE_MM / 2, line, size=8, color=FAINT_INK, va="center", parse_math=False)
        y -= LINE_MM
    if shown:
        y -= GAP_MM
        _draw_decisions(axes, y, width, shown, len(ranked) - len(shown), explained)
        y -= rows * LINE_MM
    if lines:
        y -= GAP_MM
        for line in lines:
            axes.text(0, y - LINE_MM / 2, line, size=8, color=WARNING, va="center", parse_math=False)
            y -= LINE_MM
    if attribution is not None:
        draw_attribution(sheet, leads, attribution, explained)
    foot = sheet.bottom - MARGIN_MM / 2
    axes.text(0, foot, sheet.footer, size=6.5, color=FAINT_INK, va="center")
    axes.text(width, foot, notice, size=6.5, color=FAINT_INK, va="center", ha="right", parse_math=False)
    return sheet.figure


def _warning_lines(warnings: Sequence[str], letters: int) -> list[str]:
    lines = []
    for warning in warnings[:MOST_WARNINGS]:
        first, *others = textwrap.wrap(warning, letters - 3) or [""]
        lines += [f"⚠ {first}", *(f"    {other}" for other in others)]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"⚠ and {len(warnings) - MOST_WARNINGS} more warnings")
    return lines


def _draw_decisions(
    axes: Axes, top: float, width: float, shown: Sequence[Decision], others: int, explained: str
) -> None:
    """Draw a bar a class, with a mark at its threshold, column by column."""
    per_column = -(-len(shown) // COLUMNS)
    column_mm = width / COLUMNS
    name_mm, bar_mm, bar_height = 0.4 * column_mm, 0.3 * column_mm, 2.6
    letters = int(name_mm / BOLD_LETTER_MM)
    for number, decision in enumerate(shown):
        column, row = divmod(number, per_column)
        x = column * column_mm
        y = top - (row + 0.5) * LINE_MM
        weight = "bold" if decision.positive else "normal"
        colour = INK if decision.positive else FAINT_INK
        name = decision.name if len(decision.name) <= letters else f"{decision.name[: letters - 1]}…"
        axes.text(x, y, name, size=9, weight=weight, color=colour, va="center", parse_math=False)
        left = x + name_mm
        bottom = y - bar_height / 2
        fill = POSITIVE if decision.positive else NEGATIVE
        axes.add_patch(Rectangle((left, bottom), bar_mm, bar_height, facecolor=BAR))
        axes.add_patch(Rectangle((left, bottom), bar_mm * decision.probability, bar_height, facecolor=fill))
        if decision.threshold is not None:
            mark = left + bar_mm * decision.threshold
            axes.plot([mark, mark], [bottom - 0.7, bottom + bar_height + 0.7], color=INK, linewidth=1.2)
        found = "chosen" if decision.threshold is None else "found"
        words = _comparison(decision) + (f"  {found}" if decision.positive else "")
        axes.text(left + bar_mm + 2, y, words, size=8, weight=weight, color=colour, va="center")
    if others:
        y = top - (per_column + 0.5) * LINE_MM
        axes.text(0, y, f"and {others} classes further below", size=8, color=FAINT_INK, va="center")


def _comparison(decision: Decision) -> str:
    """Write how probability and threshold compare, with as many digits as that takes."""
    if decision.threshold is None:
        return f"{decision.probability:.2f}"
    sign = "≥" if decision.probability >= decision.threshold else "<"
    for digits in (2, 3, 4):
        probability, threshold = f"{decision.probability:.{digits}f}", f"{decision.threshold:.{digits}f}"
        if probability != threshold:
            break
    return f"{probability} {sign} {threshold}"
