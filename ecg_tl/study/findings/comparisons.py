"""Every arm against training from scratch on the same test patients, averaged over the seeds of both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecg_tl.statistics.intervals import (
    NOT_SCORED,
    SIGNIFICANT,
    Interval,
    mean_interval,
)
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import (
    AVERAGES,
    PRIMARY,
    RunScores,
    Sample,
    class_sample,
    sample_of,
    subtract,
)
from ecg_tl.study.findings.columns import CsvRow, row_of, rows_of_parts
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.matches import Match, matches_of
from ecg_tl.study.findings.tables import (
    Line,
    Table,
    axis_words,
    difference_cell,
    make_table,
    verdict_cell,
)
from ecg_tl.study.findings.topic import Analysis, Topic, register_topic
from ecg_tl.study.findings.values import Axes, Verdict
from ecg_tl.study.findings.wording import (
    count,
    number,
    p_value,
    typeset,
)


@dataclass(frozen=True)
class MetricDifference:
    """Arm against scratch in one metric.

    Attributes:
        metric: `auroc_macro`, `auprc_macro`, `f1_weighted_tuned`, ...
        scratch: Mean over the seeds.
        arm: Mean over the seeds.
        difference: Arm less scratch.
    """

    metric: str
    scratch: float | None
    arm: float | None
    difference: Interval


@dataclass(frozen=True)
class ClassChange:
    """One class's gain or loss in AUROC.

    Attributes:
        name: Of the class.
        support: Positives among the test records.
        train_support: Positives among the training records; None if not known.
        scratch: Mean AUROC over the seeds; None without positives or negatives.
        arm: As `scratch`.
        difference: Arm less scratch.
        p_holm: Corrected for the number of classes of all comparisons of its family; see `Comparison.p_holm`.
        verdict: By `p_holm`. `loss` is negative transfer for this class.
    """

    name: str
    support: int
    train_support: int | None
    scratch: float | None
    arm: float | None
    difference: Interval
    p_holm: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """One arm against training from scratch: same data, split, network, seeds and test patients.

    Attributes:
        key: Unique in the study, fit for an HTML id.
        label: For people: `PTB-XL → LUDB, resnet1d18, full, 500 records`.
        downstream: Name of it.
        upstream: Name of it; None for a control.
        network: As the study names it.
        family: `cnn` or `rnn`.
        head: `pooled` or `flatten`.
        arm: As the study names it.
        primary: Whether it counts for the claims: the study's primary arm at the default of all axes.
        control: Whether the arm starts from no upstream (a frozen random encoder).
        size: Training records asked for; None for all.
        train_records: Training records that there were.
        axes: Value of each axis.
        difference: Of macro AUROC; `difference.p` is uncorrected.
        p_holm: Corrected by Holm within its family: the primary comparisons, the other pretrained ones, or
            the controls.
        verdict: By `p_holm` at 0.05 and the sign; `open` with one seed, whatever the difference.
        scratch_mean: Macro AUROC, mean over the seeds.
        arm_mean: Macro AUROC, mean over the seeds.
        seeds: Those that both arms have, in order.
        scratch_scores: Macro AUROC for each of `seeds`.
        arm_scores: Macro AUROC for each of `seeds`.
        records: Test records.
        patients: Test patients.
        classes: All.
        classes_scored: With positives and negatives in the test set: those in the mean.
        scratch_seeds_unpaired: Seeds of scratch without a partner, left out.
        arm_seeds_unpaired: Seeds of the arm without a partner, left out.
        metrics: The other metrics.
        per_class: Gain and loss by class, in the order of the targets.
        matches: One a seed; empty where the validation curves do not say.
        epochs_ratio: The arm's epochs to the same validation score over scratch's, geometric mean over the
            seeds; below 1 is faster. None where no run's curve says.
        seconds_ratio: As `epochs_ratio`, in seconds.
        melep: Of the upstream on this downstream; lower promises more.
        melep_entropy: What MELEP would be with an uninformative upstream.
        logme: Higher promises more.
        note: What weakens it, as a sentence; else empty.
    """

    key: str
    label: str
    downstream: str
    upstream: str | None
    network: str
    family: str
    head: str
    arm: str
    primary: bool
    control: bool
    size: int | None
    train_records: int
    axes: Axes
    difference: Interval
    p_holm: float | None
    verdict: Verdict
    scratch_mean: float | None
    arm_mean: float | None
    seeds: tuple[int, ...]
    scratch_scores: tuple[float, ...]
    arm_scores: tuple[float, ...]
    records: int
    patients: int
    classes: int
    classes_scored: int
    scratch_seeds_unpaired: tuple[int, ...] = ()
    arm_seeds_unpaired: tuple[int, ...] = ()
    metrics: tuple[MetricDifference, ...] = ()
    per_class: tuple[ClassChange, ...] = ()
    matches: tuple[Match, ...] = ()
    epochs_ratio: float | None = None
    seconds_ratio: float | None = None
    melep: float | None = None
    melep_entropy: float | None = None
    logme: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison with what further contrasts are made of.

    Attributes:
        cell: The arm's configuration.
        scratch: The configuration that it is compared with.
        gain: Arm less scratch, macro AUROC.
        comparison: What is reported of it.
    """

    cell: Cell
    scratch: Cell
    gain: Sample
    comparison: Comparison


