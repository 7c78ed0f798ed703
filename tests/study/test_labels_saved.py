"""Label efficiency in words: what is known at either end, and what is not."""

from __future__ import annotations

from typing import Any

from ecg_tl.study.findings.label_efficiency import LabelEfficiency, saved_words


def words(**changes: Any) -> str:
    given: dict[str, Any] = {
        "downstream": "ludb",
        "network": "resnet1d18",
        "arm": "full",
        "upstream": "ptbxl",
        "axes": (),
        "scratch_records": 4000,
        "scratch_score": 0.84,
        "records_needed": 1250.0,
        "factor": 3.2,
        "bound": "exact",
        "low": 1.8,
        "high": 5.1,
    }
    return saved_words(LabelEfficiency(**given | changes))


def test_a_factor_is_said_with_its_interval() -> None:
    assert words() == (
        "ludb, resnet1d18: full from ptbxl needs 3.2 times fewer labelled records for the score of scratch "
        "with 4,000 (0.840), about 1,250 (times fewer, 95 %: at least 1.8 and at most 5.1)."
    )
    assert "needs 2 times more labelled records" in words(factor=0.5, records_needed=8000.0)


def test_a_factor_that_is_only_bounded_says_so_in_words() -> None:
    enough = words(bound="at least", factor=8.0, records_needed=500.0, high=None, reason="No upper end: why.")
    assert "with 500 records already, the fewest that were tried: at least 8 times fewer" in enough
    assert "at most" not in enough
    assert enough.endswith("No upper end: why.")
    never = words(bound="at most", factor=1.0, records_needed=None, low=None, high=1.4)
    assert "does not reach the score of scratch with 4,000 (0.840) with the 4,000 that were tried" in never
    assert "no label is shown to be saved" in never
    assert "at least" not in never
