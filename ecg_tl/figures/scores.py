"""How far probabilities can be believed, and what decisions come to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecg_tl.figures.paper import FAINT_INK, INK
from ecg_tl.metrics import Values, check_predictions, confusion, multilabel_scores

RELIABILITY_BINS = 10
MOST_RELIABILITY_CLASSES = 11  # with the panel of all classes three rows of four
MOST_COLUMNS = 6
LONGEST_NAME = 18

BEFORE, AFTER = "#8c8c99", "#0072b2"
_SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#56b4e9", "#0072b2"])


def reliability_figure(
    probabilities: Values,
    calibrated: Values | None,
    targets: Values,
    class_names: Sequence[str],
    title: str = "",
) -> Figure:
    """Draw the share of positives against the probability: on the diagonal, 0.7 means seven in ten.

    A panel for all classes together, and with no more than eleven classes one for each. A dot stands for a
    tenth of the range of probabilities, its area for the records in it.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        calibrated: The same after calibration, drawn beside; None if there is no calibration.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        class_names: One a column.
        title: Over all panels.

    Raises:
        SettingError: As `ecg_tl.metrics.multilabel_scores`.
    """
    p, y = (values.numpy() for values in check_predictions(probabilities, targets))
    series = [("uncalibrated", BEFORE, p, multilabel_scores(p, y, class_names).ece)]
    if calibrated is not None:
        after = check_predictions(calibrated, targets)[0].numpy()
        series.append(("calibrated", AFTER, after, multilabel_scores(after, y, class_names).ece))
    panels: list[tuple[str, slice | int]] = [("all classes", slice(None))]
    if len(class_names) <= MOST_RELIABILITY_CLASSES:
        panels += [(name, column) for column, name in enumerate(class_names)]
    columns = min(len(panels), 4) if len(panels) > 3 else len(panels)
    figure, grid = _panels(len(panels), columns, width=2.9, height=2.9, top=0.75)
    figure.text(
        0.02, 1 - 0.25 / figure.get_figheight(), title, size=11, weight="bold", color=INK, va="center"
    )
    for axes, (name, column) in zip(grid, panels, strict=True):
        axes.plot([0, 1], [0, 1], color=FAINT_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        for label, colour, values, ece in series:
            truth = y[:, column].ravel()
            answered = ~np.isnan(truth)
            expected, found, share = _bins(values[:, column].ravel()[answered], truth[answered])
            legend = f"{label}, ECE {ece:.3f}" if name == panels[0][0] else None
            axes.plot(expected, found, color=colour, linewidth=1.3, label=legend)
            axes.scatter(expected, found, s=8 + 150 * share, color=colour, alpha=0.75, linewidths=0)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.set_aspect("equal")
        axes.set_title(_short(name), size=9, color=INK, parse_math=False)
        axes.tick_params(labelsize=7, colors=FAINT_INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    grid[0].set_xlabel("probability", size=8)
    grid[0].set_ylabel("share of positives", size=8)
    grid[0].legend(fontsize=6.5, frameon=False, loc="upper left", handlelength=1.2)
    return figure


def confusion_figure(
    probabilities: Values,
    targets: Values,
    class_names: Sequence[str],
    thresholds: Sequence[float] | None,
    title: str = "",
) -> Figure:
    """Draw each class's four counts at its threshold, or chosen and not, coloured by the share of their row.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        class_names: One a column.
        thresholds: One a class; None where the most probable class is chosen.
        title: Over all panels.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    counts = confusion(probabilities, targets, thresholds).tolist()
    columns = min(len(class_names), MOST_COLUMNS)
    figure, grid = _panels(len(class_names), columns, width=1.9, height=2.1, top=0.65)
    figure.text(
        0.02, 1 - 0.25 / figure.get_figheight(), title, size=11, weight="bold", color=INK, va="center"
    )
    for number, (axes, name) in enumerate(zip(grid, class_names, strict=True)):
        tp, fp, fn, tn = counts[number]
        cells = np.array([[tp, fn], [fp, tn]])
        rows = cells.sum(axis=1, keepdims=True)
        shares = cells / np.maximum(rows, 1)
        axes.imshow(shares, cmap=_SHARES, vmin=0, vmax=1, aspect="equal")
        for (row, column), count in np.ndenumerate(cells):
            share = shares[row, column]
            words = f"{count}\n{share:.0%}" if rows[row, 0] else "none"
            colour = "white" if share > 0.7 else INK
            axes.text(column, row, words, ha="center", va="center", size=8.5, color=colour)
        axes.set_title(_short(name), size=9, color=INK, parse_math=False)
        first = number % columns == 0
        cut = None if thresholds is None else f"{thresholds[number]:.2f}"
        axes.set_xticks((0, 1), labels=("chosen", "not") if cut is None else (f"≥ {cut}", f"< {cut}"))
        axes.set_yticks((0, 1), labels=("positive", "negative") if first else ("", ""))
        axes.tick_params(labelsize=7, colors=FAINT_INK, length=0)
        for spine in axes.spines.values():
            spine.set_color(FAINT_INK)
            spine.set_linewidth(0.5)
    return figure


def _panels(number: int, columns: int, width: float, height: float, top: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels row by row, under `top` inches for a title."""
    rows = math.ceil(number / columns)
    # Room for a title even over a single panel.
    total = max(width * columns, 5.0), height * rows + top
    figure = Figure(figsize=total, dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    left, right, bottom = 0.7 / total[0], 0.15 / total[0], 0.5 / total[1]
    spec = figure.add_gridspec(
        rows,
        columns,
        left=left,
        right=1 - right,
        bottom=bottom,
        top=1 - (top + 0.05) / total[1],
        wspace=0.3,
        hspace=0.35,
    )
    return figure, [figure.add_subplot(spec[divmod(n, columns)]) for n in range(number)]


def _bins(
    probabilities: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return of each bin that holds any: mean probability, share of positives, share of all."""
    bins = np.minimum((probabilities * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    counts, expected, found = (
        np.bincount(bins, weights, RELIABILITY_BINS) for weights in (None, probabilities, targets)
    )
    filled = counts > 0
    return expected[filled] / counts[filled], found[filled] / counts[filled], counts[filled] / len(bins)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
