"""Chapman-Shaoxing, Ningbo, CPSC-Extra, INCART and all of the 2021 challenge, with what is odd in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.cinc2021 import COLLECTIONS
from ecg_tl.datasets.snomed import SCORED_CODES, with_equivalents
from ecg_tl.errors import DatasetError

Write = Callable[..., Path]

COLUMNS = {
    "chapman": "Chapman_Shaoxing",
    "ningbo": "Ningbo",
    "cpsc_extra": "CPSC_Extra",
    "incart": "StPetersburg",
    "cinc2021": "Total",
}
"""Of the challenge's table of scored diagnoses."""
FOLDERS = {
    "chapman": ("WFDB_ChapmanShaoxing", 7),
    "ningbo": ("WFDB_Ningbo", 20),
    "cpsc_extra": ("WFDB_CPSC2018_2", 20),
}


def reader(name: str, **options: bool) -> ChallengeDataset:
    dataset = get_dataset(name, **options)
    assert isinstance(dataset, ChallengeDataset)
    return dataset


@pytest.mark.parametrize(
    ("name", "collection"),
    [
        ("JS00001", "chapman"),
        ("JS10000", "chapman"),
        ("JS10599", "chapman"),
        ("JS10639", "chapman"),
        ("JS10646", "chapman"),
        ("JS10647", "ningbo"),
        ("JS10650", "ningbo"),
        ("JS10700", "ningbo"),
        ("JS11000", "ningbo"),
        ("JS45551", "ningbo"),
        ("S23074", "ningbo"),
        ("S0001", "ptb"),
        ("Q0001", "cpsc_extra"),
        ("I0075", "incart"),
        ("HR21837", "ptbxl"),
        ("A6877", "cpsc2018"),
        ("E10344", "georgia"),
    ],
)
def test_a_name_belongs_to_one_collection(name: str, collection: str) -> None:
    assert [known for known, names in COLLECTIONS.items() if names.fullmatch(name)] == [collection]
    assert reader("cinc2021").columns_of(name) == {"record_id": name, "collection": collection}
    if collection not in ("ptb", "ptbxl"):
        assert reader(collection).record_names.fullmatch(name)


def test_every_js_number_is_chapmans_or_ningbos_and_never_both() -> None:
    both = [reader("chapman").record_names, reader("ningbo").record_names]
    for number in range(100_000):
        matches = [bool(names.fullmatch(f"JS{number:05d}")) for names in both]
        assert matches == ([True, False] if number <= 10_646 else [False, True])


def test_two_collections_in_one_tree_are_told_apart(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "WFDBRecords/01/010/JS00001", "164889003", age="NaN")
    write_challenge_record(tmp_path / "WFDBRecords/11/116/JS10647", "426177001", prefix="# ")
    table = "﻿Acronym Name,Full Name,Snomed_CT\nIVB,x,698252002\nVPE,y,698252002\n"
    (tmp_path / "ConditionNames_SNOMED-CT.csv").write_text(table, encoding="utf-8")
    for name, record in (("chapman", "JS00001"), ("ningbo", "JS10647")):
        scan = reader(name).scan(tmp_path)
        assert scan.records["record_id"].tolist() == [record]
        assert any("1 header(s) with names of other collections" in note for note in scan.notes)
    assert np.isnan(reader("chapman").scan(tmp_path).records["age"][0])


