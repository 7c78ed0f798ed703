"""The demo runs from nothing to its report, and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_tl.cli import main

TINY = ["--upstream_records", "60", "--downstream_records", "40", "--progress", "false"]
TINY += ["--upstream_epochs", "1", "--downstream_epochs", "1"]
STUDY = Path(__file__).parents[1] / "configs" / "study" / "demo.yaml"
SEEDS = "seeds: [0, 1, 2]"


@pytest.mark.slow
def test_the_demo_ends_with_the_report_and_makes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert SEEDS in STUDY.read_text()
    Path("study.yaml").write_text(STUDY.read_text().replace(SEEDS, "seeds: [0]"))
    words = ["demo", *TINY, "--study", "study.yaml"]
    assert main(words) == 0
    folder = tmp_path / "demo" / "60-40-0" / "study"
    page = folder / "report" / "index.html"
    printed = capfd.readouterr().out
    for part in ("Macro AUROC on the test records", "The paper's claims", str(page.relative_to(tmp_path))):
        assert part in printed
    assert "<svg" in page.read_text()
    results = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/result.json")}
    assert len(results) == 2 + 2 * 2  # an upstream a network, and its two arms

    assert main(words) == 0
    assert "is there already" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/result.json")} == results


def test_a_study_that_is_not_there_is_refused_before_anything_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--study", "dmeo"]) == 2
    assert "dmeo: found no such file, and no shipped config" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
