"""Pictures of ECGs as a reader of ECGs knows them: on millimetre paper, 25 mm a second, 10 mm a millivolt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ecg_tl.errors import SettingError
from ecg_tl.signals import LEADS

MM_PER_SECOND = 25.0
MM_PER_MV = 10.0
LONGEST_SECONDS = 10.0
"""Of a longer record the beginning is drawn, as much as a sheet holds."""

CLASSIC_ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM_LEAD = "II"

PIXELS_PER_MM = 5  # a whole number keeps every line of the grid equally sharp
MM_PER_INCH = 25.4
MARGIN_MM = 5.0  # white, around the paper
PULSE_MM = 10.0  # of paper, left of the traces, for the calibration pulse
HEADROOM_MM = 5.0  # of paper, above the first row, where tall R waves of V4 would leave the sheet
LINE_MM = 6.0  # of a line of the heading
MOST_LABELS = 10  # in a line of the heading

PAPER, FINE_GRID, COARSE_GRID = "#fffafa", "#fbdcdc", "#f2a9a9"
INK, FAINT_INK = "#1a1a1f", "#6b6b75"
RIGHT, WRONG = "#14713d", "#b3261e"

Labels = Sequence[str] | Mapping[str, float]


@dataclass(frozen=True)
class _Strip:
    """A stretch of one lead: which samples (in seconds), and where its start lies on the paper (in mm)."""

    lead: str
    start: float
    end: float
    x: float
    y: float


def ecg_figure(
    signal: ArrayLike,
    leads: Sequence[str],
    sampling_rate: float,
    title: str = "",
    true: Labels | None = None,
    predicted: Labels | None = None,
) -> Figure:
    """Draw an ECG to scale: printed at its own size, a coarse square is 5 mm, 0.2 s and 0.5 mV.

    Twelve standard leads of at least 10 s are drawn in the classic layout: three rows of four leads, 2.5 s
    each, one after the other in time, and a rhythm strip of lead II. Anything else is drawn a lead a row.
    Each lead is drawn around its own median, as a cardiograph does, whose input blocks direct current.

    Args:
        signal: `(leads, samples)` in millivolts; NaN leaves a gap.
        leads: Name of each row.
        sampling_rate: In Hz.
        title: First line of the heading.
        true: Labels of the record. Those that `predicted` lacks are marked as missed.
        predicted: Labels that were predicted, or a map of them to their probabilities; marked as right or
            wrong if `true` is given.

    Raises:
        SettingError: If the signal, its leads and its rate do not make an ECG.
    """
    values = _check(signal, leads, sampling_rate)
    seconds = values.shape[1] / sampling_rate
    drawn = min(seconds, LONGEST_SECONDS)
    strips, rows, row_mm = _layout(tuple(leads), drawn)

    paper_width = _up_to_5(PULSE_MM + drawn * MM_PER_SECOND + 5)
    paper_height = rows * row_mm + HEADROOM_MM
    heading = LINE_MM * (bool(title) + (true is not None) + (predicted is not None))
    width, height = paper_width + 2 * MARGIN_MM, paper_height + 2 * MARGIN_MM + heading
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), dpi=PIXELS_PER_MM * MM_PER_INCH)
    FigureCanvasAgg(figure)
    # One pair of axes in millimetres with the paper's lower left corner as origin.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN_MM, width - MARGIN_MM), ylim=(-MARGIN_MM, height - MARGIN_MM))
    axes.set_axis_off()
    paper = Rectangle((0, 0), paper_width, paper_height, facecolor=PAPER, edgecolor="none")
    axes.add_patch(paper)
    _draw_grid(axes, paper_width, paper_height)
    for strip in strips:
        _draw_strip(axes, values[list(leads).index(strip.lead)], strip, sampling_rate, paper)
    _draw_pulses(axes, sorted({strip.y for strip in strips}))
    _draw_heading(axes, paper_height + heading, title, true, predicted)
    footer = f"25 mm/s   10 mm/mV   {sampling_rate:g} Hz"
    if seconds > drawn:
        footer += f"   first {drawn:g} s of {seconds:g} s"
    axes.text(0, -MARGIN_MM / 2, footer, size=6.5, color=FAINT_INK, va="center")
    return figure


def figure_to_image(figure: Figure) -> NDArray[np.uint8]:
    """Render a figure as an image `(height, width, 3)`, as TensorBoard takes it with `dataformats="HWC"`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types for its Agg canvas
    rgba = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(np.asarray(rgba)[..., :3])


def _check(signal: ArrayLike, leads: Sequence[str], sampling_rate: float) -> NDArray[np.float64]:
    values = np.asarray(signal, dtype=np.float64)
    fits = (
        values.ndim == 2 and values.shape[0] == len(leads) == len(set(leads)) and min(values.shape, default=0)
    )
    if not fits or not (sampling_rate > 0 and math.isfinite(sampling_rate)):
        raise SettingError(
            "ECG to draw",
            f"a signal of shape {values.shape} with leads {' '.join(leads)} at {sampling_rate} Hz",
            "(leads, samples), one distinct name a lead, at a positive rate",
            "Pass one record, with the names of its leads and its sampling rate.",
        )
    return values


