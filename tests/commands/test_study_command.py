"""`ecg-tl study`: its words, what they print, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ecg_tl.cli import main
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import read_study
from ecg_tl.study.run.scheduler import StudyEnd


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A study whose data are not there."""
    path = tmp_path / "study.yaml"
    content = {
        "name": "nowhere",
        "folder": str(tmp_path / "study"),
        "data_root": str(tmp_path / "data"),
        "upstreams": {"up": {"data": {"class_path": "PtbXlDataModule", "init_args": {"root": "ptbxl"}}}},
        "downstreams": {"down": {"data": {"class_path": "LudbDataModule", "init_args": {"root": "ludb"}}}},
        "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
        "arms": {"scratch": {}, "full": {"transfer": {"recipe": "full"}}},
        "seeds": [0, 1],
        "second_opinion": False,
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_a_plan_can_be_made_without_data(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "plan", str(config), "--every", "--seeds", "[0, 1, 2]"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "7 runs: 1 train an upstream, from which 3 start; the other 3 start from nothing." in printed
    assert "down: sizes unknown," in printed
    assert "to go" not in printed
    assert "down-gru-full-from-up-s2-" in printed


@pytest.mark.parametrize("word", ["plan", "run"])
def test_nothing_is_written_for_settings_that_cannot_be_run(config: Path, tmp_path: Path, word: str) -> None:
    assert main(["study", word, str(config), "--settings.trainer.max_epoch", "3"]) == 2
    assert not (tmp_path / "study").exists()


def test_the_status_of_a_study_that_nobody_has_begun(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "status", str(config)]) == 0
    assert "5 runs: 5 waiting" in capsys.readouterr().out
    assert not (tmp_path / "study").exists()  # it only looks


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["study", "plann"], "found `study plann`, expected one of plan, run, status, report"),
        (["study", "plan", "--every"], "--every before the study's YAML"),
        (["study", "plan", "CONFIG", "--concurrent", "x"], "'x' is no whole number"),
        (["study", "plan", "CONFIG", "--concurrent", "0"], "--concurrent: '0' is no whole number from 1"),
        (["study", "plan", "CONFIG", "--sedes", "[1]"], "unrecognized arguments: --sedes"),
        (["study", "run", "CONFIG", "--executor", "slurm"], "invalid choice: 'slurm'"),
        (["study", "run", "CONFIG", "--progress", "yes"], "'yes' is neither true nor false"),
        (["study", "run", "CONFIG", "--grid", '[{"arms": ["ful"]}]'], "Did you mean full?"),
        (["study", "report", "CONFIG"], "no finished run of this study"),
        (["study", "report", "CONFIG", "--resamples", "0"], "--resamples: '0' is no whole"),
        (["study", "status", "nothing.yaml"], "nothing.yaml: found no such file"),
    ],
)
def test_what_is_wrong_with_the_words_is_one_line(
    config: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(config) if word == "CONFIG" else word for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("ecg-tl: error: ")
    assert message in line


@pytest.mark.parametrize(
    "words", [["study"], ["study", "-h"], ["study", "run", "--help"], ["study", "plan", "-h"]]
)
def test_help_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "usage: ecg-tl study" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (StudyEnd(("a",), {}, {}), 0),
        (StudyEnd((), {"a": "it broke [here]"}, {}), 1),
        (StudyEnd((), {}, {"a": "its upstream failed"}), 1),
        (StudyEnd((), {"a": "x"}, {}, interrupted=True), 130),
    ],
)
def test_the_exit_status_says_what_became_of_the_runs(
    config: Path,
    outcome: StudyEnd,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: dict[str, Any] = {}

    def run_study(settings: Any, plan: Any, **options: Any) -> StudyEnd:
        asked.update(options)
        return outcome

    monkeypatch.setattr("ecg_tl.study.run.launch.run_study", run_study)
    words = ["--concurrent", "1", "--progress", "false", "--runs_per_gpu", "3"]
    assert main(["study", "run", str(config), *words]) == status
    assert (asked["concurrent"], asked["progress"], asked["runs_per_gpu"]) == (1, False, 3)
    printed = capsys.readouterr().out
    assert f"{len(outcome.finished)} of 5 runs are finished." in printed
    for error in (*outcome.failed.values(), *outcome.skipped.values()):
        assert error in printed


def test_a_finished_study_is_not_measured_again(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_study(config)
    for run in make_plan(settings).runs:
        run_folder = StudyFolder(Path(settings.folder)).run(run.id)
        run_folder.path.mkdir(parents=True)
        run_folder.result.write_text("{}")
    monkeypatch.setattr("ecg_tl.study.run.forecast.forecast", lambda *_, **__: pytest.fail("measured"))
    assert main(["study", "run", str(config)]) == 0
    assert "5 of 5 runs are finished." in capsys.readouterr().out
