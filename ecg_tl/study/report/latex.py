"""The tables of a report for a paper: one file, a `table` environment each, for the package `booktabs`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ecg_tl.printing import visible
from ecg_tl.study.findings.tables import Table, TableCell
from ecg_tl.study.findings.wording import MINUS, THIN

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{letter: rf"\{letter}" for letter in "#$%&_"},
    MINUS: "$-$",
    THIN: r"\,",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "–": "--",
}


def tables_as_latex(tables: Mapping[str, Table | None]) -> str:
    """Write tables, those that are there.

    Args:
        tables: By the name of the CSV file that holds their numbers, which names their label.
    """
    found = [_table(name, table) for name, table in tables.items() if table is not None]
    head = "% Tables of a study's report, for \\usepackage{booktabs}; other scripts take LuaLaTeX or XeLaTeX."
    return f"{head}\n\n" + "\n".join(found)


def latex_text(text: str) -> str:
    """Write text so that LaTeX shows it as it stands, on one line."""
    plain = re.sub(r"\s+", " ", visible(text.replace(THIN, "\0"))).replace("\0", THIN)
    return "".join(_SPECIAL.get(letter, letter) for letter in plain)


def _table(name: str, table: Table) -> str:
    columns = "".join("r" if column.startswith("#") else "l" for column in table.columns)
    heads = " & ".join(latex_text(column.removeprefix("#")) for column in table.columns)
    rows = "\n".join(" & ".join(map(_cell, row)) + r" \\" for row in table.rows)
    note = rf"\par\footnotesize {latex_text(table.note)}" if table.note else ""
    lines = (
        r"\begin{table}",
        rf"\caption{{{latex_text(table.caption)}}}",
        rf"\label{{tab:{re.sub(r'[^a-z0-9-]+', '-', name.lower())}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
        rows,
        r"\bottomrule",
        r"\end{tabular}",
        *([note] if note else []),
        r"\end{table}",
    )
    return "\n".join(lines) + "\n"


def _cell(cell: TableCell) -> str:
    text = latex_text(cell.text)
    return rf"{text} ({latex_text(cell.note)})" if cell.note else text
