"""Upstreams that are files: their runs, their partners from scratch, and what a file has to do with an id."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from tiny_study import outcome_of, tiny_study

from ecg_tl.errors import EcgTlError
from ecg_tl.models import create_network
from ecg_tl.preprocessing import Chain, Contract, Crop, Leads, Resample, ZScore
from ecg_tl.published import UPSTREAMS, publish
from ecg_tl.signals import LEADS
from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.plan_table import dependencies
from ecg_tl.study.design.settings import Arm, StudySettings, read_study
from ecg_tl.study.find import find
from ecg_tl.study.report.render import write_report
from ecg_tl.study.run.execute import NoteEpochs, execute
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.results import load_results

NAME = "small-net1d"


class Killed(BaseException):
    """Ends a run as a kill would: nothing catches it."""


@pytest.fixture(scope="module")
def small_entry() -> Iterator[None]:
    """A published upstream whose network and window are small, trained on CPSC2018 by declaration."""
    contract = Contract(LEADS, 50, 250, Chain((Leads(LEADS), Resample(50), Crop(250), ZScore("all", 1e-8))))
    entry = replace(
        UPSTREAMS["ecgfounder"], name=NAME, options={"size": "tiny"}, contract=contract, trained_on=("HEEDB",)
    )
    publish(entry)
    yield
    del UPSTREAMS[NAME]


@pytest.fixture(scope="module")
def weights(small_entry: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save({"state_dict": create_network("net1d", 150, 12, 250, size="tiny").state_dict()}, path)
    return path


def study(folder: Path, roots: Path, weights: Path, checkpoint: Path | None = None) -> StudySettings:
    whole = tiny_study(folder, roots)
    downstream = whole.downstreams["cpsc2018"]
    del downstream["data"]["init_args"]["sampling_rate"], downstream["data"]["init_args"]["num_samples"]
    upstreams = {"small": {"published": NAME, "weights": str(weights)}}
    if checkpoint is not None:
        upstreams["gru"] = {"checkpoint": str(checkpoint)}
    return replace(
        whole,
        upstreams=upstreams,
        networks={},
        arms={"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        settings={"trainer": {"max_epochs": 3, "accelerator": "cpu", "log_every_n_steps": 1}},
    )


def test_each_file_has_its_partner_from_scratch(
    weights: Path, trained_run: Path, roots: Path, tmp_path: Path
) -> None:
    settings = study(tmp_path, roots, weights, trained_run / "checkpoints" / "best.ckpt")
    plan = make_plan(settings)
    assert [(run.kind, run.network, run.upstream) for run in plan.runs] == [
        ("scratch", "small", None),
        ("scratch", "gru", None),
        ("fine-tuned", "small", "small"),
        ("fine-tuned", "gru", "gru"),
    ]
    scratch, of_gru, tuned, _ = plan.runs
    assert tuned.after == scratch.id
    assert tuned.needs is None
    assert scratch.config["data"] == tuned.config["data"]
    assert scratch.config["model"] == tuned.config["model"]
    assert tuned.config["data"]["init_args"]["contract"] == NAME
    assert of_gru.config["model"]["init_args"]["network"] == "gru"
    assert of_gru.config["data"]["init_args"]["sampling_rate"] == 25
    assert dependencies(plan) == "4 runs: 2 start from a file; the other 2 start from nothing."
    check_runs(plan.runs)


def test_the_files_content_is_part_of_the_id_and_its_path_is_not(
    weights: Path, roots: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copy(weights, tmp_path / "moved.pth"))
    first, again = (make_plan(study(tmp_path, roots, path)).runs for path in (weights, moved))
    assert [run.id for run in first] == [run.id for run in again]
    torch.save({"state_dict": create_network("net1d", 150, 12, 250, size="tiny").state_dict()}, moved)
    other = make_plan(study(tmp_path, roots, moved)).runs
    assert [one.id == two.id for one, two in zip(first, other, strict=True)] == [True, False]


@pytest.mark.slow
def test_a_study_with_a_file_killed_and_resumed_is_as_if_nothing_had_happened(
    weights: Path,
    roots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores = tmp_path / "stores"
    whole, killed = (
        replace(study(tmp_path / name, roots, weights), store_dir=str(stores)) for name in ("whole", "killed")
    )
    plan = make_plan(whole)
    for settings in (whole, killed):
        jobs = make_jobs(settings, plan)
        for run in plan.runs:
            if settings is killed:
                with monkeypatch.context() as patch:
                    patch.setattr(NoteEpochs, "on_train_epoch_start", kill_in_second_epoch, raising=False)
                    with pytest.raises(Killed):
                        execute(jobs[run.id])
                assert StudyFolder(tmp_path / "killed").run(run.id).last.is_file()
            assert execute(jobs[run.id]).error is None
    assert outcome_of(killed, plan) == outcome_of(whole, plan)
    tuned = json.loads(StudyFolder(tmp_path / "whole").run(plan.runs[1].id).result.read_text())
    assert tuned["transfer"]["coverage"] == 1.0
    assert tuned["transfer"]["overlap"]["declared_elsewhere"] == ["HEEDB"]
    assert tuned["data"]["contract"]["name"] == NAME
    results = load_results(tmp_path / "whole")
    findings = find(results, whole, resamples=50)
    assert [one.upstream for one in findings.comparisons] == ["small"]
    page = write_report(findings, tmp_path / "report")
    assert "small" in page.read_text()


def kill_in_second_epoch(self: NoteEpochs, trainer: object, pl_module: object) -> None:
    if trainer.current_epoch == 1:  # type: ignore[attr-defined]
        raise Killed


@pytest.mark.slow
def test_a_file_that_changed_since_it_was_planned_is_refused(
    weights: Path, roots: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(weights, tmp_path / "copy.pth"))
    settings = study(tmp_path / "study", roots, copy)
    plan = make_plan(settings)
    copy.write_bytes(b"something else")
    report = execute(make_jobs(settings, plan)[plan.runs[1].id])
    assert report.outcome == "failed"
    assert report.error is not None
    assert "another file than when the study was planned" in report.error


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ({"published": NAME}, "`published` and `weights` together"),
        ({"published": "smal-net1d", "weights": "W"}, "Did you mean small-net1d"),
        ({"published": NAME, "weights": "none.pth"}, "no such file"),
        ({"published": NAME, "weights": "W", "checkpoint": "x.ckpt"}, "the one or the other two"),
        ({"checkpoint": "none.ckpt"}, "no such file"),
        ({"checkpoint": 3}, "a name or a path"),
    ],
)
def test_what_contradicts_itself_is_one_line(
    upstream: dict[str, object], message: str, weights: Path, roots: Path, tmp_path: Path
) -> None:
    given = {key: str(weights) if value == "W" else value for key, value in upstream.items()}
    settings = replace(study(tmp_path, roots, weights), upstreams={"small": given})
    with pytest.raises(EcgTlError, match=message):
        make_plan(settings)


def test_a_studys_file_names_them(weights: Path, tmp_path: Path) -> None:
    content = {
        "name": "files",
        "folder": str(tmp_path),
        "upstreams": {"small": {"published": NAME, "weights": str(weights), "data": {"init_args": {}}}},
        "downstreams": {"cpsc2018": {"data": {"class_path": "Cpsc2018DataModule"}}},
        "arms": {"scratch": {}, "full": {"transfer": {"recipe": "full"}}},
        "seeds": [0],
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    settings = read_study(path)
    assert len(make_plan(settings).runs) == 4  # with the second opinion's
