"""The ECG as a reader of ECGs knows it: on millimetre paper, 25 mm a second, 10 mm a millivolt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
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

PAPER, FINE_GRID, COARSE_GRID = "#fffafa", "#fbdcdc", "#f2a9a9"
INK, FAINT_INK = "#1a1a1f", "#6b6b75"


@dataclass(frozen=True)
class Strip:
    """A stretch of one lead on the paper.

    Attributes:
        lead: Its name.
        row: Of the signal.
        start: In seconds.
        end: In seconds.
        x: Where its start lies on the paper, in mm.
        y: Where its baseline lies on the paper, in mm.
    """

    lead: str
    row: int
    start: float
    end: float
    x: float
    y: float


@dataclass(frozen=True)
class Sheet:
    """An ECG on its paper, with white room for words above and below.

    Attributes:
        figure: To scale: printed at its own size, a millimetre is one.
        axes: In millimetres, the paper's lower left corner as origin.
        paper: What traces are clipped by.
        width: Of the paper, in mm.
        height: Of the paper, in mm.
        bottom: Where the white below ends, less the margin, in mm: 0 or below.
        seconds: That are drawn.
        strips: Stretches of leads, in the order drawn.
        values: `(leads, samples)`, in mV around each lead's median.
        sampling_rate: In Hz.
        footer: What the scale of the paper is.
    """

    figure: Figure
    axes: Axes
    paper: Rectangle
    width: float
    height: float
    bottom: float
    seconds: float
    strips: tuple[Strip, ...]
    values: NDArray[np.float64]
    sampling_rate: float
    footer: str

    def trace(self, strip: Strip) -> tuple[NDArray[np.float64], NDArray[np.float64], slice]:
        """Return where a strip's samples lie on the paper, x and y in mm, and which samples they are."""
        first = round(strip.start * self.sampling_rate)
        # One sample beyond its end, so that a strip meets the next one without a gap.
        last = min(round(strip.end * self.sampling_rate) + 1, self.values.shape[1])
        seconds = np.arange(first, last) / self.sampling_rate - strip.start
        x = strip.x + seconds * MM_PER_SECOND
        y = strip.y + self.values[strip.row, first:last] * MM_PER_MV
        return x, y, slice(first, last)


def draw_sheet(
    signal: ArrayLike,
    leads: Sequence[str],
    sampling_rate: float,
    above_mm: float = 0.0,
    below_mm: float = 0.0,
    least_width_mm: float = 0.0,
) -> Sheet:
    """Draw an ECG to scale: printed at its own size, a coarse square is 5 mm, 0.2 s and 0.5 mV.

    Twelve standard leads of at least 10 s are drawn in the classic layout: three rows of four leads, 2.5 s
    each, one after the other in time, and a rhythm strip of lead II. Anything else is drawn a lead a row.
    Each lead is drawn around its own median, as a cardiograph does, whose input blocks direct current.

    Args:
        signal: `(leads, samples)` in millivolts; NaN leaves a gap.
        leads: Name of each row.
        sampling_rate: In Hz.
        above_mm: White to leave above the paper for a heading.
        below_mm: White to leave below the paper.
        least_width_mm: Of the whole figure, for words that are longer than a short record.

    Raises:
        SettingError: If the signal, its leads and its rate do not make an ECG.
    """
    values = _around_median(_check(signal, leads, sampling_rate))
    seconds = values.shape[1] / sampling_rate
    drawn = min(seconds, LONGEST_SECONDS)
    strips, rows, row_mm = _layout(tuple(leads), drawn)

    paper_width = paper_width_mm(seconds)
    paper_height = rows * row_mm + HEADROOM_MM
    width = max(paper_width + 2 * MARGIN_MM, least_width_mm)
    height = paper_height + 2 * MARGIN_MM + above_mm + below_mm
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), dpi=PIXELS_PER_MM * MM_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    bottom = -MARGIN_MM - below_mm
    axes.set(xlim=(-MARGIN_MM, width - MARGIN_MM), ylim=(bottom, bottom + height))
    axes.set_axis_off()
    paper = Rectangle((0, 0), paper_width, paper_height, facecolor=PAPER, edgecolor="none")
    axes.add_patch(paper)
    footer = f"25 mm/s   10 mm/mV   {sampling_rate:g} Hz"
    if seconds > drawn:
        footer += f"   first {drawn:g} s of {seconds:g} s"
    sheet = Sheet(
        figure=figure,
        axes=axes,
        paper=paper,
        width=paper_width,
        height=paper_height,
        bottom=-below_mm,
        seconds=drawn,
        strips=strips,
        values=values,
        sampling_rate=sampling_rate,
        footer=footer,
    )
    _draw_grid(axes, paper_width, paper_height)
    for strip in strips:
        _draw_strip(sheet, strip)
    _draw_pulses(axes, sorted({strip.y for strip in strips}))
    return sheet


