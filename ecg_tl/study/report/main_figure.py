"""The figure that the report opens with, on the page and as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ecg_tl.errors import SettingError
from ecg_tl.figures.forest import WIDE, Row, RowGroup, Scale, paint_forest, paint_forests
from ecg_tl.figures.svg import Picture, drawing, picture, to_svg
from ecg_tl.figures.theme import MARKERS, light
from ecg_tl.files import write_text, written_whole
from ecg_tl.statistics.intervals import HOLDS_BEYOND, HOLDS_FOR, Interval
from ecg_tl.statistics.replication import count_splits
from ecg_tl.study.findings.compared import Comparison, at_largest_size
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.tables import ROLES
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import count, plural, signed, span

MOST_ROWS = 24
"""Of the main figure; with more, it keeps to the primary arm."""


GAIN = Scale("Difference in macro AUROC on the test set", "scratch better", "fine-tuning better")


MARGIN = 20.0  # around the figure in a file of its own, in pixels


def claimed_axes(findings: Findings) -> Axes:
    """Give the values of the axes that the claims are tested at."""
    primary = [one for one in findings.comparisons if one.primary]
    return next((one.axes for one in (*primary, *findings.comparisons)), ())


def holds_for(findings: Findings) -> str:
    """Say what the intervals hold for."""
    several = any(answer.splits > 1 for answer in findings.answers)
    return HOLDS_BEYOND if several else HOLDS_FOR


def main_comparisons(findings: Findings) -> list[Comparison]:
    """Choose what the main figure shows: each pair and network at its largest size and default axes."""
    axes = claimed_axes(findings)
    shown = at_largest_size([one for one in findings.comparisons if one.axes == axes and not one.control])
    if len(shown) > MOST_ROWS:
        shown = [one for one in shown if one.primary] or shown
    return shown


def comparison_groups(comparisons: Sequence[Comparison]) -> list[RowGroup]:
    """Lay comparisons out as rows, by downstream, with a marker for each arm."""
    arms = dict.fromkeys(one.arm for one in comparisons)
    markers = {arm: MARKERS[position % len(MARKERS)] for position, arm in enumerate(arms)}
    groups = []
    for downstream in dict.fromkeys(one.downstream for one in comparisons):
        own = [one for one in comparisons if one.downstream == downstream]
        groups.append(RowGroup(downstream, counts(own), tuple(_row(one, markers[one.arm]) for one in own)))
    return groups


def counts(comparisons: Sequence[Comparison]) -> str:
    """Say what the scores of some comparisons rest on."""

    def spread(values: Sequence[int]) -> str:
        low, high = min(values), max(values)
        return count(low) if low == high else f"{count(low)} to {count(high)}"

    splits = max(count_splits(one.seeds) for one in comparisons)
    seeds = [len(one.seeds) // (count_splits(one.seeds) or 1) for one in comparisons]
    classes = plural(comparisons[0].classes, "class", "classes")
    return " · ".join(
        (
            f"{spread([one.train_records for one in comparisons])} training records",
            f"{spread([one.records for one in comparisons])} test records of "
            f"{spread([one.patients for one in comparisons])} patients",
            f"{spread([one.classes_scored for one in comparisons])} of {classes} scored",
            f"{spread(seeds)} {'seed' if max(seeds) == 1 else 'seeds'}"
            + (f" on each of {splits} splits" if splits > 1 else ""),
        )
    )


def interval_text(interval: Interval) -> str:
    """Write a difference and its interval."""
    text = signed(interval.estimate)
    return text if interval.low is None else f"{text} ({span(interval.low, interval.high)})"


def _row(one: Comparison, marker: str) -> Row:
    pairs = zip(one.scratch_scores, one.arm_scores, strict=True)
    return Row(
        label=f"{one.upstream} → {one.network}" if one.upstream else one.network,
        detail=one.arm,
        estimate=one.difference.estimate,
        low=one.difference.low,
        high=one.difference.high,
        text=interval_text(one.difference),
        role=ROLES[one.verdict],
        filled=one.verdict != "open",
        marker=marker,
        dots=tuple(arm - scratch for scratch, arm in pairs) if len(one.seeds) > 1 else (),
    )


def main_picture(findings: Findings) -> Picture | None:
    """Draw the gain of fine-tuning for every pair and network; None without a comparison."""
    comparisons = main_comparisons(findings)
    if not comparisons:
        return None
    return picture(
        "main",
        "What fine-tuning changes",
        "Macro AUROC of fine-tuning less that of training from scratch, with its 95 % confidence interval; "
        "short strokes below are single seeds. A filled point is shown to differ from zero, or to be "
        "equivalent, after correction for the number of comparisons; a hollow one is open, or not judged "
        "(one seed).",
        _describe(comparisons),
        *paint_forests(comparison_groups(comparisons), GAIN),
    )


def _describe(comparisons: Sequence[Comparison]) -> str:
    wins, losses, same = (
        sum(one.verdict == verdict for one in comparisons) for verdict in ("win", "loss", "equivalent")
    )
    return (
        f"Forest plot of {plural(len(comparisons), 'comparison')} with training from scratch: {wins} better, "
        f"{losses} worse, {f'{same} equivalent, ' if same else ''}{len(comparisons) - wins - losses - same} "
        "open. The table of comparisons holds them."
    )


def main_figure(findings: Findings, path: Path) -> Path:
    """Save the main figure as a file of its own, on light paper.

    Args:
        findings: With one comparison at least.
        path: Its ending, `.svg`, `.png` or `.pdf`, decides the format.

    Returns:
        The path.

    Raises:
        SettingError: If there is nothing to draw, or the format is none of these.
    """
    comparisons = main_comparisons(findings)
    if not comparisons:
        raise SettingError(findings.name, "no comparison", "one at least", "Run more of the study first.")
    formats = (".svg", ".png", ".pdf")
    if path.suffix not in formats:
        remedy = "Give the file one of these endings."
        raise SettingError(path, f"the ending {path.suffix!r}", " or ".join(formats), remedy)
    with drawing():
        figure = paint_forest(comparison_groups(comparisons), GAIN, WIDE)
        _pad(figure)
    if path.suffix == ".svg":
        svg = to_svg(figure, _describe(comparisons), "main", themed=False)
        width, height = figure.get_size_inches() * 72
        ground = f'<rect width="{width:g}" height="{height:g}" fill="{light("paper")}"/>'
        head, _, rest = svg.partition(">")
        write_text(path, f"{head}>{ground}{rest}\n")
    else:
        with drawing(), written_whole(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=144, facecolor=light("paper"))
    return path


def _pad(figure: Figure) -> None:
    """Put a margin around what is drawn."""
    width, height = figure.get_size_inches() * 72
    figure.set_size_inches((width + 2 * MARGIN) / 72, (height + 2 * MARGIN) / 72)
    (axes,) = figure.axes
    axes.set(xlim=(-MARGIN, width + MARGIN), ylim=(height + MARGIN, -MARGIN))
