"""An ECG with what is so and what a network says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea
from numpy.typing import ArrayLike

from ecg_tl.figures.attribution import LEAST_LEGEND_WIDTH_MM, attribution_room_mm, draw_attribution
from ecg_tl.figures.paper import FAINT_INK, INK, MARGIN_MM, draw_sheet

LINE_MM = 6.0  # of a line of the heading
MOST_LABELS = 10  # in a line of the heading

RIGHT, WRONG = "#14713d", "#b3261e"

Labels = Sequence[str] | Mapping[str, float]


def ecg_figure(
    signal: ArrayLike,
    leads: Sequence[str],
    sampling_rate: float,
    title: str = "",
    true: Labels | None = None,
    predicted: Labels | None = None,
    attribution: ArrayLike | None = None,
    explained: str = "",
) -> Figure:
    """Draw an ECG to scale, as `ecg_tl.figures.paper.draw_sheet` lays it out.

    Args:
        signal: `(leads, samples)` in millivolts; NaN leaves a gap.
        leads: Name of each row.
        sampling_rate: In Hz.
        title: First line of the heading.
        true: Labels of the record. Those that `predicted` lacks are marked as missed.
        predicted: Labels that were predicted, or a map of them to their probabilities; marked as right or
            wrong if `true` is given.
        attribution: `(leads, samples)`: what each sample adds to a class's logit; drawn as colour.
        explained: The name of that class.

    Raises:
        SettingError: If the signal, its leads and its rate do not make an ECG, or the attribution is of
            another shape.
    """
    above = LINE_MM * (bool(title) + (true is not None) + (predicted is not None))
    if attribution is None:
        sheet = draw_sheet(signal, leads, sampling_rate, above)
    else:
        room = attribution_room_mm(leads, signal, sampling_rate)
        sheet = draw_sheet(signal, leads, sampling_rate, above, room, LEAST_LEGEND_WIDTH_MM)
        draw_attribution(sheet, leads, attribution, explained)
    _draw_heading(sheet.axes, sheet.height + above, title, true, predicted)
    sheet.axes.text(0, sheet.bottom - MARGIN_MM / 2, sheet.footer, size=6.5, color=FAINT_INK, va="center")
    return sheet.figure


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
