"""The demo runs from nothing to its answer, and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tl.cli import main

TINY = ["--upstream_records", "60", "--downstream_records", "60", "--progress", "false"]


@pytest.mark.slow
def test_the_demo_ends_with_the_answer_and_makes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    words = ["demo", *TINY]
    assert main(words) == 0
    folder = tmp_path / "demo" / "60-60-0" / "answer"
    page = folder / "report" / "index.html"
    printed = capfd.readouterr().out
    for part in ("What will be done", "decides nothing", str(page.relative_to(tmp_path))):
        assert part in printed
    assert "<svg" in page.read_text()
    results = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/result.json")}
    assert len(results) == 1 + 2 * 2  # an upstream; from scratch and fine-tuned, two seeds each

    assert main(words) == 0
    assert "is there already" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/result.json")} == results


def test_a_budget_that_is_no_time_is_refused_before_anything_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--budget", "soon"]) == 2
    assert "'soon'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
