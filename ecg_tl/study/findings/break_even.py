"""After how many downstream tasks pre-training has paid in time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.study.findings.compared import Comparison
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.convergence import (
    Timed,
    over_trainings,
    scratch_of,
)
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.sentences import side
from ecg_tl.study.findings.tables import Line, Table, TableCell, axis_words, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import (
    duration,
    p_value,
    significant,
    typeset,
)

BreakEvenVerdict = Literal["pays", "never", "open"]
"""Whether an arm is shown to save time, to lose some, or neither."""


@dataclass(frozen=True)
class BreakEven:
    """After how many downstream tasks pre-training has paid in time.

    Attributes:
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        axes: Value of each axis.
        upstream_seconds: What pre-training cost.
        scratch_seconds: Scratch to the validation score that both reach, mean over the downstreams.
        arm_seconds: The arm to the same score, mean over the downstreams.
        saved: Seconds a downstream, mean over the trainings; negative where the arm is slower.
        p_holm: Of `saved`, corrected for the number of such rows.
        verdict: By `p_holm` at 0.05 and the sign.
        tasks: Downstream tasks after which it has paid by the estimate; None if that is never.
        fewest_tasks: By the upper end of `saved`; None if even by that it never pays, or it is not known.
        most_tasks: By the lower end of `saved`; None if by that it never pays, or it is not known.
        trainings: Behind these means.
        explanation: A sentence.
    """

    upstream: str
    network: str
    arm: str
    axes: Axes
    upstream_seconds: float
    scratch_seconds: float
    arm_seconds: float
    saved: Interval
    p_holm: float | None
    verdict: BreakEvenVerdict
    tasks: float | None
    fewest_tasks: float | None
    most_tasks: float | None
    trainings: int
    explanation: str


def savings(comparisons: Iterable[Comparison], scale: float = 1.0) -> list[Timed]:
    """Give the seconds that each training saves on the way to the common score, times `scale`."""
    return [
        Timed(scratch_of(one), m.seed, (m.scratch_seconds - m.seconds) * scale, one.downstream)
        for one in comparisons
        for m in one.matches
    ]


def break_even(grid: Grid, comparisons: Sequence[Comparison]) -> tuple[BreakEven, ...]:
    """Set what each upstream cost against what each arm saves a downstream task.

    Saved are the seconds of scratch to the validation score that both reach less those of the arm, at each
    downstream's largest size. What the arm may gain in score beyond is not counted. Verdicts are corrected
    for the number of rows (Holm).
    """
    rows = []
    for cell, runs in grid.cells.items():
        if cell.kind != "upstream":
            continue
        cost = mean(float(run.result.get("seconds") or 0.0) for run in runs.values())
        for arm in grid.arms:
            of_arm = comparisons_of(comparisons, cell, arm)
            if of_arm and cost > 0:
                rows.append((cell, arm, cost, of_arm, over_trainings(savings(of_arm))))
    corrected = holm([saved.p for *_, saved in rows])
    return tuple(_break_even(*row, p) for row, p in zip(rows, corrected, strict=True))


def comparisons_of(comparisons: Iterable[Comparison], upstream: Cell, arm: str) -> list[Comparison]:
    """Give the comparisons whose trainings an upstream's training must pay by: one a downstream."""
    of_arm = [
        c
        for c in comparisons
        if (c.upstream, c.network, c.arm, c.axes) == (upstream.dataset, upstream.network, arm, upstream.axes)
        and c.matches
    ]
    return list({c.downstream: c for c in sorted(of_arm, key=lambda c: c.train_records)}.values())


