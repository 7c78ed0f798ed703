"""What a design can show, and what more patients, seeds and splits would buy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ecg_tl.statistics.components import Components, StudyScale, pooled, smallest_difference
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.variance import components_in
from ecg_tl.study.findings.wording import count, number

USUAL = Components(
    patients=0.023**2,
    split=0.02**2,
    upstream=0.012**2,
    seed=0.02**2,
    rest=0.022**2,
    test_patients=100,
    splits=1,
    upstreams=1,
    trainings=3,
)
"""Where nothing was run: patients, seeds and the rest as in the sample study (LUDB and PTB-XL, 60 and 112
test patients), the upstream as in the audit on LUDB (docs/statistics.md); the split's is an assumption."""

USUAL_WORDS = (
    "assumed (standard deviations of a gain at 100 test patients: patients 0.023, seed 0.020, rest 0.022, as "
    "in the sample study; upstream 0.012; split 0.020, not measured)"
)

WORTHLESS = 0.3
"""A difference that no study hopes for."""

FOLDS = (2, 4, 8)
SEEDS = (3, 5, 10)
SPLITS = (3, 5, 10)


@dataclass(frozen=True)
class PowerRow:
    """What one design can show.

    Attributes:
        downstream: Name of it.
        change: What is more than in the study; empty for the study as it is.
        test_patients: Of one split.
        seeds: On each split.
        splits: Divisions of the patients.
        upstreams: Trainings of the upstream.
        smallest: Difference in macro AUROC that is shown with a probability of 80 %; None with one training.
    """

    downstream: str
    change: str
    test_patients: float
    seeds: int
    splits: int
    upstreams: int
    smallest: float | None


def power_curve(downstream: str, components: Components, scale: StudyScale) -> tuple[PowerRow, ...]:
    """Give what a design of this scale can show, and what more of one thing at a time would let it show."""

    def row(change: str, other: StudyScale) -> PowerRow:
        smallest = smallest_difference(components, other)
        return PowerRow(
            downstream, change, other.test_patients, other.seeds, other.splits, other.upstreams, smallest
        )

    return (
        row("", scale),
        *(row(f"{k} times the patients", more) for k, more in _patients(scale)),
        *(row(f"{n} seeds", replace(scale, seeds=n)) for n in SEEDS if n > scale.seeds),
        *(row(f"{n} splits", replace(scale, splits=n)) for n in SPLITS if n > scale.splits),
    )


def _patients(scale: StudyScale) -> Iterator[tuple[int, StudyScale]]:
    return ((k, replace(scale, test_patients=k * scale.test_patients)) for k in FOLDS)


def smallest_words(smallest: float | None) -> str:
    """Write the smallest difference that is shown; half the range of an AUROC is as good as none."""
    if smallest is None:
        return "nothing (one training each gives no verdict)"
    return "next to nothing" if smallest > WORTHLESS else f"a difference of {smallest:.3f} in macro AUROC"


def power_lines(rows: Sequence[PowerRow], source: str) -> list[str]:
    """Say it in lines for a terminal."""
    lines = []
    for downstream in dict.fromkeys(row.downstream for row in rows):
        own = [row for row in rows if row.downstream == downstream]
        now, more = own[0], own[1:]
        shown = smallest_words(now.smallest)
        lines.append(f"{downstream}: shows {shown} with 80 % probability, by variances {source}.")
        bought = [f"{row.change} {row.smallest:.3f}" for row in more if (row.smallest or 1) <= WORTHLESS]
        lines.append(f"  With more: {', '.join(bought)}.")
    return lines


def _rows(study: Analysis) -> tuple[PowerRow, ...]:
    found = study.once(components_in)
    rows: list[PowerRow] = []
    for downstream in dict.fromkeys(one.comparison.downstream for one, _ in found):
        own = pooled([c for one, c in found if one.comparison.downstream == downstream])
        assert own is not None
        scale = StudyScale(own.test_patients, own.trainings // own.splits, own.splits, own.upstreams)
        known = replace(own, split=USUAL.split if own.split is None else own.split)
        rows += power_curve(downstream, known, scale)
    return tuple(rows)


def power_table(found: Sequence[PowerRow]) -> Table | None:
    """Lay them out."""
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "With": one.change or "as it is",
            "#Test patients": count(one.test_patients),
            "#Seeds": f"{one.seeds}",
            "#Splits": f"{one.splits}",
            "#Smallest difference": number(one.smallest),
        }
        for one in found
    ]
    return make_table(
        "What would make it surer: the smallest difference that is shown with a probability of 80 %",
        rows,
        "Of one comparison at 5 %, two-sided, by the variances of the primary comparisons. Where one split "
        "was run, what splits change is assumed (a standard deviation of 0.020, not measured).",
    )


def _tables(found: Sequence[PowerRow], default: Axes) -> dict[str, Table | None]:
    return {"power": power_table(found)}


register_topic(Topic("power", _rows, one_file("power"), _tables, "Power", "What would make it surer"))
