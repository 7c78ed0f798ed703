"""The findings in short, for a terminal: the answers, the comparisons, the claims."""

from __future__ import annotations

from collections.abc import Iterator

from ecg_tl.study.findings.compared import Comparison
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.tables import axis_words
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import number, p_value, signed, span, typeset
from ecg_tl.study.report.main_figure import claimed_axes, holds_for
from ecg_tl.terminal import Table, Text

_TONES = {"win": "green", "loss": "red", "equivalent": "cyan", "open": ""}


def summarize(findings: Findings) -> Iterator[Table | Text]:
    """Give what a report opens with, piece by piece."""
    for warning in findings.warnings:
        yield Text(typeset(warning), style="yellow")
    for answer in findings.answers:
        yield Text.assemble("\n", (f"{answer.downstream}: ", "bold"), (typeset(answer.headline), "bold"))
        yield Text(typeset(answer.explanation))
    if findings.comparisons:
        yield _comparisons(findings)
        yield Text(typeset(holds_for(findings)), style="dim")
    yield _claims(findings)


def _comparisons(findings: Findings) -> Table:
    table = Table(title="\nMacro AUROC on the test records", title_justify="left")
    for column in ("downstream", "network", "arm"):
        table.add_column(column)
    for column in (
        "records",
        "seeds",
        "classes",
        "scratch",
        "arm's",
        "difference",
        "95 % interval",
        "p (Holm)",
    ):
        table.add_column(column, justify="right")
    default = claimed_axes(findings)
    for one in findings.comparisons:
        table.add_row(
            one.downstream,
            one.network,
            _arm(one, default),
            str(one.train_records),
            str(len(one.seeds)),
            f"{one.classes_scored} of {one.classes}",
            number(one.scratch_mean),
            number(one.arm_mean),
            signed(one.difference.estimate),
            span(one.difference.low, one.difference.high),
            p_value(one.p_holm),
            style=_TONES[one.verdict],
        )
    return table


def _arm(comparison: Comparison, default: Axes) -> str:
    origin = "" if comparison.upstream is None else f" from {comparison.upstream}"
    values = axis_words(comparison.axes, default)
    return f"{comparison.arm}{origin}" + (f", {values}" if values else "")


def _claims(findings: Findings) -> Table:
    table = Table(
        title="\nThe paper's claims, on the mean of the comparisons above",
        title_justify="left",
        show_lines=False,
    )
    table.add_column("")
    table.add_column("claim")
    table.add_column("verdict", no_wrap=True)
    for claim in findings.claims:
        table.add_row(str(claim.number), typeset(claim.statement), claim.verdict)
    return table
