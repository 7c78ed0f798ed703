from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_dataset import FakeDataset, ecg, write_fake

from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.check import CheckReport, check_dataset
from ecg_tl.store.inspection import FindingKind, inspect, recording_hash


def kinds(values: np.ndarray, leads: tuple[str, ...] = LEADS) -> set[FindingKind]:
    return {finding.kind for finding in inspect(Recording(values.astype(np.float32), leads, 500.0), "r")}


def changed(change: object, seed: int = 0) -> np.ndarray:
    values = ecg(seed)
    change(values)  # type: ignore[operator]
    return values


@pytest.mark.parametrize("seed", range(5))
def test_a_good_record_yields_nothing(seed: int) -> None:
    assert kinds(ecg(seed)) == set()


def test_rounding_to_5_microvolts_is_no_contradiction() -> None:
    assert kinds(np.rint(ecg(0) * 50) / 200) == set()  # a quarter of the amplitude at 200 steps a mV


def test_an_offset_of_a_lead_is_no_contradiction() -> None:
    assert kinds(ecg(0) + np.arange(12)[:, None] * 0.05) == set()


@pytest.mark.parametrize(
    "order",
    [
        [1, 0, *range(2, 12)],  # I and II swapped
        [0, 1, 2, 4, 5, 3, *range(6, 12)],  # the order of CODE's file taken for the standard one
    ],
)
def test_swapped_limb_leads_contradict_each_other(order: list[int]) -> None:
    assert kinds(ecg(0)[order]) == {FindingKind.LEAD_RELATIONS}


def test_a_lead_with_another_gain_contradicts_the_others() -> None:
    values = ecg(0)
    values[3] *= 1.3
    findings = list(inspect(Recording(values, LEADS, 500.0), "r"))
    assert [finding.kind for finding in findings] == [FindingKind.LEAD_RELATIONS]
    assert "aVR is not -(I + II)/2" in findings[0].detail
    assert "aVL" not in findings[0].detail


@pytest.mark.parametrize("factor", [1 / 24, 50])
def test_a_wrong_gain_of_all_leads_is_implausible(factor: float) -> None:
    assert FindingKind.GAIN in kinds(ecg(0) * np.float32(factor))


def test_one_artefact_does_not_make_the_gain_implausible() -> None:
    values = ecg(0)
    values[8, 700] = 25.0
    assert kinds(values) == set()


def test_flat_leads_are_named_and_say_nothing_of_the_gain() -> None:
    values = ecg(0)
    values[[7, 9]] = 0
    findings = list(inspect(Recording(values, LEADS, 500.0), "r"))
    assert [(finding.kind, finding.detail) for finding in findings] == [(FindingKind.FLAT_LEAD, "V2, V4")]
    values[3:] = 0
    values[:3] *= 0.01
    assert FindingKind.GAIN not in kinds(values)


def test_a_lead_cut_off_by_its_amplifier_is_saturated() -> None:
    values = ecg(0)
    values[8, 1000:1100] = 9.0
    values[8] = np.minimum(values[8], 5.0)
    assert kinds(values) == {FindingKind.SATURATED}


def test_a_value_held_at_the_end_is_not_saturated() -> None:
    values = ecg(0)
    values[8, -56:] = 3.0  # as PTB-XL's record 4 has it
    assert kinds(values) == set()


def test_gaps_are_counted_or_too_long() -> None:
    values = ecg(0)
    values[2, 100:105] = np.nan
    assert kinds(values) == {FindingKind.MISSING_VALUES}
    values[2, 100:205] = np.nan
    assert kinds(values) == {FindingKind.UNUSABLE}


def test_a_missing_lead_is_named() -> None:
    assert kinds(ecg(0)[:11], LEADS[:11]) == {FindingKind.MISSING_LEAD}


def test_the_hash_of_a_recording_ignores_the_order_of_leads() -> None:
    values = ecg(0)
    values[3, 3] = np.nan
    same = Recording(values[::-1].copy(), LEADS[::-1], 500.0)
    assert recording_hash(Recording(values, LEADS, 500.0)) == recording_hash(same)
    assert recording_hash(Recording(values[:, :-1], LEADS, 500.0)) != recording_hash(same)


