"""Every column of numbers has its `?`."""

from __future__ import annotations

import re
from pathlib import Path

from ecg_tl.study.findings.tables import make_table
from ecg_tl.study.report.explanations import EXPLANATIONS, explained

FINDINGS = Path(__file__).parents[3] / "ecg_tl" / "study" / "findings"


def test_every_heading_of_numbers_in_the_findings_says_how_it_comes_about() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FINDINGS.rglob("*.py"))
    headings = set(re.findall(r'"#([^"{}]+)"', text))
    assert len(headings) > 60  # they are found
    assert headings - EXPLANATIONS.keys() == set()


def test_no_explanation_is_of_a_column_that_is_gone() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FINDINGS.rglob("*.py"))
    assert [heading for heading in EXPLANATIONS if f'{heading}"' not in text] == []


def test_a_table_explains_its_own_columns_alone() -> None:
    table = make_table("t", [{"Name": "a", "#Seeds": "3", "#Other": "1", "#up → net": "+0.1"}])
    assert table is not None
    assert [heading for heading, _ in explained(table)] == ["Seeds", "up → net"]
