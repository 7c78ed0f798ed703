"""The number of threads, which decides rounding: a run has its own, keeps it, and says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from test_execute import Killed, again, job_of, killed_in_epoch, run_folder_of, run_of  # noqa: F401
from tiny import RESNET, data_words, fit
from tiny_study import Done, tiny_study

from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.find import find
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.execute import complete_config, execute
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.results import load_results
from ecg_tl.study.run.status import print_status, study_status


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_threads(run: Path, number: int) -> None:
    """Make a run that was cut off one that another number of threads had made."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["speed"]["threads"] = number
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def said(folder: Path) -> tuple[Any, Any]:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    return config["speed"]["threads"], json.loads((folder / "result.json").read_text())["threads"]


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_a_studys_run_has_one_whatever_the_machine(
    cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg_tl.study.run.hardware.count_cores", lambda: cores)
    torch.set_num_threads(2)
    settings = tiny_study(tmp_path, tmp_path)
    for job in make_jobs(settings, make_plan(settings)).values():
        assert complete_config(job)["speed"]["threads"] == job.run.threads == 1


def test_another_number_is_another_run(tmp_path: Path) -> None:
    settings = tiny_study(tmp_path, tmp_path)
    two = replace(settings, settings={**settings.settings, "speed": {"threads": 2}})
    auto = replace(settings, settings={**settings.settings, "speed": {"threads": "auto"}})
    runs = [make_plan(one).runs for one in (settings, two)]
    assert not {run.id for run in runs[0]} & {run.id for run in runs[1]}
    assert [run.threads for run in runs[1]] == [2, 2, 2]
    assert [run.threads for run in make_plan(auto).runs] == [1, 1, 1]


@pytest.mark.slow
def test_a_run_that_is_cut_off_keeps_its_own(again: Done, finished: Done) -> None:  # noqa: F811
    run = run_of(again, "fine-tuned")
    with pytest.MonkeyPatch.context() as patch:
        killed_in_epoch(3, patch)
        with pytest.raises(Killed):
            execute(job_of(again, run))
    run_folder = run_folder_of(again, run)
    assert torch.load(run_folder.last, weights_only=True)["threads"] == 1
    with_threads(run_folder.path, 2)
    assert execute(job_of(again, run)).outcome == "finished"
    assert said(run_folder.path) == (2, 2)
    assert [attempt.threads for attempt in read_attempts(run_folder.attempts).all] == [1, 2]
    # The others were made with one.
    sentence = "cpsc2018, gru: runs were trained with 1 and 2 threads, which round differently."
    findings = find(load_results(again.folder, [one.id for one in again.plan.runs]), again.settings)
    assert [line for line in findings.warnings if "threads" in line] == [sentence]
    console = Console(file=StringIO(), width=200)
    print_status(study_status(again.settings, again.plan.runs), console=console)
    assert sentence in console.file.getvalue()
    print_status(
        study_status(finished.settings, finished.plan.runs), console=(even := Console(file=StringIO()))
    )
    assert "threads" not in even.file.getvalue()


@pytest.mark.slow
def test_a_fit_that_goes_on_keeps_its_own(ptbxl_root: Path, prepared: Path, tmp_path: Path) -> None:
    data = data_words("PtbXlDataModule", ptbxl_root, prepared)
    first = fit(data, tmp_path, "--speed.threads", "2", epochs=2)
    assert said(first) == (2, 2)
    torch.set_num_threads(1)  # another machine
    last = first / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["threads"] == 2
    assert said(fit(data, tmp_path, "--ckpt_path", str(last), epochs=2)) == (2, 2)
    torch.set_num_threads(1)
    given = fit(data, tmp_path, "--ckpt_path", str(last), "--speed.threads", "1", epochs=2)
    assert said(given) == (1, 1)
    assert said(fit(data, tmp_path)) == (1, 1)


@pytest.mark.parametrize("number", ["0", "-1", "2.5", "many", "1025", "9" * 20])
def test_a_number_that_is_none(
    number: str, ptbxl_root: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ecg_tl.cli import main

    words = ["fit", *data_words("PtbXlDataModule", ptbxl_root, prepared), *RESNET]
    assert main([*words, "--runs_dir", str(tmp_path), "--speed.threads", number]) == 2
    error = capsys.readouterr().err
    assert "threads" in error
    assert "Traceback" not in error
