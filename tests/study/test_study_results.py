"""Reading results: from files alone, damaged ones named, missing ones listed."""

from __future__ import annotations

import copy
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fake_study import FakeStudy

from ecg_tl.errors import StoreError
from ecg_tl.store.digests import OWN_DIGEST, digest_of_values, with_own_digest
from ecg_tl.study.design.folder import RunFolder, StudyFolder
from ecg_tl.study.find import find
from ecg_tl.study.run.result_schema import FIELDS
from ecg_tl.study.run.results import load_results, verify_run


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
        ("result.json", "[]", "found list"),
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


@pytest.mark.slow
def test_results_are_read_without_torch() -> None:
    code = "import sys, ecg_tl.study.run.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What is believed ------------------------------------------------------------------------------------------


@pytest.fixture
def digested(tmp_path: Path) -> FakeStudy:
    fake = FakeStudy(tmp_path / "digested", digests=True)
    fake.add("scratch", 1.5, (0, 1), peak_f1=0.5)
    return fake


def _places(study: FakeStudy) -> list[RunFolder]:
    return [StudyFolder(study.folder).run(run_id) for run_id in study.ids]


@pytest.mark.parametrize("name", ["test/predictions.csv", "metrics.csv", "test_by_epoch.csv"])
@pytest.mark.parametrize("way", ["edited", "another run's", "zeroed", "cut off", "emptied", "removed"])
def test_a_file_that_the_run_did_not_leave_so_is_named(digested: FakeStudy, name: str, way: str) -> None:
    own, other = (run_folder.path / name for run_folder in _places(digested))
    content = own.read_bytes()
    if way == "another run's":
        own.write_bytes(other.read_bytes() + b"\n" * (other.read_bytes() == content))
    elif way == "removed":
        own.unlink()
    else:
        edited = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
        changed = {"edited": edited, "zeroed": bytes(len(content)), "cut off": content[:-9], "emptied": b""}
        own.write_bytes(changed[way])
    with pytest.raises(StoreError, match=re.escape(str(own))) as caught:
        load_results(digested.folder)
    assert "Restore it" in str(caught.value)
    assert [str(error) for error in verify_run(_places(digested)[0])] == [str(caught.value)]
    assert verify_run(_places(digested)[1]) == []


def test_a_result_of_another_run_is_not_taken_for_its_own(digested: FakeStudy) -> None:
    one, other = _places(digested)
    one.result.write_bytes(other.result.read_bytes())
    with pytest.raises(StoreError, match="another run"):
        load_results(digested.folder)


def test_a_folder_without_digests_is_read_and_remarked_upon(study: FakeStudy, digested: FakeStudy) -> None:
    assert all(verify_run(run_folder) == [] for run_folder in _places(study))
    for fake, remarks in ((study, 1), (digested, 0)):
        settings = fake.settings(downstreams={"down": {}}, seeds=(0, 1))
        found = find(load_results(fake.folder), settings, config="", resamples=5)
        assert sum("digests" in line for line in found.warnings) == remarks


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_disk_or_its_permissions_are_not_blamed_on_the_run(
    digested: FakeStudy, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    original = Path.read_bytes

    def refused(self: Path) -> bytes:
        if self.name == "predictions.csv":
            raise OSError(code, os.strerror(code), str(self))
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(StoreError, match=os.strerror(code).lower()) as caught:
        load_results(digested.folder)
    assert "need not be done again" in caught.value.remedy


_ABSENT = object()
_WRONG = (None, True, 3, -1, 0.5, 10**400, "text", [], [1], [None], {}, {"a": 1}, {"a": "b"}, {"a": None})


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_of_another_type_is_named_or_makes_no_difference(tmp_path: Path, name: str) -> None:
    study = FakeStudy(tmp_path, digests=True, patients=20)
    study.add("scratch", 1.5, (0,), peak_f1=0.5)
    path = _places(study)[0].result
    content = json.loads(path.read_text())
    *above, last = name.split(".")
    refused = 0
    for wrong in (*_WRONG, _ABSENT):
        changed = copy.deepcopy(content)
        owner = changed[above[0]] if above else changed
        if wrong is _ABSENT:
            owner.pop(last, None)
        else:
            owner[last] = wrong
        path.write_text(json.dumps(changed))
        try:
            results = load_results(tmp_path)
        except StoreError as error:
            refused += error.where.startswith(str(path.parent)) and "\n" not in str(error)
        else:  # what is let through is nothing that a report stumbles over
            find(results, study.settings(downstreams={"down": {}}), config="", resamples=2)
    assert refused


def test_a_result_that_was_changed_since_is_refused_and_one_without_a_digest_is_read(
    study: FakeStudy,
) -> None:
    path = study.folder / "runs" / study.ids[0] / "result.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(with_own_digest(content)))
    assert load_results(study.folder).runs
    for name in sorted(content.keys() - {"format", "run"}):
        changed = {key: value for key, value in content.items() if key != name}
        for other in (changed, {**content, "unknown": 1}, {**content, "epochs": content["epochs"] + 1}):
            path.write_text(json.dumps({**other, OWN_DIGEST: digest_of_values(content)}))
            with pytest.raises(StoreError) as refusal:
                load_results(study.folder)
            assert refusal.value.where == str(path)
