"""Reading results: from files alone, damaged ones named, missing ones listed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fake_study import FakeStudy

from ecg_tl.errors import StoreError
from ecg_tl.study.results import load_results


@pytest.fixture
def study(tmp_path: Path) -> FakeStudy:
    fake = FakeStudy(tmp_path)
    fake.add("scratch", 1.5, (0, 1), peak_f1=0.5)
    return fake


def predictions(study: FakeStudy) -> Path:
    return study.folder / "runs" / study.ids[0] / "test" / "predictions.csv"


def test_runs_are_read_in_the_order_of_their_records(study: FakeStudy) -> None:
    results = load_results(study.folder)
    first, second = results.runs
    assert not results.missing
    assert first.record_ids.tolist() == sorted(first.record_ids.tolist()) == second.record_ids.tolist()
    _, targets, _ = study.test_set("down")
    assert (first.targets == targets).all()
    assert first.patient_ids[0] == first.patient_ids[study.patients]  # two records of one patient
    assert first.class_names == ("class0", "class1", "class2")
    assert first.temperature == 1.5
    assert first.thresholds.tolist() == [0.5] * 3
    assert first.test_by_epoch is not None
    assert len(first.history) == 12


def test_only_the_plans_runs_are_read_and_the_others_are_listed(study: FakeStudy) -> None:
    (study.folder / "runs" / "broken").mkdir()
    (study.folder / "runs" / "broken" / "error.txt").write_text("SettingError: no such lead\n\nTraceback")
    results = load_results(study.folder, [study.ids[1], "broken", "never-begun"])
    assert [run.id for run in results.runs] == [study.ids[1]]
    assert [(m.id, m.state, m.error) for m in results.missing] == [
        ("broken", "failed", "SettingError: no such lead"),
        ("never-begun", "not finished", ""),
    ]


def test_a_folder_without_runs_is_an_empty_study(tmp_path: Path) -> None:
    assert load_results(tmp_path).runs == ()


def test_unknown_patients_are_patients_of_their_own(study: FakeStudy) -> None:
    table = pd.read_csv(predictions(study), dtype=str)
    table.loc[table["record_id"].isin(["0000", "0001"]), "patient_id"] = None
    table.to_csv(predictions(study), index=False)
    run = load_results(study.folder).runs[0]
    assert run.unknown_patients == 2
    assert run.patient_ids[0] != run.patient_ids[1]
    table.drop(columns="patient_id").to_csv(predictions(study), index=False)
    run = load_results(study.folder).runs[0]
    assert len(set(run.patient_ids)) == run.unknown_patients == len(table)


def test_ids_stay_text(study: FakeStudy) -> None:
    table = pd.read_csv(predictions(study), dtype=str).sort_values("record_id")
    table.iloc[:3, table.columns.get_loc("record_id")] = ["NA", "007", "7"]
    table.to_csv(predictions(study), index=False)
    assert {"NA", "007", "7"} <= set(load_results(study.folder).runs[0].record_ids.tolist())


def test_a_run_that_diverged_counts_as_failed(study: FakeStudy) -> None:
    table = pd.read_csv(predictions(study), dtype={"record_id": str})
    table.loc[3, "probability/class1"] = None
    table.to_csv(predictions(study), index=False)
    results = load_results(study.folder)
    assert len(results.runs) == 1
    assert results.missing[0].state == "failed"
    assert "diverged" in results.missing[0].error


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("result.json", "{", "result.json"),
        ("result.json", "[]", "no description"),
        ("result.json", '{"format": 1, "run": {"id": "x"}, "data": {}}', "run.kind"),
        ("test/predictions.csv", None, "predictions.csv"),
        ("test/predictions.csv", "", "predictions.csv"),
        ("test/predictions.csv", "record_id,target/A\n1,0\n", "probability/NAME"),
        ("test/predictions.csv", "record_id,target/A,probability/A\n1,maybe,0.5\n", "neither 0 nor 1"),
        ("metrics.csv", None, "metrics.csv"),
    ],
)
def test_a_damaged_file_is_named(study: FakeStudy, name: str, content: str | None, said: str) -> None:
    path = study.folder / "runs" / study.ids[0] / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(StoreError, match=said):
        load_results(study.folder)


def test_a_newer_format_is_refused(study: FakeStudy) -> None:
    path = study.folder / "runs" / study.ids[0] / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(StoreError, match="format 2"):
        load_results(study.folder)


def test_results_are_read_without_torch() -> None:
    code = "import sys, ecg_tl.study.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
