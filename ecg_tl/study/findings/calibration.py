"""How far the probabilities of each configuration can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from ecg_tl.statistics.calibration import brier_score, calibration_error, temper
from ecg_tl.study.findings.curves import by_size
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.tables import Line, Table, axis_words, make_table
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import (
    number,
)


@dataclass(frozen=True)
class CalibrationRow:
    """Calibration on the test set, before and after temperature scaling; lower is better.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: None for scratch and controls.
        axes: Value of each axis.
        size: Training records asked for; None for all.
        ece: Expected calibration error, mean over the seeds.
        ece_calibrated: After temperature scaling; None if the runs do not say.
        brier: Mean over the seeds.
        brier_calibrated: As `ece_calibrated`.
        temperature: Mean over the seeds; None if the runs do not say.
        seeds: Trainings.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    size: int | None
    ece: float | None
    ece_calibrated: float | None
    brier: float | None
    brier_calibrated: float | None
    temperature: float | None
    seeds: int


def calibration_rows(grid: Grid) -> tuple[CalibrationRow, ...]:
    """Give calibration before and after temperature scaling, of each configuration's largest size."""
    rows = []
    for cells in by_size(list(grid.downstream()), grid).values():
        cell = cells[-1]
        runs = list(grid.cells[cell].values())
        before = [(run.probabilities, run.answers) for run in runs]
        temperatures = [run.temperature for run in runs]
        known = [t for t in temperatures if t is not None]
        after = [
            (temper(run.probabilities, t, single_choice=run.single_choice), run.answers)
            for run, t in zip(runs, temperatures, strict=True)
            if t is not None
        ]
        complete = len(known) == len(runs)
        rows.append(
            CalibrationRow(
                downstream=cell.dataset,
                network=cell.network,
                arm=cell.arm,
                upstream=cell.upstream,
                axes=cell.axes,
                size=cell.size,
                ece=mean(calibration_error(p, y) for p, y in before),
                ece_calibrated=mean(calibration_error(p, y) for p, y in after) if complete else None,
                brier=mean(brier_score(p, y) for p, y in before),
                brier_calibrated=mean(brier_score(p, y) for p, y in after) if complete else None,
                temperature=mean(known) if complete else None,
                seeds=len(runs),
            )
        )
    return tuple(rows)


def calibration_table(found: Sequence[CalibrationRow], default: Axes) -> Table | None:
    """Calibration of every configuration."""
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "Other setting": axis_words(one.axes, default),
            "#ECE": number(one.ece),
            "#ECE, calibrated": number(one.ece_calibrated),
            "#Brier": number(one.brier),
            "#Brier, calibrated": number(one.brier_calibrated),
            "#Temperature": number(one.temperature, 2),
            "#Seeds": f"{one.seeds}",
        }
        for one in found
    ]
    return make_table(
        "Calibration on the test set",
        rows,
        "Lower is better. Calibrated: after temperature scaling, fitted on validation data.",
    )


register_topic(
    Topic(
        "calibration",
        lambda study: calibration_rows(study.grid),
        one_file("calibration"),
        lambda found, default: {"calibration": calibration_table(found, default)},
    )
)
