"""The transfer report for people: a table on the terminal, and as text in TensorBoard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ecg_tl import terminal
from ecg_tl.markdown import bullets, inline
from ecg_tl.markdown import table as markdown_table
from ecg_tl.terminal import Console, Table
from ecg_tl.transfer.report import UNMATCHED, TransferReport

_COLUMNS = ("layer group", "tensors", "parameters", "from upstream")


def print_report(report: TransferReport, console: Console | None = None) -> None:
    """Print a line a layer group, and by name every tensor that is not simply loaded or left fresh."""
    console = console or terminal.console(stderr=True)
    table = Table(title=_title(report), title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in _COLUMNS[:2] else "right")
    for row in _rows(report):
        table.add_row(*row)
    console.print(table)
    for line in _lines(report):
        console.print(line, highlight=False, markup=False)


def markdown_report(report: TransferReport) -> str:
    """Give the same in Markdown, as TensorBoard shows text."""
    rows = ([inline(cell) for cell in row] for row in _rows(report))
    lines = bullets(map(inline, _lines(report)))
    return "\n\n".join([inline(_title(report)), markdown_table(_COLUMNS, rows), lines])


def _title(report: TransferReport) -> str:
    return f"transfer from {report.upstream}" if report.upstream else "no upstream: random weights"


def _rows(report: TransferReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for group, share in report.share_by_group().items():
        members = [t for t in report.tensors if t.group == group]
        states = Counter(t.state for t in members)
        rows.append(
            (
                group,
                ", ".join(f"{count} {state}" for state, count in states.items()),
                f"{sum(t.parameters for t in members):,}",
                f"{share:.0%}",
            )
        )
    return rows


def _lines(report: TransferReport) -> list[str]:
    shares = [f"{report.coverage:.1%} of the backbone's parameters loaded"]
    shares += [f"{share:.1%} of its batch norms' {kind}" for kind, share in report.norm_coverage.items()]
    lines = [", ".join(shares)] if report.upstream else []
    lines += [f"{t.name}: {t.state}, {t.note}" for t in report.tensors if t.note]
    for state in UNMATCHED:
        names = [t.name for t in report.tensors if t.state == state]
        if names:
            lines.append(f"{state}: {', '.join(names)}")
    if report.training is not None:
        lines.append(trained_line(report.training.as_dict()))
    if report.overlap is not None:
        lines += report.overlap.lines()
    return lines


def trained_line(training: Mapping[str, Any]) -> str:
    """Say in a line what `TrainedReport.as_dict` gave."""
    line = f"recipe {training['recipe']}: {training['parameters']:,} of {training['of']:,} parameters trained"
    line += f" ({training['share']:.2%})"
    if training["at_first"] != training["parameters"]:
        line += f", {training['at_first']:,} of them from the first epoch on"
    return line
