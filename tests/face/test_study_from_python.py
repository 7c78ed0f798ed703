"""A study in Python: the findings of the report, as tables."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import ecg_tl
from ecg_tl.errors import SettingError
from ecg_tl.study import from_python

sys.path.append(str(Path(__file__).parents[1] / "study"))
from fake_study import FakeStudy


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A study whose runs are finished, by its settings."""
    fake = FakeStudy(tmp_path / "study")
    fake.add("scratch", 0.8)
    fake.add("full", 1.5, upstream="up")
    runs = [SimpleNamespace(id=name) for name in fake.ids]
    monkeypatch.setattr(from_python, "make_plan", lambda settings: SimpleNamespace(runs=runs))
    return {
        "name": "fake",
        "folder": str(fake.folder),
        "upstreams": {"up": {}},
        "downstreams": {"down": {}},
        "networks": {"resnet1d18": {}},
        "arms": {"scratch": {}, "full": {"transfer": {}}},
    }


@pytest.mark.slow
def test_findings_are_those_of_the_report_as_tables(study: dict[str, Any], tmp_path: Path) -> None:
    found = ecg_tl.study(study, resamples=50, seeds=[0, 1, 2], progress=False)
    assert found.settings.seeds == (0, 1, 2)
    page = found.report(tmp_path / "report")
    assert "<svg" in page.read_text()
    files = {path.stem: pd.read_csv(path) for path in page.parent.glob("*.csv")}
    assert files.keys() == found.tables.keys()
    for name, table in files.items():
        assert list(table.columns) == list(found[name].columns), name
        assert len(table) == len(found[name]), name
    (comparison,) = found["comparisons"].to_dict("records")
    assert comparison["difference"] > 0
    assert found.figure(tmp_path / "main.svg").is_file()
    assert "--seeds=[0, 1, 2]" in found.findings.record.config


def test_a_table_that_is_not_there_is_said(study: dict[str, Any]) -> None:
    found = ecg_tl.study(study, resamples=50)
    with pytest.raises(SettingError, match=r"one of .*comparisons"):
        found["comparison"]


def test_the_package_is_the_function_however_it_is_imported(study: dict[str, Any]) -> None:
    import ecg_tl.study as package
    from ecg_tl.study.design.plan import make_plan

    assert make_plan is not None
    assert callable(package)
    assert package is ecg_tl.study
