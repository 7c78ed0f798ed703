from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.cpsc2018 import Cpsc2018
from ecg_tl.datasets.georgia import Georgia
from ecg_tl.errors import DatasetError, RecordError

Write = Callable[..., Path]


def positives(dataset: Cpsc2018 | Georgia, codes: tuple[str, ...]) -> set[str]:
    rule = dataset.label_rule()
    return {name for name, target in zip(rule.class_names, rule.targets([codes])[0], strict=True) if target}


def test_header_becomes_a_row(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "A0001", "426783006,164889003", age="74", sex="Female")
    record = Cpsc2018().scan(tmp_path).records.iloc[0]
    assert (record["record_id"], record["path"], record["patient_id"]) == ("A0001", "A0001", None)
    assert (record["sampling_rate"], record["length"], record["age"], record["sex"]) == (
        500.0,
        1000,
        74.0,
        "F",
    )
    assert record["codes"] == ("426783006", "164889003")


@pytest.mark.parametrize("prefix", ["#", "# "])
def test_both_spellings_of_the_comments_are_read(
    tmp_path: Path, write_challenge_record: Write, prefix: str
) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003", prefix=prefix, age="30")
    record = Cpsc2018().scan(tmp_path).records.iloc[0]
    assert (record["codes"], record["age"], record["sex"]) == (("164889003",), 30.0, "M")


