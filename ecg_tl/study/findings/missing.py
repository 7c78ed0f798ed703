"""Runs without a result."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings.tables import Line, Table, TableCell, make_table
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.run.results import Missing


def missing_table(found: Sequence[Missing]) -> Table | None:
    """Runs without a result."""
    rows: list[Line] = [
        {
            "Run": one.id,
            "State": TableCell(one.state, tone="loss" if one.state == "failed" else "muted"),
            "Error": one.error,
        }
        for one in found
    ]
    return make_table("Runs without a result", rows)


register_topic(
    Topic(
        "missing",
        lambda study: study.results.missing,
        one_file("missing"),
        lambda found, default: {"missing": missing_table(found)},
    )
)
