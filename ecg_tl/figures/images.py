"""From a figure to pixels and to files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.files import written_whole
from ecg_tl.printing import visible

FORMATS = ("png", "pdf", "svg")

_TIME_OF_DAY = {"pdf": "CreationDate", "svg": "Date"}
"""Under which name a format would keep it."""


def figure_to_image(figure: Figure) -> NDArray[np.uint8]:
    """Render a figure as an image `(height, width, 3)`, as TensorBoard takes it with `dataformats="HWC"`."""
    _as_text(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types for its Agg canvas
    rgba = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(np.asarray(rgba)[..., :3])


def _as_text(figure: Figure) -> None:
    """Take every text in a figure as it is: `$` begins no mathematics, and no control reaches the file."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        if text.get_text() != visible(text.get_text(), keep="\n"):
            text.set_text(visible(text.get_text(), keep="\n"))


def check_figure_path(path: Path) -> None:
    """Check, before anything is computed, that a figure can be written under this name.

    Raises:
        SettingError: If its suffix is none of `.png`, `.pdf` and `.svg`.
    """
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise SettingError(
            path,
            f"the suffix {path.suffix!r}",
            " or ".join(f".{name}" for name in FORMATS),
            "Name the file so.",
        )


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, PDF or SVG, by the file's suffix; whole or not at all.

    The file depends on the figure alone: no time of day is in it.

    Raises:
        SettingError: If the suffix is another.
        StoreError: If the disk is full or the folder cannot be written.
    """
    check_figure_path(path)
    _as_text(figure)
    kind = path.suffix.lower().removeprefix(".")
    metadata = {_TIME_OF_DAY[kind]: None} if kind in _TIME_OF_DAY else None
    # The salt is what ids in an SVG are made of, a random one by default.
    with written_whole(path) as temporary, mpl.rc_context({"svg.hashsalt": "ecg_tl"}):
        figure.savefig(temporary, format=kind, metadata=metadata)
