"""Small charts that stand side by side on a screen and under each other on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ecg_tl.figures.forest import SIZE, SMALL, fit
from ecg_tl.figures.svg import new_figure, panel, sheet
from ecg_tl.figures.theme import light, series_marker, series_role
from ecg_tl.study.findings.break_even import BreakEven
from ecg_tl.study.findings.curves import Curve
from ecg_tl.study.findings.gains import GainTrend
from ecg_tl.study.findings.pretraining_curves import PretrainingCurve
from ecg_tl.study.findings.transferability import TransferabilityCorrelation
from ecg_tl.study.findings.wording import MINUS, count, significant

PANEL = 350.0
"""Width of a panel in pixels: a phone's."""

LEFT, RIGHT = 46.0, 10.0  # beside the axes
HEAD = 42.0  # above them
UPPER, LOWER, BETWEEN, FOOT = 170.0, 92.0, 34.0, 46.0


@dataclass(frozen=True)
class Series:
    """One arm's curve and the gain that belongs to it.

    Attributes:
        name: Of the arm, with its upstream where there are several; it decides colour and marker.
        curve: Its scores.
        trend: Its gain over scratch; None for scratch.
    """

    name: str
    curve: Curve
    trend: GainTrend | None


@dataclass(frozen=True)
class Reach:
    """Ends of the upright axes, which panels of one downstream share.

    Attributes:
        scores: Lowest and highest.
        gains: Lowest and highest.
    """

    scores: tuple[float, float]
    gains: tuple[float, float]


def reach_of(series: Sequence[Series]) -> Reach:
    """Give axes that hold all that is drawn of some series."""
    points = [point for one in series for point in one.curve.points]
    scores = [value for point in points for value in (point.low, point.mean, point.high) if value is not None]
    gains = [
        value
        for one in series
        for point in (one.trend.points if one.trend else ())
        for value in (point.difference.low, point.difference.estimate, point.difference.high)
        if value is not None
    ]
    return Reach(_widened(scores), _widened([*gains, 0.0]))


