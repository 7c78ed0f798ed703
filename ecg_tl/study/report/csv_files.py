"""Everything that the report shows, as CSV files beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from ecg_tl.csv_text import text_cell
from ecg_tl.study.findings.columns import CsvRow
from ecg_tl.study.findings.findings import Findings, all_topics


def csv_tables(findings: Findings) -> dict[str, list[CsvRow]]:
    """Give the rows of every file, by its name. Nothing is rounded."""
    found = {
        name: list(rows)
        for topic in all_topics()
        for name, rows in topic.files(findings.of(topic.name)).items()
    }
    return dict(sorted(found.items()))


def rows_as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Write rows as CSV; a row without a column leaves it empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writerow({column: text_cell(column) for column in columns})
    for row in rows:
        writer.writerow({key: "" if value is None else text_cell(value) for key, value in row.items()})
    return text.getvalue()