def test_age_nan_is_unknown(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003", age="NaN")
    assert np.isnan(Cpsc2018().scan(tmp_path).records["age"][0])


@pytest.mark.parametrize(
    ("text", "sex"),
    [("Male", "M"), ("M", "M"), ("Female", "F"), ("F", "F"), ("Unknown", None), ("NaN", None)],
)
def test_spellings_of_sex(tmp_path: Path, write_challenge_record: Write, text: str, sex: str | None) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003", sex=text)
    assert Cpsc2018().scan(tmp_path).records["sex"][0] == sex


@pytest.mark.parametrize("record_line", ["A0001.mat 12 500 1000", "A0001 12 500 1000"])
def test_record_line_with_suffix_or_four_fields_is_read(
    tmp_path: Path, write_challenge_record: Write, record_line: str
) -> None:
    record = write_challenge_record(tmp_path / "A0001", "164889003", record_line=record_line)
    assert Cpsc2018().scan(tmp_path).records["length"][0] == 1000
    assert Cpsc2018().read(tmp_path, record.name).values.shape == (12, 1000)


@pytest.mark.parametrize("folder", ["training/cpsc_2018/g1", "WFDB_CPSC2018", "."])
def test_records_are_found_in_every_published_folder(
    tmp_path: Path, write_challenge_record: Write, folder: str
) -> None:
    write_challenge_record(tmp_path / folder / "A0001", "164889003")
    table = Cpsc2018().scan(tmp_path).records
    assert table["path"].tolist() == [(Path(folder) / "A0001").as_posix()]
    assert Cpsc2018().read(tmp_path, table["path"][0]).sampling_rate == 500.0


def test_other_collections_in_the_folder_are_passed_over_and_noted(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    for name in ("A0001", "Q0001", "E00001", "S0001", "HR00001", "JS00001"):
        write_challenge_record(tmp_path / name, "164889003")
    scan = Cpsc2018().scan(tmp_path)
    assert scan.records["record_id"].tolist() == ["A0001"]
    assert any("5 header(s)" in note for note in scan.notes)
    assert Georgia().scan(tmp_path).records["record_id"].tolist() == ["E00001"]


def test_code_listed_twice_in_one_header_counts_once(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "E00001", "59931005, 426177001,59931005,")
    assert Georgia().scan(tmp_path).records["codes"][0] == ("59931005", "426177001")


def test_record_with_none_of_the_classes_is_an_all_zero_row(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    write_challenge_record(tmp_path / "E00001", "164873001")
    codes = Georgia().scan(tmp_path).records["codes"].tolist()
    rule = Georgia().label_rule()
    assert rule.targets(codes).sum() == 0
    assert not rule.unknown_codes(codes)


def test_code_outside_the_vocabulary_is_counted_as_unknown(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    write_challenge_record(tmp_path / "E00001", "426177001,12345")
    assert Georgia().label_rule().unknown_codes(Georgia().scan(tmp_path).records["codes"]) == {"12345": 1}


@pytest.mark.parametrize("dx", [None, "", "Unknown"])
def test_header_without_a_diagnosis_is_left_out(
    tmp_path: Path, write_challenge_record: Write, dx: str | None
) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003")
    write_challenge_record(tmp_path / "A0002", dx)
    scan = Cpsc2018().scan(tmp_path)
    assert scan.records["record_id"].tolist() == ["A0001"]
    assert [(left.record_id, "no diagnosis" in left.reason) for left in scan.left_out] == [("A0002", True)]


def test_unreadable_header_is_left_out_with_its_fault(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003")
    (tmp_path / "A0002.hea").write_text("A0002 twelve 500\n")
    left = Cpsc2018().scan(tmp_path).left_out
    assert [left[0].record_id, "A0002.hea" in left[0].reason] == ["A0002", True]


@pytest.mark.parametrize(
    ("code", "name"),
    [("713427006", "RBBB"), ("63593006", "PAC"), ("733534002", "LBBB"), ("164884008", "VEB")],
)
def test_strict_counts_the_challenges_equivalent_codes(code: str, name: str) -> None:
    assert positives(Cpsc2018(), (code,)) == {name}


def test_paper_counts_exact_codes_alone() -> None:
    paper = Cpsc2018(equivalences=False)
    assert positives(paper, ("713427006", "63593006")) == set()
    assert positives(paper, ("59118001", "284470004")) == {"RBBB", "PAC"}
    assert not paper.label_rule().unknown_codes([("713427006",)])


def test_equivalent_codes_are_noted_and_kept_as_published(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    write_challenge_record(tmp_path / "A0001", "713427006")
    strict, paper = Cpsc2018().scan(tmp_path), Cpsc2018(equivalences=False).scan(tmp_path)
    assert strict.records["codes"][0] == paper.records["codes"][0] == ("713427006",)
    assert any("1 record(s) carry codes equivalent" in note and "not" not in note for note in strict.notes)
    assert any("not counted" in note for note in paper.notes)
    assert Cpsc2018().options == Cpsc2018(equivalences=False).options  # one store serves both


def test_classes_are_the_papers_in_its_order() -> None:
    assert Cpsc2018().label_rule().class_names == (
        "NORM",
        "AF",
        "IAVB",
        "LBBB",
        "RBBB",
        "PAC",
        "VEB",
        "STD",
        "STE",
    )
    georgia = ("NORM", "AF", "IAVB", "SB", "LAD", "STach", "TAb", "TInv", "LQT", "PAC")
    assert Georgia().label_rule().class_names == georgia


def test_folder_without_headers_is_one_error(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DatasetError, match="no header"):
            Cpsc2018().scan(root)


def test_folder_of_another_collection_is_one_error(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "E00001", "164889003")
    with pytest.raises(DatasetError, match="1 headers named otherwise"):
        Cpsc2018().scan(tmp_path)


def test_one_record_in_two_folders_is_refused(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "g1/A0001", "164889003")
    write_challenge_record(tmp_path / "copy/A0001", "164889003")
    with pytest.raises(DatasetError, match="named twice: A0001"):
        Cpsc2018().scan(tmp_path)


def test_missing_samples_are_nan_and_short_records_whole(
    tmp_path: Path, write_challenge_record: Write, make_steps: Callable[..., np.ndarray]
) -> None:
    steps = make_steps(samples=4000)
    steps[2, 17] = -32768
    write_challenge_record(tmp_path / "E00001", "426177001", steps=steps)
    values = Georgia().read(tmp_path, Georgia().scan(tmp_path).records["path"][0]).values
    assert values.shape == (12, 4000)
    assert np.argwhere(np.isnan(values)).tolist() == [[2, 17]]


def test_gain_as_the_header_says_even_where_it_is_implausible(
    tmp_path: Path, write_challenge_record: Write
) -> None:
    steps = np.full((12, 100), 1000, dtype=np.int16)
    write_challenge_record(tmp_path / "A0001", "164889003", steps=steps, gains="4880/mV")
    np.testing.assert_allclose(Cpsc2018().read(tmp_path, "A0001").values, 1000 / 4880, rtol=1e-6)


def test_corrupt_mat_is_a_record_error(tmp_path: Path, write_challenge_record: Write) -> None:
    write_challenge_record(tmp_path / "A0001", "164889003")
    (tmp_path / "A0001.mat").write_bytes(b"not a matrix" * 4000)
    with pytest.raises(RecordError, match=r"A0001\.mat"):
        Cpsc2018().read(tmp_path, "A0001")