def compare_all(grid: Grid) -> tuple[tuple[Compared, ...], tuple[str, ...]]:
    """Compare every configuration that has a scratch partner with it.

    Verdicts are corrected by Holm's method in three families: the comparisons that the claims are tested on
    (the primary arm at the default of all axes), the other pretrained ones, and the controls. The classes of
    all comparisons of a family are corrected together: "so many classes gain or lose" is said of all of them.

    Returns:
        The comparisons, and a sentence for each configuration that could not be compared.
    """
    compared: list[Compared] = []
    problems: list[str] = []
    for cell in grid.downstream():
        if cell.arm == grid.scratch_arm:
            continue
        scratch = grid.scratch_of(cell)
        seeds = grid.comparable(cell, scratch)
        if seeds:
            compared.append(_compare(grid, cell, scratch, seeds))
        else:
            problems.append(f"{grid.label(cell)}: not compared, {_obstacle(grid, cell, scratch)}.")
    order = sorted(compared, key=lambda c: _order(grid, c.cell))
    return _corrected(order), tuple(problems)


def verdict_of(estimate: float | None, p_corrected: float | None) -> Verdict:
    """Say on which side of 0 a difference is shown to be."""
    if estimate is None or p_corrected is None or p_corrected >= SIGNIFICANT:
        return "open"
    return "win" if estimate > 0 else "loss"


def _obstacle(grid: Grid, cell: Cell, scratch: Cell) -> str:
    if scratch not in grid.cells:
        return "no finished run from scratch like it"
    if set(grid.cells[cell]).isdisjoint(grid.cells[scratch]):
        return "it and scratch have no seed in common"
    return "it and scratch were tested on different records"


def _order(grid: Grid, cell: Cell) -> tuple[object, ...]:
    """Order as the study names things, largest size first."""
    settings = grid.settings

    def position(names: Mapping[str, object], name: str | None) -> int:
        return list(names).index(name) if name is not None and name in names else -1

    return (
        position(settings.downstreams, cell.dataset),
        not grid.is_default(cell),
        cell.axes,
        position(settings.arms, cell.arm),
        position(settings.upstreams, cell.upstream),
        position(settings.networks, cell.network),
        -grid.train_records(cell),
    )


def _corrected(compared: Sequence[Compared]) -> tuple[Compared, ...]:
    families: dict[str, list[int]] = {"primary": [], "other": [], "control": []}
    for k, one in enumerate(compared):
        family = "control" if one.comparison.control else "primary" if one.comparison.primary else "other"
        families[family].append(k)
    done = list(compared)
    for members in families.values():
        corrected = holm([compared[k].comparison.difference.p for k in members])
        for k, p in zip(members, corrected, strict=True):
            comparison = compared[k].comparison
            verdict = verdict_of(comparison.difference.estimate, p)
            done[k] = replace(compared[k], comparison=replace(comparison, p_holm=p, verdict=verdict))
        of_classes = iter(holm([c.difference.p for k in members for c in compared[k].comparison.per_class]))
        for k in members:
            classes = tuple(
                replace(change, p_holm=p, verdict=verdict_of(change.difference.estimate, p))
                for change in compared[k].comparison.per_class
                for p in (next(of_classes),)
            )
            done[k] = replace(done[k], comparison=replace(done[k].comparison, per_class=classes))
    return tuple(done)


