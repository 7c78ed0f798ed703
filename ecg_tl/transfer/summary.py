"""The transfer report as a table on the terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from ecg_tl.transfer.checkpoint import TransferReport


def print_report(report: TransferReport, console: Console | None = None) -> None:
    """Print a line a layer group, and by name every tensor of the backbone that was not loaded."""
    console = console or Console(stderr=True)
    table = Table(title=f"transfer from {report.upstream}", title_justify="left")
    table.add_column("layer group")
    table.add_column("tensors")
    table.add_column("parameters", justify="right")
    table.add_column("loaded", justify="right")
    for group, share in report.share_by_group().items():
        members = [t for t in report.tensors if t.group == group]
        states = Counter(t.state for t in members)
        table.add_row(
            group,
            ", ".join(f"{count} {state}" for state, count in states.items()),
            f"{sum(t.parameters for t in members):,}",
            f"{share:.0%}",
        )
    console.print(table)
    console.print(f"{report.coverage:.1%} of the backbone's parameters loaded")
    for state in ("shape-skipped", "missing", "unexpected"):
        names = [t.name for t in report.tensors if t.state == state]
        if names:
            console.print(f"{state}: {', '.join(names)}", highlight=False)
