"""What a network looked at, as colour on the paper: along each lead's trace, and over all leads and times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from ecg_tl.errors import SettingError
from ecg_tl.figures.paper import FAINT_INK, INK, MM_PER_SECOND, PULSE_MM, Sheet, is_classic

# Blue and vermilion of Okabe and Ito's palette: told apart with every common kind of colour blindness, and
# by their lightness where they are strong. In between, nothing.
AGAINST, NEITHER, FOR = "#0072b2", "#ffffff", "#d55e00"
_COLOURS = LinearSegmentedColormap.from_list("attribution", [AGAINST, NEITHER, FOR])

SMOOTHING_SECONDS = 0.02
"""Standard deviation of the smoothing: a gradient flickers from sample to sample, a wave takes longer."""

FULL_COLOUR_QUANTILE = 0.99
FAINTEST = 0.12  # of full colour, below which a trace stays plain

LEGEND_MM = 9.0
LEAST_LEGEND_WIDTH_MM = 180.0  # of a figure, for a bar between words
MAP_ROW_MM = 3.2
MAP_GAP_MM = 3.0


def attribution_room_mm(leads: Sequence[str], signal: ArrayLike, sampling_rate: float) -> float:
    """Return how much white `draw_attribution` needs below the paper."""
    samples = np.shape(signal)[-1] if np.ndim(signal) else 0
    # Where each lead is drawn in full, its trace shows all; the classic layout cuts a quarter out of most.
    has_map = sampling_rate > 0 and is_classic(leads, samples / sampling_rate)
    return LEGEND_MM + (len(leads) * MAP_ROW_MM + MAP_GAP_MM if has_map else 0.0)


def draw_attribution(sheet: Sheet, leads: Sequence[str], attribution: ArrayLike, explained: str) -> None:
    """Colour the traces by how they speak for a class or against it, and explain the colours.

    Below an ECG in the classic layout, a map of all leads over all times stands under the rhythm strip, to
    the same scale in time.

    Args:
        sheet: With `attribution_room_mm` of white below the paper.
        leads: Name of each row.
        attribution: `(leads, samples)`: what each sample adds to the class's logit.
        explained: The name of the class.

    Raises:
        SettingError: If the attribution is not of the signal's shape.
    """
    values = np.asarray(attribution, dtype=np.float64)
    if values.shape != sheet.values.shape:
        raise SettingError(
            "attribution to draw",
            f"shape {values.shape}",
            f"that of the signal, {sheet.values.shape}",
            "Draw the attribution of this record.",
        )
    smooth = _smoothed(np.nan_to_num(values), sheet.sampling_rate)
    full = float(np.quantile(np.abs(smooth), FULL_COLOUR_QUANTILE)) or float(np.abs(smooth).max()) or 1.0
    strengths = np.clip(smooth / full, -1, 1)
    for strip in sheet.strips:
        x, y, samples = sheet.trace(strip)
        _colour_trace(sheet, x, y, strengths[strip.row, samples])
    if is_classic(leads, sheet.values.shape[1] / sheet.sampling_rate):
        _draw_map(sheet, leads, strengths)
    _draw_legend(sheet, explained, full)


def _smoothed(values: NDArray[np.float64], sampling_rate: float) -> NDArray[np.float64]:
    deviation = SMOOTHING_SECONDS * sampling_rate
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((0, 0), (reach, reach)))
    return np.stack([np.convolve(lead, kernel, mode="valid") for lead in padded])


def _colour_trace(
    sheet: Sheet, x: NDArray[np.float64], y: NDArray[np.float64], strengths: NDArray[np.float64]
) -> None:
    points = np.column_stack([x, y])
    segments = np.stack([points[:-1], points[1:]], axis=1)
    strength = (strengths[:-1] + strengths[1:]) / 2
    shown = (np.abs(strength) >= FAINTEST) & np.isfinite(segments).all(axis=(1, 2))
    band = LineCollection(
        list(segments[shown]),
        colors=_COLOURS((strength[shown] + 1) / 2),
        linewidths=1.5 + 4.0 * np.abs(strength[shown]),
        capstyle="round",
        zorder=1.8,  # over the grid, under the trace
    )
    sheet.axes.add_collection(band, autolim=False)
    band.set_clip_path(sheet.paper)


def _draw_map(sheet: Sheet, leads: Sequence[str], strengths: NDArray[np.float64]) -> None:
    axes = sheet.axes
    top = -MAP_GAP_MM
    bottom = top - len(leads) * MAP_ROW_MM
    samples = round(sheet.seconds * sheet.sampling_rate)
    end = PULSE_MM + sheet.seconds * MM_PER_SECOND
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        strengths[:, :samples],
        cmap=_COLOURS,
        vmin=-1,
        vmax=1,
        extent=(PULSE_MM, end, bottom, top),
        aspect="auto",
        interpolation="nearest",
        zorder=1.1,
    )
    axes.set(xlim=limits[0], ylim=limits[1])
    _draw_frame(sheet, PULSE_MM, bottom, end - PULSE_MM, top - bottom)
    for row, lead in enumerate(leads):
        y = top - (row + 0.5) * MAP_ROW_MM
        axes.text(PULSE_MM - 1, y, lead, size=6, color=INK, va="center", ha="right")
    for second in range(1, int(np.ceil(sheet.seconds))):
        x = PULSE_MM + second * MM_PER_SECOND
        axes.plot([x, x], [bottom, bottom - 0.8], color=FAINT_INK, linewidth=0.5)


def _draw_legend(sheet: Sheet, explained: str, full: float) -> None:
    axes = sheet.axes
    y = sheet.bottom + LEGEND_MM / 2 - 1
    name = f" {explained}" if explained else ""
    left = axes.annotate(
        f"speaks against{name}",
        (0, y),
        size=8,
        color=AGAINST,
        weight="bold",
        va="center",
        parse_math=False,
    )
    # As wide as words are in this font; measured once, since a bar must stand beside them.
    renderer = sheet.figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of the Agg canvas
    to_mm = axes.transData.inverted()
    x = float(to_mm.transform(left.get_window_extent(renderer))[1, 0]) + 3
    width, height = 40.0, 3.0
    limits = axes.get_xlim(), axes.get_ylim()
    ramp = np.linspace(-1, 1, 256)[None, :]
    extent = (x, x + width, y - height / 2, y + height / 2)
    axes.imshow(ramp, cmap=_COLOURS, vmin=-1, vmax=1, extent=extent, aspect="auto", zorder=1.1)
    axes.set(xlim=limits[0], ylim=limits[1])
    _draw_frame(sheet, x, y - height / 2, width, height)
    right = axes.annotate(
        f"speaks for{name}",
        (x + width + 3, y),
        size=8,
        color=FOR,
        weight="bold",
        va="center",
        parse_math=False,
    )
    end = float(to_mm.transform(right.get_window_extent(renderer))[1, 0]) + 5
    note = f"integrated gradients; full colour: {full:.2g} of the logit a sample, and more"
    if end + 90 <= sheet.width:
        axes.text(end, y, note, size=6.5, color=FAINT_INK, va="center")


def _draw_frame(sheet: Sheet, x: float, y: float, width: float, height: float) -> None:
    frame = Rectangle((x, y), width, height, fill=False, edgecolor=FAINT_INK, linewidth=0.5, zorder=1.3)
    sheet.axes.add_patch(frame)
