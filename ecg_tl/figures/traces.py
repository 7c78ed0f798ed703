"""Rows of one lead each, with stretches shaded: for what a pre-training does, which is looked at in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecg_tl.figures.theme import light


@dataclass(frozen=True, eq=False)
class Trace:
    """One lead of one record.

    Attributes:
        title: Above it.
        signal: `(samples,)` in millivolts.
        shaded: `(samples,)`, where to shade; nowhere if None.
    """

    title: str
    signal: NDArray[np.floating]
    shaded: NDArray[np.bool_] | None = None


def traces_figure(rows: Sequence[Sequence[Trace]], sampling_rate: float, title: str) -> Figure:
    """Draw rows of traces, as many in each.

    Args:
        rows: At least one, with at least one trace.
        sampling_rate: In Hz.
        title: Of the figure.
    """
    columns = len(rows[0])
    figure = Figure(figsize=(6.0 * columns, 1.3 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, sharex=True)
    for row, line in zip(rows, axes, strict=True):
        for trace, ax in zip(row, line, strict=True):
            seconds = np.arange(len(trace.signal)) / sampling_rate
            ax.plot(seconds, trace.signal, color=light("ink"), linewidth=0.8)
            if trace.shaded is not None:
                ax.fill_between(
                    seconds,
                    0,
                    1,
                    where=trace.shaded.tolist(),
                    transform=ax.get_xaxis_transform(),
                    color=light("gain-soft"),
                    linewidth=0,
                    zorder=0,
                )
            ax.set_title(trace.title, fontsize=8, loc="left", color=light("muted"))
            ax.margins(x=0)
            ax.tick_params(labelsize=7)
    for ax in axes[-1]:
        ax.set_xlabel("s", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
