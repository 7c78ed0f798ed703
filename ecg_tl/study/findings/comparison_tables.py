"""Tables of the comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings.compared import Comparison, at_largest_size
from ecg_tl.study.findings.tables import (
    Line,
    Table,
    axis_words,
    difference_cell,
    make_table,
    verdict_cell,
)
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import count, number, p_value, typeset


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
        "correction; equivalent: shown to differ by less than the study's margin; with one seed nothing is "
        "judged.",
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
