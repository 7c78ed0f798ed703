"""What another value of an axis does to the scores of both arms, and to the gain between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ecg_tl.statistics.intervals import Interval, mean_interval
from ecg_tl.statistics.scoring import subtract
from ecg_tl.study.analysis.comparisons import Compared
from ecg_tl.study.analysis.grid import Grid
from ecg_tl.study.analysis.wording import side, signed
from ecg_tl.study.findings import AxisEffect


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
    text = f"With {axis} {default}, {arm} is {signed(before)} against scratch; with {value}, {signed(after)}."
    if before.estimate * after.estimate < 0:
        text += " The sign of the gain depends on it" + (
            "." if side(change) else ", but the change of the gain may be chance."
        )
    return text
