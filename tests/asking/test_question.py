"""From a folder of records to the study that is asked of it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.asking import question
from ecg_tl.asking.designs import LADDER, OWN, OWN_NETWORK, QUICK, Rung, as_yaml, rung_lines, study_of
from ecg_tl.asking.question import parse_budget, prepare
from ecg_tl.asking.sources import find_source, upstream_source
from ecg_tl.cli import main
from ecg_tl.commands.arguments import with_bare_flags
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import StudySettings, read_study


def study(step: Rung, tmp_path: Path, records: int = 500) -> StudySettings:
    data = {"class_path": "LudbDataModule", "init_args": {"root": "/records"}}
    upstream = {"class_path": "PtbXlDataModule", "init_args": {"root": "/ptbxl"}}
    return study_of(
        step,
        name="mine",
        folder=tmp_path,
        downstream=data,
        upstreams={"ptbxl": {"data": upstream}},
        records=records,
        target="f1_macro",
    )


@pytest.mark.parametrize("step", [QUICK, *LADDER], ids=str)
def test_every_step_is_a_study_that_its_yaml_says(step: Rung, tmp_path: Path) -> None:
    settings = study(step, tmp_path)
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(as_yaml(settings), sort_keys=False))
    read = read_study(file)
    assert [run.id for run in make_plan(read).runs] == [run.id for run in make_plan(settings).runs]
    assert read.downstreams["mine"]["data"]["init_args"]["split"] == {"fractions": [0.5, 0.2, 0.3]}
    assert read.settings["checkpoint"]["monitor"] == "val/f1_macro"
    runs = make_plan(read).runs
    own = {OWN_NETWORK} if step.own else set()
    assert {run.network for run in runs if run.kind == "scratch"} == {*step.scratch, *step.tuned, *own}
    assert {run.upstream for run in runs if run.network == OWN_NETWORK and run.upstream} == (
        {OWN} if step.own else set()
    )
    assert {run.arm for run in runs if run.kind == "fine-tuned"} == set(step.recipes)
    assert len({(run.seed, run.split) for run in runs if run.kind != "upstream"}) == step.seeds * step.splits
    assert any(", ".join(step.scratch) in line for line in rung_lines(step, read.upstreams))


@pytest.mark.slow
def test_the_highest_step_passes_the_checks_of_a_study(tmp_path: Path) -> None:
    check_runs(make_plan(replace(study(LADDER[-1], tmp_path), seeds=(0,), splits=1)).runs)


def test_each_step_of_the_ladder_has_what_the_one_below_has() -> None:
    for lower, higher in pairwise(LADDER):
        assert set(lower.scratch) <= set(higher.scratch)
        assert set(lower.tuned) <= set(higher.tuned)
        assert set(lower.recipes) <= set(higher.recipes)
        assert (lower.seeds, lower.splits, lower.own) <= (higher.seeds, higher.splits, higher.own)
        assert lower != higher


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90min", 5400), ("45 s", 45), ("1.5h", 5400), ("1d", 86400)]
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@given(st.text(max_size=12))
def test_what_is_no_time_is_refused_in_one_line(text: str) -> None:
    if re.fullmatch(r"\s*[\d.]+\s*(s|min|m|h|d)\s*", text):
        return
    with pytest.raises(SettingError, match="budget"):
        parse_budget(text)


def test_a_known_dataset_and_a_dataset_yaml_are_found(
    ptbxl_root: Path, cpsc2018_root: Path, tmp_path: Path
) -> None:
    found = find_source(ptbxl_root)
    assert found["class_path"] == "PtbXlDataModule"
    assert found["init_args"] == {"root": str(ptbxl_root.resolve())}
    own = tmp_path / "mine"
    own.mkdir()
    (own / "dataset.yaml").write_text(
        f"data: {{class_path: Cpsc2018DataModule, init_args: {{root: {cpsc2018_root}, batch_size: 8}}}}"
    )
    assert find_source(own)["init_args"] == {"root": str(cpsc2018_root), "batch_size": 8}
    assert find_source(own / "dataset.yaml") == find_source(own)
    assert find_source(cpsc2018_root, "cpsc2018")["class_path"] == "Cpsc2018DataModule"


@pytest.mark.parametrize(
    "content", ["", "data: 3", "data: {init_args: {}}", "- 1", "{", "data: {class_path: X, init_args: 2}"]
)
def test_a_dataset_yaml_that_says_nothing_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(content)
    with pytest.raises(SettingError) as caught:
        find_source(tmp_path)
    assert "dataset.yaml" in str(caught.value)


def test_what_is_no_folder_of_records_is_refused(tmp_path: Path) -> None:
    for place, dataset in ((tmp_path / "nowhere", None), (tmp_path, None), (tmp_path, "ptb-xl")):
        with pytest.raises(EcgTlError):
            find_source(place, dataset)
    with pytest.raises(SettingError, match="data init"):
        find_source(tmp_path, survey=False)


@pytest.mark.slow
def test_a_question_is_planned_by_its_time_and_another_one_is_not_mixed_with_it(
    ptbxl_root: Path, cpsc2018_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SettingError, match="budget"):
        prepare(cpsc2018_root, [ptbxl_root], budget="1s", dataset="cpsc2018", out=out)
    assert not (out / "study.yaml").exists()
    planned = prepare(cpsc2018_root, [ptbxl_root], quick=True, dataset="cpsc2018", out=out)
    assert any("9 classes" in line for line in planned.lines)
    assert any("80 % probability" in line for line in planned.lines)
    again = prepare(cpsc2018_root, [ptbxl_root], quick=True, dataset="cpsc2018", out=out)
    assert [run.id for run in again.plan.runs] == [run.id for run in planned.plan.runs]
    with pytest.raises(SettingError, match="another question"):
        prepare(cpsc2018_root, [ptbxl_root], budget="9h", dataset="cpsc2018", out=out)


@pytest.mark.slow
def test_an_upstream_that_was_trained_on_these_records_is_left_out_before_anything_is_trained(
    ptbxl_root: Path, cpsc2018_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "LADDER", LADDER[:1])  # few networks to be timed
    same = tmp_path / "same"
    same.mkdir()
    (same / "dataset.yaml").write_text(
        f"data: {{class_path: PtbXlDataModule, init_args: {{root: {ptbxl_root}}}}}"
    )
    with pytest.raises(SettingError, match=r"same: \d+ of \d+ train records .* among what it was trained on"):
        prepare(ptbxl_root, [same], dataset="ptbxl", budget="9h", out=tmp_path / "none")
    assert not (tmp_path / "none" / "study.yaml").exists()

    both = [same, cpsc2018_root]
    without = prepare(ptbxl_root, both, dataset="ptbxl", budget="9h", out=tmp_path / "without")
    assert any("left out is same" in line for line in without.lines)
    sizes = next(without.ahead.sizes[run.id] for run in without.plan.runs if run.kind == "scratch")
    assert any(f"trains on {sizes.train} records" in line for line in without.lines)
    assert {run.upstream for run in without.plan.runs} - {None} == {cpsc2018_root.name}

    marked = prepare(
        ptbxl_root, both, dataset="ptbxl", budget="9h", out=tmp_path / "marked", allow_overlap=True
    )
    assert any("same is compared, and its results are marked" in line for line in marked.lines)
    assert marked.settings.upstreams["same"]["allow_overlap"] is True
    allowed = {
        run.upstream: run.config["data"]["init_args"].get("allow_overlap", False)
        for run in marked.plan.runs
        if run.kind == "fine-tuned"
    }
    assert allowed == {"same": True, cpsc2018_root.name: False}
    # What has nothing to do with it is the same run in both studies.
    kept = {run.id for run in without.plan.runs}
    assert kept < {run.id for run in marked.plan.runs}


def test_without_anything_to_fine_tune_from_it_says_what_to_name(cpsc2018_root: Path, tmp_path: Path) -> None:
    own = tmp_path / "alone" / "mine"
    own.mkdir(parents=True)
    (own / "dataset.yaml").write_text(
        f"data: {{class_path: Cpsc2018DataModule, init_args: {{root: {cpsc2018_root}}}}}"
    )
    with pytest.raises(SettingError, match="upstreams"):
        prepare(own, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_records_without_labels_are_pre_trained_on_where_there_are_many_or_somebody_says_so(
    cpsc2018_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = prepare(cpsc2018_root, ["own"], quick=True, dataset="cpsc2018", out=tmp_path / "asked")
    assert {run.upstream for run in asked.plan.runs if run.kind == "fine-tuned"} == {OWN}
    assert any("without labels and without validation and test records: vit-xs" in one for one in asked.lines)
    pretraining = next(run.config["pretraining"] for run in asked.plan.runs if run.kind == "upstream")
    assert pretraining["exclude"] == ["validation of cpsc2018", "test of cpsc2018"]

    folder = tmp_path / "mine"
    (folder / "records").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["record,AF,SB"]
    for number in range(60):
        pd.DataFrame(rng.normal(size=(500, 1)), columns=["II"]).to_csv(
            folder / "records" / f"{number}.csv", index=False
        )
        rows.append(f"{number}," + ("," if number < 20 else f"{number % 2},{number // 2 % 2}"))
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "dataset.yaml").write_text(
        "data:\n  class_path: CustomDataModule\n"
        "  init_args: {root: ., leads: [II], sampling_rate: 50, num_samples: 500, empty_cells: unanswered,\n"
        "    recorded_rate: 50, recorded_units: mV}\n"
    )
    monkeypatch.setattr(question, "LADDER", LADDER[:1])  # few networks to be timed
    for least, own in ((20, True), (21, False)):
        monkeypatch.setattr(question, "MANY_UNLABELLED", least)
        one = prepare(folder, [cpsc2018_root], budget="9h", out=tmp_path / str(least))
        assert any("20 without labels" in line for line in one.lines)
        assert any(run.upstream == OWN for run in one.plan.runs) == own


def test_an_upstream_is_records_a_checkpoint_or_published_weights(
    ptbxl_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    for file in ("old/best.ckpt", "some.pth"):
        (tmp_path / file).write_bytes(b"1")
    assert upstream_source(str(ptbxl_root))[1]["data"]["class_path"] == "PtbXlDataModule"
    assert upstream_source("old/best.ckpt") == ("old", {"checkpoint": str(tmp_path / "old" / "best.ckpt")})
    kept = tmp_path / "runs" / "pretrained" / "version_0" / "checkpoints" / "last.ckpt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"1")
    assert upstream_source(str(kept))[0] == "pretrained"
    named = ("ecgfounder", {"published": "ecgfounder", "weights": str(tmp_path / "some.pth")})
    assert upstream_source("ecgfounder=some.pth") == named
    with pytest.raises(SettingError, match="upstream download ecgfounder"):
        upstream_source("ecgfounder")
    kept = tmp_path / "weights" / "ecgfounder" / "file.pth"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"1")
    # As a download leaves the folder, and one of another file that was cut.
    for beside in ("file.pth.sha256", ".other.pth.part", ".other.pth.part.json"):
        (kept.parent / beside).write_bytes(b"1")
    assert upstream_source("ecgfounder")[1]["weights"] == str(kept)
    with pytest.raises(SettingError):
        upstream_source("ecgfounder=nowhere.pth")


@pytest.mark.parametrize("word", ["--quick", "--quick=true"])
def test_a_flag_alone_is_true(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "nowhere", word, "--plan"]) == 2
    assert "nowhere: found no such folder" in capsys.readouterr().err


def test_only_what_is_true_or_false_stands_alone() -> None:
    def some(folder: str, quick: bool = False, out: str | None = None) -> None:
        """Take some parameters."""

    words = ["a", "--quick", "5", "--quick", "false", "--quick", "--out", "b", "--quick"]
    assert with_bare_flags(words, [some]) == [*words[:6], "true", *words[6:], "true"]