@pytest.fixture
def report(tmp_path: Path) -> CheckReport:
    swapped, holes = ecg(3)[[1, 0, *range(2, 12)]], ecg(4)
    holes[0] = np.nan
    signals: dict[str, np.ndarray | None] = {f"good{number}": ecg(100 + number) for number in range(20)}
    signals |= {"twin": ecg(100), "swapped": swapped, "holes": holes, "gone": None, "long": ecg(5, 6000)}
    write_fake(tmp_path / "fake", signals, left_out=("headless",))
    before = sorted(tmp_path.rglob("*"))
    checked = check_dataset(FakeDataset(), tmp_path / "fake", progress=False)
    assert sorted(tmp_path.rglob("*")) == before, "checking writes nothing"
    return checked


def test_a_report_names_each_record_by_kind(report: CheckReport) -> None:
    found = {kind: [finding.record_id for finding in report.of_kind(kind)] for kind in FindingKind}
    assert {kind: ids for kind, ids in found.items() if ids} == {
        FindingKind.UNREADABLE: ["headless", "gone"],
        FindingKind.UNUSABLE: ["holes"],
        FindingKind.LEAD_RELATIONS: ["swapped"],
        FindingKind.UNUSUAL_LENGTH: ["long"],
        FindingKind.DUPLICATE: ["good0, twin"],
    }
    assert report.records == 26
    assert report.has_errors


def test_duplicates_say_whether_patients_and_folds_differ(report: CheckReport) -> None:
    assert report.of_kind(FindingKind.DUPLICATE)[0].detail == "different patients"


def test_a_duplicate_in_another_fold_of_the_same_patient(tmp_path: Path) -> None:
    write_fake(tmp_path, {"a": ecg(0), "b": ecg(0)})
    assert (
        check_dataset(FakeDataset(), tmp_path).of_kind(FindingKind.DUPLICATE)[0].detail
        == "one patient, in folds 1, 2"
    )
    write_fake(tmp_path, {"a": ecg(0), "b": ecg(0)}, patient_id={"b": None}, fold={"a": None, "b": None})
    assert (
        check_dataset(FakeDataset(), tmp_path).of_kind(FindingKind.DUPLICATE)[0].detail == "patients unknown"
    )


def test_another_rate_than_most_is_unusual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake(tmp_path, {f"r{number}": ecg(number) for number in range(6)})
    read = FakeDataset.read

    def read_at_another_rate(dataset: FakeDataset, root: Path, path: str) -> Recording:
        recording = read(dataset, root, path)
        return Recording(recording.values, recording.leads, 1000.0) if path == "r4" else recording

    monkeypatch.setattr(FakeDataset, "read", read_at_another_rate)
    report = check_dataset(FakeDataset(), tmp_path)
    assert [(f.record_id, f.detail) for f in report.of_kind(FindingKind.UNUSUAL_RATE)] == [
        ("r4", "1000 Hz, most have 500 Hz")
    ]


def test_a_dataset_of_many_lengths_has_no_unusual_one(tmp_path: Path) -> None:
    write_fake(tmp_path, {f"r{number}": ecg(number, 3000 + number % 3 * 500) for number in range(9)})
    assert check_dataset(FakeDataset(), tmp_path).findings == ()


def test_good_records_and_unknown_codes_are_no_errors(tmp_path: Path) -> None:
    write_fake(tmp_path, {f"r{number}": ecg(number) for number in range(4)})
    report = check_dataset(FakeDataset(), tmp_path)
    assert not report.has_errors
    assert report.findings == ()
    assert report.unknown_codes == {"9": 1}
    assert report.notes == ("made up",)


def test_nothing_readable_is_a_report_and_not_a_crash(tmp_path: Path) -> None:
    write_fake(tmp_path, {"a": None, "b": None})
    assert len(check_dataset(FakeDataset(), tmp_path).of_kind(FindingKind.UNREADABLE)) == 2
