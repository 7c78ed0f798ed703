"""Arms with settings of their own, such as learning rates: each takes what its validation scores prefer.

Every arm was run with all values, and so had the same budget. What an arm takes is chosen by validation
scores alone, for the arm and for scratch; that the choice might have fallen otherwise is in the interval
(`ecg_tl.statistics.choice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecg_tl.statistics.intervals import Interval, equivalence_p, mean_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import subtract
from ecg_tl.study.findings.answers import variance_of_choice
from ecg_tl.study.findings.choosing import Choosing, Option, ranked_options
from ecg_tl.study.findings.compared import verdict_of
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.tables import Line, Table, TableCell, difference_cell, make_table, verdict_cell
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes, Verdict
from ecg_tl.study.findings.wording import count, p_value, percent


@dataclass(frozen=True)
class TunedComparison:
    """One arm against scratch, each with the values that its validation scores prefer.

    Attributes:
        downstream: Name of it.
        upstream: Name of it; empty for a control.
        network: As the study names it.
        arm: As the study names it.
        train_records: Of both.
        tried: Combinations of values that each of the two was run with.
        arm_value: That the arm takes.
        arm_share: How often it takes it when validation scores are redrawn.
        scratch_value: That scratch takes.
        scratch_share: As `arm_share`.
        effect: Arm less scratch, macro AUROC; the two choices are in its interval.
        p_holm: Corrected for the number of these comparisons.
        p_equivalent: Of a difference of the study's margin or more, corrected likewise.
        verdict: By both.
    """

    downstream: str
    upstream: str
    network: str
    arm: str
    train_records: int
    tried: int
    arm_value: str
    arm_share: float
    scratch_value: str
    scratch_share: float
    effect: Interval
    p_holm: float | None
    p_equivalent: float | None
    verdict: Verdict


def compare_tuned(grid: Grid) -> tuple[TunedComparison, ...]:
    """Compare every arm with scratch, each at its own values of the study's tuned axes."""
    tuned = grid.settings.tuned
    if not tuned:
        return ()
    groups: dict[Cell, list[Cell]] = {}
    for cell in grid.downstream():
        groups.setdefault(_untuned(grid, cell), []).append(cell)
    drafts = []
    for key, cells in groups.items():
        scratch = groups.get(grid.scratch_of(key), [])
        if key.arm == grid.scratch_arm or not scratch:
            continue
        arm_options, scratch_options = ranked_options(grid, cells), ranked_options(grid, scratch)
        values = [{_value(tuned, option) for option in own} for own in (arm_options, scratch_options)]
        if values[0] and values[0] == values[1]:  # the same budget, all of it finished
            draft = _compare(grid, tuned, arm_options, scratch_options)
            drafts += [] if draft is None else [draft]
    corrected = holm([one.effect.p for one in drafts])
    same = holm([one.p_equivalent for one in drafts])
    return tuple(
        replace(one, p_holm=p, p_equivalent=equal, verdict=verdict_of(one.effect.estimate, p, equal))
        for one, p, equal in zip(drafts, corrected, same, strict=True)
    )


def _untuned(grid: Grid, cell: Cell) -> Cell:
    """Give a configuration without the values that it is tuned by."""
    usual = dict(grid.default_axes)
    tuned = grid.settings.tuned
    axes = tuple((axis, usual[axis] if axis in tuned else value) for axis, value in cell.axes)
    return replace(cell, axes=axes)


def _value(tuned: Sequence[str], option: Option) -> str:
    return ", ".join(value for axis, value in option.cell.axes if axis in tuned)


def _compare(
    grid: Grid, tuned: Sequence[str], arm: Sequence[Option], scratch: Sequence[Option]
) -> TunedComparison | None:
    one, other = arm[0].cell, scratch[0].cell
    seeds = grid.comparable(one, other)
    if not seeds:
        return None
    choosing = Choosing(grid, [*arm, *scratch])
    cells = {option.cell for option in arm}
    pairs = choosing.pairs(lambda o: o.cell in cells, lambda o: o.cell not in cells)
    choice = variance_of_choice(grid, pairs)
    gain = subtract(*(grid.sample(cell, seeds=seeds) for cell in (one, other)))
    return TunedComparison(
        downstream=one.dataset,
        upstream=one.upstream or "",
        network=one.network,
        arm=one.arm,
        train_records=grid.train_records(one),
        tried=len(arm),
        arm_value=_value(tuned, arm[0]),
        arm_share=choosing.shares(lambda o: o.cell in cells)[one],
        scratch_value=_value(tuned, scratch[0]),
        scratch_share=choosing.shares(lambda o: o.cell not in cells)[other],
        effect=mean_interval([gain], choice=choice),
        p_holm=None,
        p_equivalent=equivalence_p(gain, grid.settings.margin, choice),
        verdict="open",
    )


def tuned_table(found: Sequence[TunedComparison]) -> Table | None:
    """Lay them out."""
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "#Training records": count(one.train_records),
            "#Values tried by each": f"{one.tried}",
            "Arm takes": TableCell(one.arm_value, f"in {percent(one.arm_share)} of redrawn scores"),
            "Scratch takes": TableCell(one.scratch_value, f"in {percent(one.scratch_share)}"),
            "Gain (95 % interval)": difference_cell(one.effect, one.verdict),
            "#p (Holm)": p_value(one.p_holm),
            "Verdict": verdict_cell(one.verdict, one.effect.seeds),
        }
        for one in found
    ]
    return make_table(
        "Every arm with settings of its own, in macro AUROC",
        rows,
        "Each arm was run with all values, so that all had the same budget, and takes the one that its own "
        "validation scores prefer; so does scratch. That other scores would have preferred others is in the "
        "interval.",
    )


def _tables(found: Sequence[TunedComparison], default: Axes) -> dict[str, Table | None]:
    return {"tuned": tuned_table(found)}


register_topic(
    Topic(
        "tuned",
        lambda study: compare_tuned(study.grid),
        one_file("tuned"),
        _tables,
        "Tuned arms",
        "And if each arm is tuned for itself?",
    )
)