def _compare(grid: Grid, cell: Cell, scratch: Cell, seeds: tuple[int, ...]) -> Compared:
    arm_scores, scratch_scores = grid.paired(cell, seeds), grid.paired(scratch, seeds)
    first = grid.first(cell)
    arm, base = grid.sample(cell, seeds=seeds), grid.sample(scratch, seeds=seeds)
    gain = subtract(arm, base)
    draws = gain.resamples
    matches = matches_of(grid, cell, scratch, seeds)
    foresight = _transferability(grid, cell)
    comparison = Comparison(
        key=_key(cell, grid),
        label=grid.label(cell),
        downstream=cell.dataset,
        upstream=cell.upstream,
        network=cell.network,
        family=str(first.result["family"]),
        head=str(first.result["head"]),
        arm=cell.arm,
        primary=grid.is_primary(cell),
        control=cell.kind == "control",
        size=cell.size,
        train_records=grid.train_records(cell),
        axes=cell.axes,
        difference=mean_interval([gain]),
        p_holm=None,
        verdict="open",
        scratch_mean=finite(base.mean),
        arm_mean=finite(arm.mean),
        seeds=seeds,
        scratch_scores=tuple(base.values.tolist()),
        arm_scores=tuple(arm.values.tolist()),
        records=len(first.record_ids),
        patients=draws.patients,
        classes=len(first.class_names),
        classes_scored=int(draws.scored.sum()),
        scratch_seeds_unpaired=tuple(sorted(set(grid.cells[scratch]) - set(seeds))),
        arm_seeds_unpaired=tuple(sorted(set(grid.cells[cell]) - set(seeds))),
        metrics=tuple(_metric(name, scratch_scores, arm_scores) for name in AVERAGES if name != PRIMARY),
        per_class=_by_class(grid, cell, scratch_scores, arm_scores),
        matches=matches,
        epochs_ratio=_ratio([(m.epochs, m.scratch_epochs) for m in matches]),
        seconds_ratio=_ratio([(m.seconds, m.scratch_seconds) for m in matches]),
        melep=foresight.get("melep"),
        melep_entropy=foresight.get("entropy"),
        logme=foresight.get("logme"),
        note=_note(grid, cell, scratch, seeds),
    )
    return Compared(cell, scratch, gain, comparison)


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    logs = [math.log(own / base) for own, base in pairs if own > 0 and base > 0]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _metric(name: str, scratch: Mapping[int, RunScores], arm: Mapping[int, RunScores]) -> MetricDifference:
    base, treated = sample_of(scratch, name), sample_of(arm, name)
    difference = mean_interval([subtract(treated, base)])
    return MetricDifference(name, finite(base.mean), finite(treated.mean), difference)


def _by_class(
    grid: Grid, cell: Cell, scratch: Mapping[int, RunScores], arm: Mapping[int, RunScores]
) -> tuple[ClassChange, ...]:
    run = grid.first(cell)
    train_support = run.result["data"].get("support", {}).get("train", {})
    scored = next(iter(arm.values())).resamples.scored
    changes = []
    for k, name in enumerate(run.class_names):
        base = treated = None
        difference = Interval(None, reason=NOT_SCORED)
        if scored[k]:
            before, after = (class_sample(runs, k, prior=grid.class_prior) for runs in (scratch, arm))
            base, treated = before.mean, after.mean
            difference = mean_interval([subtract(after, before)])
        known = train_support.get(name)
        changes.append(
            ClassChange(
                name,
                int(run.targets[:, k].sum()),
                None if known is None else int(known),
                base,
                treated,
                difference,
                None,
                "open",
            )
        )
    return tuple(changes)


def _transferability(grid: Grid, cell: Cell) -> dict[str, float]:
    """Find the upstream's scores before training: they are in one run of the pair, whichever its arm."""
    if cell.upstream is None:
        return {}
    for other, runs in grid.cells.items():
        if replace(other, arm=cell.arm, kind=cell.kind) == cell:
            for run in runs.values():
                found = run.result.get("transferability")
                if found:
                    return {
                        name: float(value)
                        for name, value in found.items()
                        if isinstance(value, int | float) and math.isfinite(value)
                    }
    return {}


def _note(grid: Grid, cell: Cell, scratch: Cell, seeds: tuple[int, ...]) -> str:
    notes = []
    left_out = len(grid.cells[cell]) + len(grid.cells[scratch]) - 2 * len(seeds)
    if left_out:
        notes.append(f"{left_out} runs without a partner of the same seed are left out.")
    arm_split, scratch_split = (
        {run.result["data"].get("split_hash") for run in grid.cells[c].values()} for c in (cell, scratch)
    )
    if arm_split != scratch_split:
        notes.append("The two arms were not trained on the same division of the records.")
    return " ".join(notes)


def _key(cell: Cell, grid: Grid) -> str:
    words = [cell.dataset, cell.network, cell.arm]
    words += [] if cell.upstream is None else ["from", cell.upstream]
    words += [] if cell.size is None else [f"n{cell.size}"]
    words += grid.axis_words(cell.axes)
    return re.sub(r"[^A-Za-z0-9]+", "-", " ".join(words)).strip("-").lower()


