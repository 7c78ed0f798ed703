"""How much patients, split, seed and upstream each move a gain: of every primary comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.statistics.components import Components, components_of
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import NOTHING, number


@dataclass(frozen=True)
class VarianceRow:
    """Standard deviations of one comparison's difference; see `ecg_tl.statistics.components`.

    Attributes:
        comparison: Key of it.
        label: Of it.
        patients: By the test patients of one split.
        split: By the split; None with one.
        seed: By the seed; None with one training on each split.
        upstream: By the training of the upstream; None with one.
        rest: By patients and trainings together.
        splits: How many were run.
        upstreams: How many trainings of the upstream were run.
        trainings: How many of each arm were run, in all.
    """

    comparison: str
    label: str
    patients: float
    split: float | None
    seed: float | None
    upstream: float | None
    rest: float
    splits: int
    upstreams: int
    trainings: int


def gain_components(grid: Grid, compared: Sequence[Compared]) -> list[tuple[Compared, Components]]:
    """Estimate the components of every primary comparison that has been repeated."""
    found = []
    for one in compared:
        if one.comparison.primary and len(one.gain.seeds) > 1:
            runs = [grid.cells[one.cell][seed] for seed in one.gain.seeds]
            patients = sum(len(set(run.patient_ids.tolist())) for run in runs) / len(runs)
            components = components_of(one.gain, patients)
            if components is not None:
                found.append((one, components))
    return found


def components_in(study: Analysis) -> list[tuple[Compared, Components]]:
    """Give them for a study under analysis."""
    return gain_components(study.grid, compared_in(study))


def _rows(study: Analysis) -> tuple[VarianceRow, ...]:
    return tuple(
        VarianceRow(
            comparison=one.comparison.key,
            label=one.comparison.label,
            patients=math.sqrt(found.patients),
            split=_root(found.split),
            seed=_root(found.seed),
            upstream=_root(found.upstream),
            rest=math.sqrt(found.rest),
            splits=found.splits,
            upstreams=found.upstreams,
            trainings=found.trainings,
        )
        for one, found in study.once(components_in)
    )


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def variance_table(found: Sequence[VarianceRow]) -> Table | None:
    """Lay them out."""

    def known(value: float | None) -> str:
        return NOTHING if value is None else number(value)

    rows: list[Line] = [
        {
            "Comparison": one.label,
            "#Patients": number(one.patients),
            "#Split": known(one.split),
            "#Seed": known(one.seed),
            "#Upstream": known(one.upstream),
            "#Rest": number(one.rest),
            "#Splits × seeds": f"{one.splits} × {one.trainings // one.splits}",
            "#Trainings of the upstream": f"{one.upstreams}",
        }
        for one in found
    ]
    return make_table(
        "What a gain varies by: standard deviations, in macro AUROC, of a single training on one split",
        rows,
        "Estimated by moments. Rest is what patients and trainings do together. A dash: it was run once, and "
        "how much it changes is not known, and in no interval.",
    )


def _tables(found: Sequence[VarianceRow], default: Axes) -> dict[str, Table | None]:
    return {"variance": variance_table(found)}


register_topic(
    Topic("variance", _rows, one_file("variance"), _tables, "What varies", "What a gain varies by")
)
