"""What another value of an axis does to the scores of both arms, and to the gain between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecg_tl.statistics.intervals import Interval, mean_interval
from ecg_tl.statistics.scoring import subtract
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.sentences import effect_words, side
from ecg_tl.study.findings.tables import (
    Line,
    Table,
    TableCell,
    difference_cell,
    make_table,
)
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Verdict
from ecg_tl.study.findings.wording import count, typeset


@dataclass(frozen=True)
class AxisEffect:
    """What another value of an axis does to both arms and to the gain.

    Attributes:
        axis: Name of it.
        default: Its default value.
        value: The other value.
        downstream: Name of it.
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        size: Training records asked for; None for all.
        scratch_change: Macro AUROC of scratch at `value` less at `default`.
        arm_change: Macro AUROC of the arm at `value` less at `default`.
        gain_default: Arm less scratch at `default`.
        gain_value: Arm less scratch at `value`.
        gain_change: `gain_value` less `gain_default`, with its own interval.
        sign_flips: Whether the gain's estimate changes its sign.
        verdict_default: At `default`.
        verdict_value: At `value`.
        explanation: A sentence.
    """

    axis: str
    default: str
    value: str
    downstream: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    scratch_change: Interval
    arm_change: Interval
    gain_default: Interval
    gain_value: Interval
    gain_change: Interval
    sign_flips: bool
    verdict_default: Verdict
    verdict_value: Verdict
    explanation: str


def axis_effects(grid: Grid, compared: Sequence[Compared]) -> tuple[AxisEffect, ...]:
    """Compare each comparison with its like at the default of one axis, all other axes being equal to it."""
    by_cell = {one.cell: one for one in compared}
    effects = []
    for one in compared:
        for position, (axis, default) in enumerate(grid.default_axes):
            value = one.cell.axes[position][1]
            others = one.cell.axes[:position] + one.cell.axes[position + 1 :]
            other_defaults = grid.default_axes[:position] + grid.default_axes[position + 1 :]
            axes = (*one.cell.axes[:position], (axis, default), *one.cell.axes[position + 1 :])
            like = by_cell.get(replace(one.cell, axes=axes))
            if value == default or others != other_defaults or like is None:
                continue
            effects.append(_effect(grid, axis, default, value, like, one))
    return tuple(effects)


def _effect(grid: Grid, axis: str, default: str, value: str, like: Compared, one: Compared) -> AxisEffect:
    before, after = like.comparison, one.comparison
    cells = (like.cell, like.scratch, one.cell, one.scratch)
    seeds = grid.comparable(*cells)
    if seeds:
        arm_before, scratch_before, arm_after, scratch_after = (grid.sample(c, seeds=seeds) for c in cells)
        gain_before, gain_after = subtract(arm_before, scratch_before), subtract(arm_after, scratch_after)
        scratch_change = mean_interval([subtract(scratch_after, scratch_before)])
        arm_change = mean_interval([subtract(arm_after, arm_before)])
        gain_change = mean_interval([subtract(gain_after, gain_before)])
    else:
        none = Interval(None, reason="The two values have no seed in common, or other test records.")
        scratch_change = arm_change = gain_change = none
    gain, other = before.difference.estimate, after.difference.estimate
    flips = gain is not None and other is not None and gain * other < 0
    return AxisEffect(
        axis=axis,
        default=default,
        value=value,
        downstream=after.downstream,
        upstream=after.upstream,
        network=after.network,
        arm=after.arm,
        size=after.size,
        scratch_change=scratch_change,
        arm_change=arm_change,
        gain_default=before.difference,
        gain_value=after.difference,
        gain_change=gain_change,
        sign_flips=flips,
        verdict_default=before.verdict,
        verdict_value=after.verdict,
        explanation=_explain(
            after.arm, axis, default, value, before.difference, after.difference, gain_change
        ),
    )


def _explain(
    arm: str, axis: str, default: str, value: str, before: Interval, after: Interval, change: Interval
) -> str:
    if before.estimate is None or after.estimate is None:
        return f"The gain of {arm} is not known at both values of {axis}."
    text = (
        f"With {axis} {default}, {arm} is {effect_words(before)} against scratch; "
        f"with {value}, {effect_words(after)}."
    )
    if before.estimate * after.estimate < 0:
        text += " The sign of the gain depends on it" + (
            "." if side(change) else ", but the change of the gain may be chance."
        )
    return text


def axes_table(found: Sequence[AxisEffect]) -> Table | None:
    """What other values of the axes change."""
    rows: list[Line] = [
        {
            "Pair": f"{one.upstream} → {one.downstream}",
            "Network": one.network,
            "Arm": f"{one.arm}, {count(one.size)} records" if one.size else one.arm,
            "Instead of the default": f"{one.axis}: {one.value}",
            "#Scratch changes by": difference_cell(one.scratch_change, drawn=False),
            "#Arm changes by": difference_cell(one.arm_change, drawn=False),
            "#Gain at the default": difference_cell(one.gain_default, one.verdict_default, drawn=False),
            "#Gain here": difference_cell(one.gain_value, one.verdict_value, drawn=False),
            "#Gain changes by": difference_cell(one.gain_change, drawn=False),
            "Gain turns its sign": TableCell("yes", tone="caution") if one.sign_flips else "no",
            "In words": typeset(one.explanation),
        }
        for one in found
    ]
    return make_table(
        "What another setting changes, in macro AUROC",
        rows,
    )


register_topic(
    Topic(
        "axis_effects",
        lambda study: axis_effects(study.grid, compared_in(study)),
        one_file("axis_effects"),
        lambda found, default: {"axis_effects": axes_table(found)},
    )
)