def _up_to_5(millimetres: float) -> float:
    return 5.0 * math.ceil(millimetres / 5.0 - 1e-9)


def _layout(leads: tuple[str, ...], seconds: float) -> tuple[list[_Strip], int, float]:
    """Place the leads; return the strips, the number of rows and the height of a row in mm."""
    # A tenth of a second short of ten is still a ten-second record.
    if set(leads) == set(LEADS) and seconds >= LONGEST_SECONDS - 0.1:
        rows, row_mm = len(CLASSIC_ROWS) + 1, 30.0
        quarter = seconds / 4
        strips = []
        for row, row_leads in enumerate(CLASSIC_ROWS):
            y = (rows - row - 0.5) * row_mm
            for column, lead in enumerate(row_leads):
                start = column * quarter
                x = PULSE_MM + start * MM_PER_SECOND
                strips.append(_Strip(lead, start, start + quarter, x, y))
        strips.append(_Strip(RHYTHM_LEAD, 0.0, seconds, PULSE_MM, row_mm / 2))
        return strips, rows, row_mm
    rows, row_mm = len(leads), 30.0 if len(leads) <= 4 else 20.0
    stacked = [
        _Strip(lead, 0.0, seconds, PULSE_MM, (rows - row - 0.5) * row_mm) for row, lead in enumerate(leads)
    ]
    return stacked, rows, row_mm


def _draw_grid(axes: Axes, width: float, height: float) -> None:
    for spacing, colour, line_width in ((1.0, FINE_GRID, 0.4), (5.0, COARSE_GRID, 0.55)):
        lines = [[(x, 0.0), (x, height)] for x in np.arange(0, width + 0.5, spacing)]
        lines += [[(0.0, y), (width, y)] for y in np.arange(0, height + 0.5, spacing)]
        grid = LineCollection(lines, colors=colour, linewidths=line_width, zorder=1.2)
        axes.add_collection(grid, autolim=False)


def _draw_strip(
    axes: Axes, values: NDArray[np.float64], strip: _Strip, sampling_rate: float, paper: Rectangle
) -> None:
    first = round(strip.start * sampling_rate)
    # One sample beyond its end, so that a strip meets the next one without a gap.
    stretch = values[first : round(strip.end * sampling_rate) + 1]
    measured = values[np.isfinite(values)]
    baseline = float(np.median(measured)) if measured.size else 0.0
    seconds = (first + np.arange(len(stretch))) / sampling_rate - strip.start
    x = strip.x + seconds * MM_PER_SECOND
    y = strip.y + (stretch - baseline) * MM_PER_MV
    (trace,) = axes.plot(x, y, color=INK, linewidth=0.85, solid_joinstyle="round")
    trace.set_clip_path(paper)
    if strip.start > 0:
        axes.plot([strip.x, strip.x], [strip.y - 2.5, strip.y + 2.5], color=INK, linewidth=0.85)
    # Its halo keeps the grid off the name; below the trace, so that neither hides a wave.
    label = axes.text(
        strip.x + 1.5, strip.y + 9.0, strip.lead, size=9, weight="bold", color=INK, va="center", zorder=1.5
    )
    label.set_path_effects([withStroke(linewidth=2.5, foreground=PAPER)])


def _draw_pulses(axes: Axes, baselines: Sequence[float]) -> None:
    """Draw one millivolt over 0.2 s at the start of each row."""
    x = np.array([1.5, 2.5, 2.5, 7.5, 7.5, 8.5])
    y = MM_PER_MV * np.array([0, 0, 1, 1, 0, 0])
    for baseline in baselines:
        axes.plot(x, y + baseline, color=INK, linewidth=0.85, solid_joinstyle="miter")


def _draw_heading(axes: Axes, top: float, title: str, true: Labels | None, predicted: Labels | None) -> None:
    y = top
    if title:
        axes.text(0, y, title, size=10, weight="bold", color=INK, va="center", parse_math=False)
        y -= LINE_MM
    if true is not None:
        missed = [label for label in true if predicted is not None and label not in predicted]
        words = [(f"{label} (missed)", WRONG) if label in missed else (label, INK) for label in true]
        _draw_words(axes, y, "true", words)
        y -= LINE_MM
    if predicted is not None:
        words = []
        for label in predicted:
            text = f"{label} {predicted[label]:.2f}" if isinstance(predicted, Mapping) else label
            if true is None:
                words.append((text, INK))
            else:
                words.append((f"{text} ✓", RIGHT) if label in true else (f"{text} ✗", WRONG))
        _draw_words(axes, y, "predicted", words)


def _draw_words(axes: Axes, y: float, name: str, words: Sequence[tuple[str, str]]) -> None:
    """Write a name and then words in their colours, side by side."""
    shown = [(name, FAINT_INK), *(words[:MOST_LABELS] or [("none", INK)])]
    if len(words) > MOST_LABELS:
        shown.append((f"and {len(words) - MOST_LABELS} more", FAINT_INK))
    areas = [
        TextArea(word, textprops={"color": colour, "size": 9, "parse_math": False}) for word, colour in shown
    ]
    line = HPacker(children=list(areas), pad=0, sep=8)
    axes.add_artist(AnnotationBbox(line, (0, y), frameon=False, pad=0, box_alignment=(0, 0.5)))
