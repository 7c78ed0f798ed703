"""Every arm against training from scratch on the same test patients, averaged over the seeds of both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ecg_tl.statistics.intervals import NOT_SCORED, Interval, equivalence_p, mean_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.replication import seed_of, split_of, training_words
from ecg_tl.statistics.scoring import (
    AVERAGES,
    PRIMARY,
    RunScores,
    class_sample,
    sample_of,
    subtract,
)
from ecg_tl.study.findings.columns import CsvRow, row_of, rows_of_parts
from ecg_tl.study.findings.compared import (
    ClassChange,
    Compared,
    Comparison,
    MetricDifference,
    finite,
    verdict_of,
)
from ecg_tl.study.findings.comparison_tables import comparisons_table, metrics_table
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.matches import matches_of
from ecg_tl.study.findings.topic import Analysis, Topic, register_topic


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
    return _corrected(order, grid.settings.margin), tuple(problems)


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
        position({**settings.networks, **settings.upstreams}, cell.network),
        -grid.train_records(cell),
    )


def _corrected(compared: Sequence[Compared], margin: float) -> tuple[Compared, ...]:
    families: dict[str, list[int]] = {"primary": [], "other": [], "control": []}
    for k, one in enumerate(compared):
        family = "control" if one.comparison.control else "primary" if one.comparison.primary else "other"
        families[family].append(k)
    done = list(compared)
    for members in families.values():
        corrected = holm([compared[k].comparison.difference.p for k in members])
        equivalent = holm([equivalence_p(compared[k].gain, margin) for k in members])
        for k, p, p_same in zip(members, corrected, equivalent, strict=True):
            comparison = compared[k].comparison
            verdict = verdict_of(comparison.difference.estimate, p, p_same)
            comparison = replace(comparison, p_holm=p, p_equivalent=p_same, verdict=verdict)
            done[k] = replace(compared[k], comparison=comparison)
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
        metrics=tuple(
            _metric(name, scratch_scores, arm_scores, grid.price) for name in AVERAGES if name != PRIMARY
        ),
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


def _metric(
    name: str, scratch: Mapping[int, RunScores], arm: Mapping[int, RunScores], price: float
) -> MetricDifference:
    base, treated = (replace(sample_of(runs, name), price=price) for runs in (scratch, arm))
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
            before, after = (
                replace(class_sample(runs, k, prior=grid.class_prior), price=grid.price)
                for runs in (scratch, arm)
            )
            base, treated = finite(before.mean), finite(after.mean)
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
        "comparisons": (
            row_of(one, without=parts) | {"seeds": "; ".join(map(training_words, one.seeds))} for one in found
        ),
        "seeds": (
            {
                "comparison": one.key,
                "label": one.label,
                "seed": seed_of(seed),
                "scratch": scratch,
                "arm": arm,
                "split": split_of(seed),
            }
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