def finite(value: float) -> float | None:
    """Give None for what is not a number."""
    return value if np.isfinite(value) else None


def largest(compared: Sequence[Compared]) -> Mapping[Cell, Compared]:
    """Give each configuration at its largest size."""
    found: dict[Cell, Compared] = {}
    for one in compared:
        key = replace(one.cell, size=None)
        if key not in found or one.comparison.train_records > found[key].comparison.train_records:
            found[key] = one
    return found


def at_largest_size(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Keep, of each pair, network, arm and axis values, the comparison with most training records."""
    largest: dict[tuple[object, ...], Comparison] = {}
    for one in comparisons:
        key = (one.downstream, one.upstream, one.network, one.arm, one.axes)
        if key not in largest or one.train_records > largest[key].train_records:
            largest[key] = one
    return list(largest.values())


def comparisons_table(found: Sequence[Comparison], default: Axes) -> Table | None:
    """All comparisons, with what each rests on."""
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Upstream": one.upstream or "none (control)",
            "Network": one.network,
            "Arm": one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Training records": count(one.train_records),
            "#Scratch": number(one.scratch_mean),
            "#Arm": number(one.arm_mean),
            "Difference (95 % interval)": difference_cell(one.difference, one.verdict),
            "#p (Holm)": p_value(one.p_holm),
            "Verdict": verdict_cell(one.verdict, len(one.seeds)),
            "#Seeds": f"{len(one.seeds)}",
            "#Test records / patients": f"{count(one.records)} / {count(one.patients)}",
            "#Classes scored": f"{one.classes_scored} / {one.classes}",
            "Note": typeset(one.note),
        }
        for one in found
    ]
    return make_table(
        "Every comparison: macro AUROC on the test set",
        rows,
        "Scratch and arm are means over the seeds. Better and worse are by the p-value after Holm's "
        "correction; with one seed nothing is judged.",
    )


def metrics_table(found: Sequence[Comparison]) -> Table | None:
    """The other metrics of the primary comparisons at their largest size."""
    comparisons = at_largest_size([one for one in found if one.primary])
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Upstream": one.upstream or "",
            "Network": one.network,
            "Metric": METRICS.get(metric.metric, metric.metric),
            "#Scratch": number(metric.scratch),
            "#Arm": number(metric.arm),
            "Difference (95 % interval)": difference_cell(metric.difference),
            "#Classes scored": f"{one.classes_scored} / {one.classes}",
            "#Seeds": f"{len(one.seeds)}",
        }
        for one in comparisons
        for metric in one.metrics
    ]
    return make_table(
        "The same comparisons in other metrics",
        rows,
    )


METRICS = {
    "auprc_macro": "macro AUPRC",
    "f1_weighted_tuned": "weighted F1, tuned thresholds",
    "f1_macro_tuned": "macro F1, tuned thresholds",
    "f1_weighted": "weighted F1, threshold 0.5",
    "f1_macro": "macro F1, threshold 0.5",
    "brier": "Brier score",
    "ece": "calibration error",
    "fmax": "Fmax",
}


def _compare_study(study: Analysis) -> tuple[tuple[Compared, ...], tuple[str, ...]]:
    return compare_all(study.grid)


def compared_in(study: Analysis) -> tuple[Compared, ...]:
    """Give the comparisons of a study under analysis."""
    return study.once(_compare_study)[0]


def not_compared_in(study: Analysis) -> tuple[str, ...]:
    """Say which configurations of a study under analysis could not be compared, and why."""
    return study.once(_compare_study)[1]


def _files(found: Sequence[Comparison]) -> dict[str, Iterable[CsvRow]]:
    parts = ("metrics", "per_class", "matches", "scratch_scores", "arm_scores")
    return {
        "comparisons": (row_of(one, without=parts) for one in found),
        "seeds": (
            {"comparison": one.key, "label": one.label, "seed": seed, "scratch": scratch, "arm": arm}
            for one in found
            for seed, scratch, arm in zip(one.seeds, one.scratch_scores, one.arm_scores, strict=True)
        ),
        "metrics": rows_of_parts(found, ("key", "label"), "metrics"),
        "per_class": rows_of_parts(found, ("key", "label"), "per_class"),
        "convergence_by_seed": rows_of_parts(found, ("key", "label"), "matches"),
    }


register_topic(
    Topic(
        "comparisons",
        lambda study: tuple(one.comparison for one in compared_in(study)),
        _files,
        lambda found, default: {
            "comparisons": comparisons_table(found, default),
            "metrics": metrics_table(found),
        },
    )
)