def is_classic(leads: Sequence[str], seconds: float) -> bool:
    """Tell whether these are drawn in the classic layout of a ten-second twelve-lead ECG."""
    # A tenth of a second short of ten is still a ten-second record.
    return set(leads) == set(LEADS) and seconds >= LONGEST_SECONDS - 0.1


def paper_width_mm(seconds: float) -> float:
    """Return how wide the paper of a record of this length is; of a long one, the beginning is drawn."""
    return _up_to_5(PULSE_MM + min(seconds, LONGEST_SECONDS) * MM_PER_SECOND + 5)


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


def _around_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    measured = [lead[np.isfinite(lead)] for lead in values]
    medians = [float(np.median(lead)) if lead.size else 0.0 for lead in measured]
    centred: NDArray[np.float64] = values - np.array(medians)[:, None]
    return centred


def _up_to_5(millimetres: float) -> float:
    return 5.0 * math.ceil(millimetres / 5.0 - 1e-9)


def _layout(leads: tuple[str, ...], seconds: float) -> tuple[tuple[Strip, ...], int, float]:
    """Place the leads; return the strips, the number of rows and the height of a row in mm."""
    if is_classic(leads, seconds):
        rows, row_mm = len(CLASSIC_ROWS) + 1, 30.0
        quarter = seconds / 4
        strips = []
        for row, row_leads in enumerate(CLASSIC_ROWS):
            y = (rows - row - 0.5) * row_mm
            for column, lead in enumerate(row_leads):
                start = column * quarter
                x = PULSE_MM + start * MM_PER_SECOND
                strips.append(Strip(lead, leads.index(lead), start, start + quarter, x, y))
        rhythm = leads.index(RHYTHM_LEAD)
        strips.append(Strip(RHYTHM_LEAD, rhythm, 0.0, seconds, PULSE_MM, row_mm / 2))
        return tuple(strips), rows, row_mm
    rows, row_mm = len(leads), 30.0 if len(leads) <= 4 else 20.0
    stacked = tuple(
        Strip(lead, row, 0.0, seconds, PULSE_MM, (rows - row - 0.5) * row_mm)
        for row, lead in enumerate(leads)
    )
    return stacked, rows, row_mm


def _draw_grid(axes: Axes, width: float, height: float) -> None:
    for spacing, colour, line_width in ((1.0, FINE_GRID, 0.4), (5.0, COARSE_GRID, 0.55)):
        lines = [[(x, 0.0), (x, height)] for x in np.arange(0, width + 0.5, spacing)]
        lines += [[(0.0, y), (width, y)] for y in np.arange(0, height + 0.5, spacing)]
        grid = LineCollection(lines, colors=colour, linewidths=line_width, zorder=1.2)
        axes.add_collection(grid, autolim=False)


def _draw_strip(sheet: Sheet, strip: Strip) -> None:
    axes = sheet.axes
    x, y, _ = sheet.trace(strip)
    (trace,) = axes.plot(x, y, color=INK, linewidth=0.85, solid_joinstyle="round")
    trace.set_clip_path(sheet.paper)
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