def _break_even(
    cell: Cell,
    arm: str,
    cost: float,
    comparisons: Sequence[Comparison],
    saved: Interval,
    p_holm: float | None,
) -> BreakEven:
    matches = [m for c in comparisons for m in c.matches]
    scratch = mean(mean(m.scratch_seconds for m in c.matches) for c in comparisons)
    with_arm = mean(mean(m.seconds for m in c.matches) for c in comparisons)
    shown = p_holm is not None and p_holm < SIGNIFICANT and side(saved)
    verdict: BreakEvenVerdict = "open" if not shown else "pays" if shown > 0 else "never"
    estimate = saved.estimate or 0.0
    tasks = cost / estimate if estimate > 0 else None
    fewest = cost / saved.high if saved.high is not None and saved.high > 0 else None
    most = cost / saved.low if saved.low is not None and saved.low > 0 else None
    if verdict == "pays" and tasks is not None:
        text = f"Pays in time after {math.ceil(tasks):,} downstream tasks like these"
        if fewest is not None and most is not None:
            text += f" ({math.ceil(fewest):,} to {math.ceil(most):,})"
        text += f": each is shorter by {_seconds(saved)}."
    elif verdict == "never":
        text = f"Never pays in time: {arm} takes {_seconds(saved, -1)} longer than scratch to the same score."
    else:
        text = f"Open: {arm} saves {_seconds(saved)} a task, and whether it saves any is not shown."
        if saved.low is None:
            text += f" {saved.reason}"
    return BreakEven(
        upstream=cell.dataset,
        network=cell.network,
        arm=arm,
        axes=cell.axes,
        upstream_seconds=cost,
        scratch_seconds=scratch,
        arm_seconds=with_arm,
        saved=saved,
        p_holm=p_holm,
        verdict=verdict,
        tasks=tasks,
        fewest_tasks=fewest,
        most_tasks=most,
        trainings=len(matches),
        explanation=text,
    )


def _seconds(saved: Interval, way: int = 1) -> str:
    def write(value: float) -> str:
        return f"{value:,.1f}" if abs(value) < 10 else f"{value:,.0f}"

    text = f"{write(way * (saved.estimate or 0.0))} s"
    if saved.low is not None and saved.high is not None:
        low, high = sorted((way * saved.low, way * saved.high))
        text += f" ({write(low)} to {write(high)})"
    return text


def break_even_table(found: Sequence[BreakEven], default: Axes) -> Table | None:
    """After how many tasks pre-training pays."""

    def few(value: float | None) -> str:
        return significant(value).removesuffix(".0")

    def tasks(one: BreakEven) -> TableCell:
        if one.verdict != "pays":
            return TableCell("never" if one.verdict == "never" else "open")
        return TableCell(few(one.tasks), f"{few(one.fewest_tasks)} to {few(one.most_tasks)}")

    rows: list[Line] = [
        {
            "Upstream": one.upstream,
            "Network": one.network,
            "Arm": one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Pre-training": duration(one.upstream_seconds),
            "#Scratch to the common score": duration(one.scratch_seconds),
            "#Arm to the same": duration(one.arm_seconds),
            "#Saved a task (95 % interval)": TableCell(
                duration(one.saved.estimate),
                f"{duration(one.saved.low)} to {duration(one.saved.high)}"
                if one.saved.low is not None
                else "",
                {"pays": "gain", "never": "loss", "open": ""}[one.verdict],
            ),
            "#p (Holm)": p_value(one.p_holm),
            "#Paid after tasks": tasks(one),
            "#Trainings": f"{one.trainings}",
            "In words": typeset(one.explanation),
        }
        for one in found
    ]
    return make_table(
        "When pre-training has paid",
        rows,
        "Seconds are of the machines at hand and of one training of each upstream; intervals are over "
        "scratch trainings.",
    )


def break_even_in(study: Analysis) -> tuple[BreakEven, ...]:
    """Find it in a study under analysis."""
    return break_even(study.grid, [one.comparison for one in compared_in(study)])


register_topic(
    Topic(
        "break_even",
        break_even_in,
        one_file("break_even"),
        lambda found, default: {"break_even": break_even_table(found, default)},
    )
)
