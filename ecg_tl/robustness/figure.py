"""Robustness as a figure: a panel a kind of disturbance, a colour a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecg_tl.figures.svg import drawing, new_figure, panel
from ecg_tl.figures.theme import MARKERS, SERIES, light
from ecg_tl.robustness.conditions import Disturbance
from ecg_tl.robustness.evaluation import CLEAN, ConditionResult, Robustness
from ecg_tl.robustness.output import METRIC_TITLES

COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 290.0, 175.0  # in pixels, as all lengths here
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 66.0, 4.0
GAP_ACROSS, GAP_DOWN = 26.0, 84.0
CHANCE = {"auroc_macro": 0.5}
LEGEND_LINE, LEGEND_MARK, LEGEND_LETTER = 18.0, 48.0, 6.6
ASIDE, BREADTH = 0.13, 0.5  # of one checkpoint's marker and of all, where levels are 1 apart

_BROKEN, _DOTTED = (0, (5, 3)), (0, (1, 2))


def robustness_figure(result: Robustness) -> Figure:
    """Draw scores against the level of each kind of disturbance, with 95 % intervals over patients.

    Levels stand at equal distances, whatever their values. A broken line is the checkpoint's clean score.
    All panels share the axis of the score, so that kinds can be compared.
    """
    columns = min(COLUMNS, len(result.kinds))
    rows = math.ceil(len(result.kinds) / columns)
    width = max(LEFT + columns * PANEL_WIDTH + (columns - 1) * GAP_ACROSS + RIGHT, 560.0)
    entries = _entries(result)
    in_line = max(1, int((width - LEFT) / (LEGEND_MARK + LEGEND_LETTER * max(len(e[0]) for e in entries))))
    top = TOP + LEGEND_LINE * math.ceil(len(entries) / in_line)
    height = top + rows * (PANEL_HEIGHT + GAP_DOWN) + BOTTOM  # names of levels stand in the last gap
    low, high = _range(result)
    with drawing():
        figure = new_figure(width, height)
        figure.set_facecolor(light("paper"))
        metric = METRIC_TITLES[result.metric]
        scored = f"{result.classes_scored(result.outcomes[0])} of {len(result.class_names)} classes"
        title = f"{metric[0].upper()}{metric[1:]} when records are disturbed"
        under = f"{result.dataset}: {result.records:,} test records, {scored} scored"
        _text(figure, LEFT, 24, title, size=14, weight="bold", color=light("ink"))
        _text(figure, LEFT, 43, under, size=11, color=light("muted"))
        _legend(figure, entries, in_line)
        for number, kind in enumerate(result.kinds):
            row, column = divmod(number, columns)
            axes = panel(
                figure,
                LEFT + column * (PANEL_WIDTH + GAP_ACROSS),
                top + 22 + row * (PANEL_HEIGHT + GAP_DOWN),
                PANEL_WIDTH,
                PANEL_HEIGHT,
            )
            axes.set(xlim=(-0.6, len(kind.conditions) - 0.4), ylim=(low, high))
            if column:
                axes.tick_params(labelleft=False)
            _draw_kind(axes, kind, result)
    return figure


def _draw_kind(axes: Axes, kind: Disturbance, result: Robustness) -> None:
    axes.set_title(kind.title, loc="left", size=12, color=light("ink"), pad=7)
    axes.set_xlabel(kind.scale, size=10.5, color=light("muted"), labelpad=5)
    positions = np.arange(len(kind.conditions))
    axes.set_xticks(positions, [_two_lines(one.tick) for one in kind.conditions])
    if not kind.is_ordered:
        axes.tick_params(axis="x", labelsize=9.5)
    if result.metric in CHANCE:
        axes.axhline(CHANCE[result.metric], color=light("muted"), linewidth=1.0, linestyle=_DOTTED)
    subjects = result.subjects
    for number, subject in enumerate(subjects):
        colour = light(_role(number))
        (clean,) = result.of(subject.name, CLEAN)
        axes.axhline(clean.scores[result.metric], color=colour, linewidth=1.0, linestyle=_BROKEN, alpha=0.8)
        outcomes = result.of(subject.name, kind.name)
        aside = min(ASIDE, BREADTH / len(subjects)) * (number - (len(subjects) - 1) / 2)
        values = [one.scores[result.metric] for one in outcomes]
        reach = np.array([_reach(one, result.metric) for one in outcomes]).T
        axes.errorbar(
            positions + aside,
            values,
            yerr=reach,
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linestyle="-" if kind.is_ordered else "none",
            linewidth=1.4,
            elinewidth=1.0,
        )


def _reach(outcome: ConditionResult, metric: str) -> tuple[float, float]:
    """Give how far the interval reaches below and above the score; 0 where there is none."""
    interval, value = outcome.interval, outcome.scores[metric]
    if interval is None or interval.low is None or interval.high is None:
        return 0.0, 0.0
    return max(value - interval.low, 0.0), max(interval.high - value, 0.0)


def _range(result: Robustness) -> tuple[float, float]:
    """Give the least and greatest score to show, with a little room."""
    values = [one.scores[result.metric] for one in result.outcomes]
    reaches = [_reach(one, result.metric) for one in result.outcomes]
    ends = [v - below for v, (below, _) in zip(values, reaches, strict=True)]
    ends += [v + above for v, (_, above) in zip(values, reaches, strict=True)]
    known = [end for end in ends if math.isfinite(end)] or [0.0, 1.0]
    low, high = min(known), max(known)
    return low - 0.015, max(high, low + 0.05) + 0.015


def _entries(result: Robustness) -> list[tuple[str, Line2D]]:
    """Give each checkpoint's name with its colour and marker, and what the broken lines are."""
    entries = [
        (
            subject.name,
            Line2D(
                [], [], color=light(_role(n)), marker=MARKERS[n % len(MARKERS)], markersize=6, linewidth=1.6
            ),
        )
        for n, subject in enumerate(result.subjects)
    ]
    broken = {"the same on clean records": _BROKEN} | ({"chance": _DOTTED} if result.metric in CHANCE else {})
    muted = light("muted")
    return entries + [
        (what, Line2D([], [], color=muted, linewidth=1.0, linestyle=style)) for what, style in broken.items()
    ]


def _legend(figure: Figure, entries: Sequence[tuple[str, Line2D]], in_line: int) -> None:
    width, height = figure.get_size_inches() * 72
    figure.legend(
        [line for _, line in entries],
        [name for name, _ in entries],
        loc="upper left",
        bbox_to_anchor=((LEFT - 8) / width, 1 - 56 / height),
        ncols=in_line,
        frameon=False,
        fontsize=11,
        labelcolor=light("ink"),
        borderpad=0,
        labelspacing=0.4,
        handlelength=1.8,
        columnspacing=1.6,
    )


def _text(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    width, height = figure.get_size_inches() * 72
    figure.text(left / width, 1 - top / height, text, va="center", **style)


def _role(number: int) -> str:
    # The first of the series is the grey that reports give to scratch.
    return f"series-{number % SERIES + 1}"


def _two_lines(label: str) -> str:
    """Break a name of several words where the longer of the two lines is shortest."""
    words = label.split()
    if len(words) == 1:
        return label
    breaks = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(len(words) - 1, 0, -1)]
    best = min(breaks, key=lambda lines: max(len(lines[0]), len(lines[1])))
    return "\n".join(best)