def test_header_whose_first_lines_are_one_is_left_out_and_counted(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    write_challenge_record(tmp_path / "JS00001", "164889003")
    header = write_challenge_record(tmp_path / "JS01052", "164889003").with_suffix(".hea")
    header.write_text(header.read_text().replace("\n", "", 1))
    scan = reader("chapman").scan(tmp_path)
    assert scan.records["record_id"].tolist() == ["JS00001"]
    assert [left.record_id for left in scan.left_out] == ["JS01052"]
    assert "JS01052.hea" in scan.left_out[0].reason


def test_the_challenges_name_of_js23074_is_undone(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "S23074", "426177001")
    records = reader("ningbo").scan(tmp_path).records
    assert records[["record_id", "path"]].to_numpy().tolist() == [["JS23074", "S23074"]]


def test_flat_lead_is_read_as_published(
    tmp_path: Path, write_challenge_record: Write, make_steps: Callable[..., np.ndarray]
) -> None:
    steps = make_steps(samples=5000)
    steps[4] = 0
    write_challenge_record(tmp_path / "JS20000", "426177001", steps=steps, gains="1000.0(0)/mV")
    values = reader("ningbo").read(tmp_path, "JS20000").values
    assert not values[4].any()
    assert np.abs(np.delete(values, 4, axis=0)).max() > 2


def test_incart_is_half_an_hour_at_257_hz_with_samples_missing(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    steps = np.ones((12, 462_600), dtype=np.int16)
    steps[3, 1000:1010] = -32768
    write_challenge_record(tmp_path / "I0001", "427084000", steps=steps, rate="257")
    scan = reader("incart").scan(tmp_path)
    assert scan.records[["sampling_rate", "length"]].to_numpy().tolist() == [[257.0, 462_600]]
    assert any("32 patients" in note for note in scan.notes)
    values = reader("incart").read(tmp_path, "I0001").values
    assert np.isnan(values).sum() == 10
    assert np.isnan(values[3, 1000:1010]).all()


def test_all_of_the_challenge_says_which_collection_and_that_no_patients_are_named(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    for name in ("A0001", "Q0001", "I0001", "S0001", "HR00001", "E00001", "JS00001", "JS10647", "S23074"):
        write_challenge_record(tmp_path / name, "427084000")
    write_challenge_record(tmp_path / "X0001", "427084000")
    scan = reader("cinc2021").scan(tmp_path)
    assert scan.records.groupby("collection").size().to_dict() == {
        **dict.fromkeys(COLLECTIONS, 1),
        "ningbo": 2,
    }
    assert scan.records["patient_id"].isna().all()
    assert any("name no patients" in note for note in scan.notes)
    assert any("1 header(s)" in note for note in scan.notes)


def test_codes_that_count_as_one_make_one_class_and_exact_codes_alone_on_request() -> None:
    codes = [("713427006",), ("733534002",), ("63593006",), ("17338001",)]
    rule = reader("cinc2021").label_rule()
    assert [rule.class_names[row.argmax()] for row in rule.targets(codes)] == ["RBBB", "LBBB", "PAC", "PVC"]
    assert reader("cinc2021", equivalences=False).label_rule().targets(codes).sum() == 0


@pytest.mark.parametrize("name", COLUMNS)
def test_folder_of_another_collection_is_refused(
    name: str, tmp_path: Path, write_challenge_record: Write
) -> None:
    write_challenge_record(tmp_path / "Z0001", "164889003")
    with pytest.raises(DatasetError, match="1 headers named otherwise"):
        reader(name).scan(tmp_path)


@pytest.mark.realdata
@pytest.mark.parametrize("name", COLUMNS)
def test_classes_are_those_that_the_challenge_scores_and_ten_records_have(
    name: str, sample_data: Path
) -> None:
    tables = sample_data / "cinc2020/tables/evaluation-2021"
    table = pd.read_csv(tables / "dx_mapping_scored.csv", dtype={"SNOMEDCTCode": str})
    counts = dict(zip(table["SNOMEDCTCode"], table[COLUMNS[name]], strict=True))
    expected = [
        scored
        for scored, code in SCORED_CODES.items()
        if sum(counts.get(one, 0) for one in with_equivalents([code])) >= 10
    ]
    assert sorted(reader(name).label_rule().class_names) == sorted(expected)
    weights = (tables / "weights.csv").read_text().splitlines()[0].split(",")[1:]
    groups = [frozenset(group.split("|")) for group in weights]
    assert [with_equivalents([code]) for code in SCORED_CODES.values()] == groups


@pytest.mark.realdata
@pytest.mark.parametrize("name", FOLDERS)
def test_real_records_of_each_collection_are_read(name: str, sample_data: Path) -> None:
    folder, count = FOLDERS[name]
    for root in (sample_data / "cinc2020" / folder, sample_data / "cinc2020"):
        scan = reader(name).scan(root)
        assert len(scan.records) == count
        assert not scan.left_out
        assert not reader(name).label_rule().unknown_codes(scan.records["codes"])
    for row in scan.records.itertuples():
        recording = reader(name).read(root, str(row.path))
        assert recording.values.shape == (12, row.length)
        assert 0.1 < np.nanmedian(np.abs(recording.values).max(axis=1)) < 20


@pytest.mark.realdata
def test_real_records_of_the_challenge_together(sample_data: Path) -> None:
    scan = reader("cinc2021").scan(sample_data / "cinc2020")
    counts = {"cpsc2018": 21, "cpsc_extra": 20, "chapman": 7, "georgia": 22, "ningbo": 20, "ptb": 7}
    assert scan.records.groupby("collection").size().to_dict() == counts
    assert not scan.left_out
    positives = reader("cinc2021").label_rule().targets(scan.records["codes"]).sum(axis=0)
    assert (positives > 0).sum() > 15
