"""The report's figures, each from findings alone."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings import Comparison, Findings
from ecg_tl.study.report.forest import NARROW, WIDE, Group, Row, Scale, paint_forest
from ecg_tl.study.report.svg import Picture, draw
from ecg_tl.study.report.theme import MARKERS
from ecg_tl.study.report.wording import count, plural, signed, span

MOST_ROWS = 24
"""Of the main figure; with more, it keeps to the primary arm."""

ROLES = {"win": "gain", "loss": "loss", "open": "open"}


def default_axes(findings: Findings) -> tuple[tuple[str, str], ...]:
    """Give the values of the axes that the claims are tested at."""
    for one in (*(one for one in findings.comparisons if one.primary), *findings.comparisons):
        return one.axes
    return ()


def at_largest_size(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Keep, of each pair, network, arm and axis values, the comparison with most training records."""
    largest: dict[tuple[object, ...], Comparison] = {}
    for one in comparisons:
        key = (one.downstream, one.upstream, one.network, one.arm, one.axes)
        if key not in largest or one.train_records > largest[key].train_records:
            largest[key] = one
    return list(largest.values())


def main_comparisons(findings: Findings) -> list[Comparison]:
    """Choose what the main figure shows: each pair and network at its largest size and default axes."""
    axes = default_axes(findings)
    shown = at_largest_size([one for one in findings.comparisons if one.axes == axes and not one.control])
    if len(shown) > MOST_ROWS:
        shown = [one for one in shown if one.primary] or shown
    return shown


def arm_markers(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """Give each arm a marker of its own, in the order in which they come."""
    arms = dict.fromkeys(one.arm for one in comparisons)
    return {arm: MARKERS[position % len(MARKERS)] for position, arm in enumerate(arms)}


def main_groups(comparisons: Sequence[Comparison], markers: dict[str, str]) -> list[Group]:
    """Lay comparisons out as rows, by downstream."""
    groups = []
    for downstream in dict.fromkeys(one.downstream for one in comparisons):
        own = [one for one in comparisons if one.downstream == downstream]
        groups.append(Group(downstream, _counts(own), tuple(_row(one, markers, len(own)) for one in own)))
    return groups


def _counts(comparisons: Sequence[Comparison]) -> str:
    """Say what a group's scores rest on."""

    def spread(values: Sequence[int]) -> str:
        low, high = min(values), max(values)
        return count(low) if low == high else f"{count(low)} to {count(high)}"

    first = comparisons[0]
    seeds = [len(one.seeds) for one in comparisons]
    return " · ".join(
        (
            f"{spread([one.train_records for one in comparisons])} training records",
            f"tested on {spread([one.records for one in comparisons])} records of "
            f"{spread([one.patients for one in comparisons])} patients",
            f"{spread([one.classes_scored for one in comparisons])} of {plural(first.classes, 'class', 'classes')} scored",
            f"{spread(seeds)} {'seed' if max(seeds) == 1 else 'seeds'}",
        )
    )


def _row(one: Comparison, markers: dict[str, str], rows: int) -> Row:
    difference = one.difference
    start = f"{one.upstream} → " if one.upstream else ""
    numbers = signed(difference.estimate)
    if difference.low is not None:
        numbers += f" ({span(difference.low, difference.high)})"
    return Row(
        label=f"{start}{one.network}",
        detail=one.arm,
        estimate=difference.estimate,
        low=difference.low,
        high=difference.high,
        text=numbers,
        role=ROLES[one.verdict],
        filled=one.verdict != "open",
        marker=markers[one.arm],
        dots=tuple(arm - scratch for scratch, arm in zip(one.scratch_scores, one.arm_scores, strict=True))
        if len(one.seeds) > 1
        else (),
    )


def main_picture(findings: Findings) -> Picture | None:
    """Draw the gain of fine-tuning for every pair and network; None without a comparison."""
    comparisons = main_comparisons(findings)
    if not comparisons:
        return None
    markers = arm_markers(comparisons)
    groups = main_groups(comparisons, markers)
    wins, losses = (sum(one.verdict == verdict for one in comparisons) for verdict in ("win", "loss"))
    description = (
        f"Forest plot of {plural(len(comparisons), 'comparison')}: {wins} gain, {losses} lose, "
        f"{len(comparisons) - wins - losses} open. The table of comparisons holds the numbers."
    )
    name = "main"
    return Picture(
        name,
        "What fine-tuning changes",
        "Difference in macro AUROC on the test set, fine-tuned less scratch, with its 95 % confidence interval; "
        "the small strokes below are single seeds. A filled point differs from zero after correction for the "
        "number of comparisons; a hollow one does not.",
        description,
        draw(lambda width: paint_forest(groups, MAIN_SCALE, width), WIDE, description, name),
        draw(lambda width: paint_forest(groups, MAIN_SCALE, width), NARROW, description, f"{name}-narrow"),
        tuple(("muted", marker, arm) for arm, marker in markers.items()) if len(markers) > 1 else (),
    )


MAIN_SCALE = Scale("Difference in macro AUROC", "scratch better", "fine-tuning better")