def _widened(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def paint_curves(
    title: str, series: Sequence[Series], names: Sequence[str], reach: Reach, aim: float | None = None
) -> Figure:
    """Draw scores against training records, and below the gains over scratch, with their intervals.

    Args:
        title: Of the panel.
        series: One an arm.
        names: Of all arms, which decide colours.
        reach: Ends of the upright axes.
        aim: Score of scratch with all its records, drawn as a line; None for no line.
    """
    trends = [one for one in series if one.trend is not None]
    height = HEAD + UPPER + FOOT + (BETWEEN + LOWER if trends else 0)
    figure = new_figure(PANEL, height)
    _title(figure, title, "Macro AUROC")
    width = PANEL - LEFT - RIGHT
    upper = panel(figure, LEFT, HEAD, width, UPPER)
    upper.set_ylim(reach.scores)
    if aim is not None:  # the score of scratch with all its records, which the other curves are read off at
        upper.axhline(aim, color=light("muted"), linewidth=1.0, linestyle=":")
    for one in series:
        _draw_curve(upper, one, names)
    records = sorted({point.records for one in series for point in one.curve.points})
    _records_axis(upper, records, labels=not trends)
    if trends:
        top = HEAD + UPPER + BETWEEN
        lower = panel(figure, LEFT, top, width, LOWER)
        lower.set_ylim(reach.gains)
        lower.axhline(0, color=light("ink"), linewidth=1.0)
        for position, one in enumerate(trends):
            _draw_gain(lower, one, names, position - (len(trends) - 1) / 2)
        _records_axis(lower, records, labels=True)
        lower.yaxis.set_major_locator(MaxNLocator(nbins=4))
        lower.yaxis.set_major_formatter(FuncFormatter(_signed_tick))
        sheet(figure).text(0, top - 12, "Gain over scratch", size=SMALL, color=light("muted"), va="baseline")
    return figure


def _title(figure: Figure, title: str, unit: str) -> None:
    """Write a panel's title, and under it what its upright axis counts."""
    words = sheet(figure)
    words.text(0, 12, fit(title, SIZE, PANEL), size=SIZE, color=light("ink"), weight="bold", va="baseline")
    words.text(0, 27, fit(unit, SMALL, PANEL), size=SMALL, color=light("muted"), va="baseline")


def _draw_curve(axes: Axes, one: Series, names: Sequence[str]) -> None:
    colour = light(series_role(one.name, names))
    points = one.curve.points
    records = [point.records for point in points]
    ends = [(point.records, point.low, point.high) for point in points]
    known = [(at, low, high) for at, low, high in ends if low is not None and high is not None]
    if known:
        at, low, high = zip(*known, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(
        records,
        [point.mean for point in points],
        color=colour,
        linewidth=1.8,
        marker=series_marker(one.name, names),
        markersize=6,
        markeredgecolor=light("paper"),
        markeredgewidth=1.0,
    )


def _draw_gain(axes: Axes, one: Series, names: Sequence[str], offset: float) -> None:
    """Draw gains with intervals; arms stand a little apart, so that none hides another."""
    assert one.trend is not None
    colour = light(series_role(one.name, names))
    for point in one.trend.points:
        at = point.records * 1.04**offset
        gain = point.difference
        if gain.estimate is None:
            continue
        if gain.low is not None and gain.high is not None:
            axes.plot([at, at], [gain.low, gain.high], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(
            [at],
            [gain.estimate],
            linestyle="none",
            color=colour,
            marker=series_marker(one.name, names),
            markersize=6,
            markeredgecolor=light("paper"),
            markeredgewidth=1.0,
        )


def _records_axis(axes: Axes, records: Sequence[int], labels: bool) -> None:
    """Count training records in equal factors, with a tick at each size that was run."""
    axes.set_xscale("log")
    low, high = records[0], max(records[-1], records[0] + 1)
    room = (high / low) ** 0.06
    axes.set_xlim(low / room, high * room)
    shown = [low]
    for size in records[1:]:  # leave out ticks whose words would meet
        if math.log(size / shown[-1]) > 0.14 * math.log(high / low):
            shown.append(size)
    axes.xaxis.set_major_locator(FixedLocator([float(size) for size in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value) if labels else ""))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if labels:
        axes.set_xlabel("Training records (logarithmic)", size=SMALL, color=light("ink"), labelpad=6)


def _signed_tick(value: float, _: int) -> str:
    text = f"{abs(value):.3f}".rstrip("0").rstrip(".")
    return text if not float(text) else f"{MINUS if value < 0 else '+'}{text}"


def paint_break_even(one: BreakEven) -> Figure:
    """Draw what so many downstream tasks cost in all, from scratch and with pre-training paid first."""
    figure = new_figure(PANEL, HEAD + UPPER + FOOT)
    most = max(10.0, 2.0 * one.tasks) if one.tasks is not None and one.tasks < 1e4 else 20.0
    scratch, arm = one.scratch_seconds * most, one.upstream_seconds + one.arm_seconds * most
    divisor, unit = next(
        (size, name)
        for size, name in ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
        if max(scratch, arm) >= 2 * size or size == 1.0
    )
    _title(figure, f"{one.upstream}, {one.network}", f"Training time in all, {unit}")
    axes = panel(figure, LEFT, HEAD, PANEL - LEFT - RIGHT, UPPER)
    lines = (
        ("series-0", 0.0, scratch, "scratch"),
        ("series-1", one.upstream_seconds, arm, f"pre-training, then {one.arm}"),
    )
    for role, start, end, _ in lines:
        axes.plot([0, most], [start / divisor, end / divisor], color=light(role), linewidth=1.8)
    if one.tasks is not None and one.tasks <= most:
        level = one.tasks * one.scratch_seconds / divisor
        axes.plot([one.tasks], [level], linestyle="none", marker="o", color=light("ink"), markersize=7)
        axes.annotate(
            f"{significant(one.tasks).removesuffix('.0')} tasks" + ("" if one.verdict == "pays" else "?"),
            (one.tasks, level),
            xytext=(9, -14),
            textcoords="offset points",
            size=SMALL,
            color=light("ink"),
        )
    axes.set(xlim=(0, most), ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlabel("Downstream tasks", size=SMALL, color=light("ink"), labelpad=6)
    return figure


SCORES = {
    "melep": ("MELEP", "lower promises more"),
    "melep_entropy": ("Entropy of the labels", "the confound of MELEP"),
    "melep_difference": ("Entropy less MELEP", "higher promises more"),
    "logme": ("LogME", "higher promises more"),
}
"""Name of each score, and how it is read."""


def paint_scatter(one: TransferabilityCorrelation) -> Figure:
    """Draw the outcome of each comparison against the score that was to foretell it."""
    figure = new_figure(PANEL, HEAD + UPPER + FOOT)
    outcome = "Gain in macro AUROC" if one.outcome == "gain" else "Macro AUROC after fine-tuning"
    found = one.correlation.estimate
    rank = "no rank correlation" if found is None else f"rank correlation {found:.2f}".replace("-", MINUS)
    name, reading = SCORES[one.score]
    _title(figure, f"{name}: {rank}", outcome)
    axes = panel(figure, LEFT, HEAD, PANEL - LEFT - RIGHT, UPPER)
    if one.outcome == "gain":
        axes.axhline(0, color=light("ink"), linewidth=1.0)
    x, y = [point[1] for point in one.points], [point[2] for point in one.points]
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=7,
        color=light("series-1"),
        alpha=0.85,
        markeredgecolor=light("paper"),
        markeredgewidth=1.0,
    )
    if x:
        margin = 0.06 * float(np.ptp(x)) or 0.05
        axes.set_xlim(min(x) - margin, max(x) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_signed_tick if one.outcome == "gain" else _plain_tick))
    axes.set_xlabel(f"{name} ({reading})", size=SMALL, color=light("ink"), labelpad=6)
    return figure


def paint_pretraining(curves: Sequence[PretrainingCurve], looks: Sequence[tuple[str, str]]) -> Figure:
    """Draw what each pre-training's features were worth against its hours; rings mark collapsed features.

    Args:
        curves: To draw.
        looks: Colour and marker of each.
    """
    figure = new_figure(PANEL, HEAD + UPPER + FOOT)
    _title(figure, "Probe of the features", "Macro AUROC, validation records")
    axes = panel(figure, LEFT, HEAD, PANEL - LEFT - RIGHT, UPPER)
    for one, (role, marker) in zip(curves, looks, strict=True):
        hours, aurocs = [p.hours for p in one.points], [p.probe_auroc for p in one.points]
        axes.plot(hours, aurocs, color=light(role), linewidth=1.8, marker=marker, markersize=6)
        fallen = [point for point in one.points if point.collapsed]
        axes.plot(
            [point.hours for point in fallen],
            [point.probe_auroc for point in fallen],
            linestyle="none",
            marker="o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=light("ink"),
        )
    axes.set_xlim(left=0)
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain_tick))
    axes.set_xlabel("Hours of pre-training", size=SMALL, color=light("ink"), labelpad=6)
    return figure


def _plain_tick(value: float, _: int) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
