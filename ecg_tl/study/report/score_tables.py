"""Tables of scores and differences: what the study measured."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings import (
    Answer,
    ClassChange,
    Comparison,
    Findings,
    ModelScore,
)
from ecg_tl.study.report.main_figure import ROLES, at_largest_size, default_axes
from ecg_tl.study.report.tables import (
    VERDICTS,
    Cell,
    Line,
    Table,
    axis_words,
    difference_cell,
    make_table,
    score_cell,
    verdict_cell,
)
from ecg_tl.study.report.wording import (
    NOTHING,
    count,
    duration,
    number,
    p_value,
    signed,
    typeset,
)


def comparisons_table(findings: Findings) -> Table | None:
    """All comparisons, with what each rests on."""
    default = default_axes(findings)
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
        for one in findings.comparisons
    ]
    return make_table(
        "Every comparison: macro AUROC on the test set",
        rows,
        "Scratch and arm are means over the seeds. Better and worse are by the p-value after Holm's "
        "correction; with one seed nothing is judged.",
    )


def metrics_table(findings: Findings) -> Table | None:
    """The other metrics of the primary comparisons at their largest size."""
    comparisons = at_largest_size([one for one in findings.comparisons if one.primary])
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


def models_table(findings: Findings) -> Table | None:
    """Absolute scores of every configuration, upstreams included."""
    default = default_axes(findings)

    def row(one: ModelScore) -> Line:
        return {
            "Dataset": one.dataset,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Training records": count(one.train_records),
            "#Macro AUROC (95 % interval)": score_cell(one.auroc_macro),
            "#Macro AUPRC": number(one.auprc_macro),
            "#Weighted F1": number(one.f1_weighted),
            "#Macro F1": number(one.f1_macro),
            "#Validation score": number(one.validation),
            "#Classes scored": f"{one.classes_scored}",
            "#Seeds": f"{one.auroc_macro.seeds}",
            "#Parameters": count(one.parameters),
            "#Trained": count(one.trainable_parameters),
            "#Epochs to best": number(one.epochs_to_best, 1),
            "#Training time": duration(one.seconds),
        }

    return make_table(
        "Absolute scores on the test set",
        [row(one) for one in findings.models],
        "Means over the seeds. F1 at thresholds tuned on validation data.",
    )


def class_tables(findings: Findings) -> tuple[Table, ...]:
    """Gain and loss by class, a table for each downstream, at the largest size of the primary arm."""
    primary = at_largest_size([one for one in findings.comparisons if one.primary])
    tables = []
    for downstream in dict.fromkeys(one.downstream for one in primary):
        own = [one for one in primary if one.downstream == downstream and one.per_class]
        if not own:
            continue
        names = list(dict.fromkeys(change.name for one in own for change in one.per_class))
        by_name = [{change.name: change for change in one.per_class} for one in own]
        rows = [_class_row(name, by_name) for name in names]
        columns = [f"#{one.upstream} → {one.network}" for one in own]
        first = own[0]
        tables.append(
            Table(
                f"{downstream}: change of AUROC by class, {first.arm} less scratch",
                ("Class", "#Positives, test", "#Positives, training", *columns),
                tuple(rows),
                f"{first.records} test records of {first.patients} patients, {len(first.seeds)} "
                f"{'seed' if len(first.seeds) == 1 else 'seeds'}. Coloured where the difference holds after "
                "correction for all classes of all such comparisons; the 95 % interval stands below each.",
            )
        )
    return tuple(tables)


def _class_row(name: str, by_name: Sequence[dict[str, ClassChange]]) -> tuple[Cell, ...]:
    first = next(changes[name] for changes in by_name if name in changes)
    cells = [Cell(name), Cell(count(first.support)), Cell(count(first.train_support))]
    for changes in by_name:
        change = changes.get(name)
        if change is None or change.difference.estimate is None:
            cells.append(Cell("not scored", tone="muted"))
        else:
            cells.append(difference_cell(change.difference, change.verdict, drawn=False))
    return tuple(cells)


def negative_transfer(comparisons: Sequence[Comparison]) -> tuple[int, int, int]:
    """Count the classes that gain, lose and are scored, of the primary comparisons at their largest size."""
    scored = [
        change
        for one in at_largest_size([one for one in comparisons if one.primary])
        for change in one.per_class
        if change.difference.estimate is not None
    ]
    gains, losses = (sum(change.verdict == verdict for change in scored) for verdict in ("win", "loss"))
    return gains, losses, len(scored)


def candidates_table(answer: Answer) -> Table | None:
    """What was to choose from for a downstream."""
    rows: list[Line] = [
        {
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "#Validation score": number(one.validation),
            "#Test, macro AUROC": number(one.test),
            "": "recommended" if one.chosen else "best of scratch" if one.best_scratch else "",
        }
        for one in answer.candidates
    ]
    return make_table(
        "What there was to choose from",
        rows,
        "The choice is by the validation score alone.",
    )


def axes_table(findings: Findings) -> Table | None:
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
            "Gain turns its sign": Cell("yes", tone="caution") if one.sign_flips else "no",
            "In words": typeset(one.explanation),
        }
        for one in findings.axis_effects
    ]
    return make_table(
        "What another setting changes, in macro AUROC",
        rows,
    )


def second_opinion_table(findings: Findings) -> Table | None:
    """Strict verdicts beside those of looser rules."""

    def claimed(value: float | None, verdict: str | None) -> Cell:
        if value is None or verdict is None:
            return Cell(NOTHING)
        return Cell(VERDICTS[verdict], f"{signed(value)} F1", ROLES[verdict] if verdict != "tie" else "muted")

    rows: list[Line] = [
        {
            "Comparison": one.label,
            "Strict verdict": Cell(
                VERDICTS[one.strict_verdict],
                f"{signed(one.strict.estimate)} AUROC",
                ROLES[one.strict_verdict] if one.strict_verdict != "open" else "muted",
            ),
            "#Strict, weighted F1": difference_cell(one.strict_f1, drawn=False) if one.strict_f1 else NOTHING,
            "Best epoch on the test set": claimed(one.peeking_f1, one.peeking_verdict),
            "#Seeds that say the opposite": NOTHING if one.peeking_flips is None else f"{one.peeking_flips}",
            "Split by record": claimed(one.recordwise_f1, one.recordwise_verdict),
            "Patients in two parts": {True: "yes", False: "no", None: NOTHING}[one.shared_patients],
            "#Optimism, scratch / arm": f"{signed(one.scratch_optimism)} / {signed(one.arm_optimism)}",
            "Agree": Cell("yes") if one.agrees else Cell("no", tone="caution"),
        }
        for one in findings.second_opinions
    ]
    return make_table(
        "The same comparisons, judged twice",
        rows,
        "Optimism: by how much the best epoch on the test set exceeds the epoch that validation chose, "
        "in weighted F1.",
    )
