"""The report's further figures, each from findings alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecg_tl.figures.forest import Mark, Row, RowGroup, Scale, paint_forests
from ecg_tl.figures.svg import Picture, drawing, picture
from ecg_tl.figures.theme import series_marker, series_role
from ecg_tl.study.findings.axis_effects import AxisEffect
from ecg_tl.study.findings.calibration import CalibrationRow
from ecg_tl.study.findings.convergence import Convergence
from ecg_tl.study.findings.curves import Curve
from ecg_tl.study.findings.families import FamilyContrast
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.pretraining_curves import PretrainingCurve
from ecg_tl.study.findings.tables import ROLES, times
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import number, percent, plural, signed
from ecg_tl.study.report.main_figure import (
    GAIN,
    claimed_axes,
    comparison_groups,
    counts,
    interval_text,
    main_comparisons,
    main_picture,
)
from ecg_tl.study.report.panels import (
    Series,
    paint_break_even,
    paint_curves,
    paint_pretraining,
    paint_scatter,
    reach_of,
)

MOST_FURTHER_ROWS = 120
"""Of a figure that a table stands beside; with more, the table alone shows them."""

HEADS = {
    "flatten": "RNNs that flatten all time steps, as the paper's",
    "pooled": "RNNs that pool over time: no head confound",
    "all": "All RNNs",
}


def make_figures(findings: Findings) -> dict[str, tuple[Picture, ...]]:
    """Draw every figure that the findings have something for, by the part of the report that shows it."""
    with drawing():
        found: dict[str, Iterable[Picture | None]] = {
            "main": (main_picture(findings),),
            "arms": (_arms(findings),),
            "curves": _curves(findings),
            "convergence": (_convergence(findings.convergence),),
            "families": (_families(findings.families),),
            "break_even": _break_even(findings),
            "transferability": _transferability(findings),
            "calibration": (_calibration(findings),),
            "axes": (_axis_effects(findings.axis_effects),),
            "second_opinion": (_second_opinions(findings),),
            "pretraining": (_pretraining(findings.of("pretraining_curves")),),
        }
        return {part: tuple(filter(None, pictures)) for part, pictures in found.items()}


def _arms(findings: Findings) -> Picture | None:
    """Draw every arm and control at the default axes, where the main figure left some out."""
    axes = claimed_axes(findings)
    comparisons = [one for one in findings.comparisons if one.axes == axes]
    if not len(main_comparisons(findings)) < len(comparisons) <= MOST_FURTHER_ROWS:
        return None
    groups = []
    for group in comparison_groups(comparisons):
        own = [one for one in comparisons if one.downstream == group.title]
        sizes = {one.train_records for one in own}
        rows = tuple(
            Row(**{**vars(row), "detail": f"{row.detail}, {one.train_records} records"})
            if len(sizes) > 1
            else row
            for row, one in zip(group.rows, own, strict=True)
        )
        groups.append(RowGroup(group.title, group.subtitle, rows))
    return picture(
        "arms",
        "Every arm, control and size",
        "As the main figure, for all that was run at the default of all axes. Controls start from a random "
        "network: what a frozen random encoder gains is not owed to pre-training.",
        f"Forest plot of {plural(len(comparisons), 'comparison')}; the table below holds the numbers.",
        *paint_forests(groups, GAIN),
    )


def _curves(findings: Findings) -> Iterable[Picture]:
    several = len({curve.upstream for curve in findings.curves if curve.upstream}) > 1

    def name(curve: Curve) -> str:
        return f"{curve.arm} from {curve.upstream}" if several and curve.upstream else curve.arm

    # Scratch first: it is drawn in grey.
    names = list(dict.fromkeys(map(name, sorted(findings.curves, key=lambda curve: bool(curve.upstream)))))
    trends = {(one.downstream, one.network, one.arm, one.upstream, one.axes): one for one in findings.trends}
    aims = {(one.downstream, one.network, one.axes): one.scratch_score for one in findings.label_efficiency}
    default = claimed_axes(findings)
    groups: dict[tuple[str, str, Axes], list[Series]] = {}
    for curve in findings.curves:
        trend = trends.get((curve.downstream, curve.network, curve.arm, curve.upstream, curve.axes))
        groups.setdefault((curve.downstream, curve.network, curve.axes), []).append(
            Series(name(curve), curve, trend)
        )
    for position, ((downstream, network, axes), series) in enumerate(groups.items()):
        title = f"{downstream}, {network}"
        if axes != default:
            title += ", " + ", ".join(value for axis, value in axes if (axis, value) not in default)
        shown = [one.name for one in series]
        # Panels of one downstream share their axes, so that they can be compared by eye.
        reach = reach_of([one for key, found in groups.items() if key[0] == downstream for one in found])
        yield picture(
            f"curve-{position}",
            title,
            "",
            f"Learning curves of {', '.join(shown)} on {title}: macro AUROC against training records. "
            "curves.csv holds the numbers.",
            (paint_curves(title, series, names, reach, aims.get((downstream, network, axes))),),
            legend=[(series_role(one, names), series_marker(one, names), one) for one in names],
        )


def _pretraining(curves: Sequence[PretrainingCurve]) -> Picture | None:
    if not any(len(one.points) > 1 for one in curves):
        return None
    several = len({one.training for one in curves}) > 1
    names = [
        f"{one.upstream}, {one.network}" + (f", seed {one.training}" if several else "") for one in curves
    ]
    known = ["", *names]  # the first is drawn in grey, as scratch is elsewhere
    return picture(
        "pretraining",
        "Probe against hours",
        "",
        f"Macro AUROC of the probes of {', '.join(names)} against hours of pre-training. "
        "pretraining_curves.csv holds the numbers.",
        (paint_pretraining(curves, [(series_role(one, known), series_marker(one, known)) for one in names]),),
        legend=[(series_role(one, known), series_marker(one, known), one) for one in names],
    )


def _convergence(rows: Sequence[Convergence]) -> Picture | None:
    groups = []
    for arm in dict.fromkeys(row.arm for row in rows):
        own = [row for row in rows if row.arm == arm]
        groups.append(
            RowGroup(
                arm,
                plural(max(row.trainings for row in own), "training") + ", each against its scratch partner",
                tuple(
                    Row(
                        label={"cnn": "CNNs", "rnn": "RNNs", "all": "All networks"}.get(
                            row.family, row.family
                        ),
                        detail=f"{row.faster} faster, {row.slower} slower, {row.same} as fast",
                        estimate=row.epochs_ratio.estimate,
                        low=row.epochs_ratio.low,
                        high=row.epochs_ratio.high,
                        text=times(row.epochs_ratio),
                        role=ROLES[row.verdict],
                        filled=row.verdict != "open",
                    )
                    for row in own
                ),
            )
        )
    if not any(row.epochs_ratio.estimate is not None for row in rows):
        return None
    scale = Scale("Epochs, as a multiple of scratch's", "faster", "slower", 1.0, logarithmic=True)
    return picture(
        "convergence",
        "Epochs to the same validation score",
        "Geometric mean of the arm's epochs over scratch's, with its 95 % confidence interval. Both "
        "trainings of a pair are timed to one score, which treats them alike. A filled point differs from 1 "
        "after correction for the number of rows.",
        "Forest plot of epochs to the same score, by arm and kind of network; the table holds the numbers.",
        *paint_forests(groups, scale),
    )


def _families(contrasts: Sequence[FamilyContrast]) -> Picture | None:
    groups = tuple(
        RowGroup(
            HEADS[one.head],
            plural(one.pairs, "pair")
            + " of upstream and downstream"
            + (f" · the new head is up to {percent(one.head_share)} of an RNN" if one.head_share else ""),
            tuple(
                Row(label, detail, gain.estimate, gain.low, gain.high, interval_text(gain), role, filled)
                for label, detail, gain, role, filled in (
                    ("Gain of CNNs", ", ".join(one.cnn_networks), one.cnn_gain, "series-0", True),
                    ("Gain of RNNs", ", ".join(one.rnn_networks), one.rnn_gain, "series-0", False),
                    ("CNNs less RNNs", "", one.contrast, "series-4", True),
                )
            ),
        )
        for one in contrasts
    )
    if not groups:
        return None
    scale = Scale("Gain in macro AUROC over scratch, and its contrast")
    return picture(
        "families",
        "Who gains more, CNNs or RNNs?",
        "Mean gain over the pairs that have both, with 95 % confidence intervals, and "
        "the difference of the two.",
        "Forest plot of the gains of CNNs and RNNs; families.csv holds the numbers.",
        *paint_forests(groups, scale),
    )


def _break_even(findings: Findings) -> Iterable[Picture]:
    """Draw the primary arm; the table holds the others."""
    default = claimed_axes(findings)
    primary = {one.arm for one in findings.comparisons if one.primary}
    shown = [one for one in findings.break_even if one.axes == default and one.arm in primary]
    for position, one in enumerate(shown):
        yield picture(
            f"break-even-{position}",
            f"{one.upstream}, {one.network}, {one.arm}",
            "",
            one.explanation,
            (paint_break_even(one),),
            legend=[("series-0", "-", "scratch"), ("series-1", "-", "pre-training first, then fine-tuning")],
        )


def _transferability(findings: Findings) -> Iterable[Picture]:
    for position, one in enumerate(one for one in findings.transferability if one.points):
        yield picture(
            f"transferability-{position}",
            f"{one.score} and {one.outcome}",
            "",
            one.explanation,
            (paint_scatter(one),),
        )


def _calibration(findings: Findings) -> Picture | None:
    default = claimed_axes(findings)
    rows = [row for row in findings.calibration if row.axes == default and row.ece is not None]
    groups = [
        RowGroup(
            downstream,
            plural(max(row.seeds for row in own), "seed"),
            tuple(_calibration_row(row) for row in own),
        )
        for downstream, own in _by_downstream(rows).items()
    ]
    if not groups or len(rows) > MOST_FURTHER_ROWS:
        return None
    scale = Scale("Expected calibration error on the test set (lower is better)", zero=None)
    return picture(
        "calibration",
        "Calibration",
        "Expected calibration error as trained (hollow), and after temperature scaling on validation data "
        "(filled).",
        "Expected calibration error of each configuration; the table holds the numbers.",
        *paint_forests(groups, scale),
    )


def _by_downstream(rows: Sequence[CalibrationRow]) -> dict[str, list[CalibrationRow]]:
    found: dict[str, list[CalibrationRow]] = {}
    for row in rows:
        found.setdefault(row.downstream, []).append(row)
    return found


def _calibration_row(row: CalibrationRow) -> Row:
    assert row.ece is not None
    role = "series-0" if row.upstream is None else "series-1"
    after = row.ece_calibrated
    return Row(
        label=row.network,
        detail=f"{row.arm} from {row.upstream}" if row.upstream else row.arm,
        estimate=after,
        low=None if after is None else min(row.ece, after),
        high=None if after is None else max(row.ece, after),
        text=number(row.ece) if after is None else f"{number(row.ece)} → {number(after)}",
        role=role,
        marks=(Mark(row.ece, "o", role),),
    )


def _axis_effects(effects: Sequence[AxisEffect]) -> Picture | None:
    found: dict[tuple[object, ...], list[AxisEffect]] = {}
    for one in effects:
        key = (one.axis, one.downstream, one.upstream, one.network, one.arm, one.size)
        found.setdefault(key, []).append(one)
    groups = []
    for own in found.values():
        one = own[0]
        gains = [(one.default, one.gain_default, one.verdict_default, "default")]
        gains += [(other.value, other.gain_value, other.verdict_value, "") for other in own]
        changes = [
            f"{other.value}: scratch {signed(other.scratch_change.estimate)}, {other.arm} "
            f"{signed(other.arm_change.estimate)}, gain {interval_text(other.gain_change)}"
            for other in own
        ]
        size = f", {one.size} records" if one.size else ""
        groups.append(
            RowGroup(
                f"{one.upstream} → {one.downstream}, {one.network}, {one.arm}{size}",
                " · ".join(changes),
                tuple(
                    Row(
                        f"{one.axis}: {value}",
                        note,
                        gain.estimate,
                        gain.low,
                        gain.high,
                        interval_text(gain),
                        ROLES[verdict],
                        verdict != "open",
                    )
                    for value, gain, verdict, note in gains
                ),
            )
        )
    if not groups:
        return None
    return picture(
        "axes",
        "The same comparison under another setting",
        "Gain of fine-tuning over scratch at the default and at the other value, with 95 % confidence "
        "intervals. Under each heading, what the other value changes: scratch, the arm, and the gain itself.",
        "Forest plot of the gains under the default and under other settings; the table holds the numbers.",
        *paint_forests(groups, GAIN),
    )


def _second_opinions(findings: Findings) -> Picture | None:
    comparisons = {one.key: one for one in findings.comparisons}
    groups: dict[str, list[Row]] = {}
    for one in findings.second_opinions:
        comparison = comparisons.get(one.comparison)
        strict, marks = one.strict_f1, (one.peeking_f1, one.recordwise_f1)
        if comparison is None or (strict is None and marks == (None, None)):
            continue
        groups.setdefault(comparison.downstream, []).append(
            Row(
                label=f"{comparison.upstream} → {comparison.network}",
                detail=", ".join(
                    filter(None, (comparison.arm, f"{comparison.size} records" if comparison.size else ""))
                ),
                estimate=strict.estimate if strict else None,
                low=strict.low if strict else None,
                high=strict.high if strict else None,
                text=interval_text(strict) if strict else "",
                role="series-0",
                marks=tuple(
                    Mark(value, marker, role)
                    for value, marker, role in zip(marks, "^D", ("series-2", "series-4"), strict=True)
                    if value is not None
                ),
            )
        )
    if not groups:
        return None
    shown = [
        RowGroup(name, counts([one for one in findings.comparisons if one.downstream == name]), tuple(rows))
        for name, rows in groups.items()
    ]
    scale = Scale("Difference in weighted F1 on the test set", "scratch better", "fine-tuning better")
    return picture(
        "second-opinion",
        "What looser rules would have claimed",
        "Weighted F1 of fine-tuning less that of scratch. The point with its 95 % confidence interval "
        "follows the strict rules; the other marks are single trainings judged by their best epoch on "
        "the test set.",
        "Forest plot of the comparisons by strict and by looser rules; the table holds the numbers.",
        *paint_forests(shown, scale),
        legend=(
            ("series-0", "o", "strict"),
            ("series-2", "^", "same runs, best epoch on the test set"),
            ("series-4", "D", "split by record, best epoch on the test set"),
        ),
    )
