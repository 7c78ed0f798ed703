from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datasets.base import UNANSWERED
from ecg_tl.datasets.custom import Custom
from ecg_tl.errors import DatasetError, SettingError


def write_one(record: Path) -> None:
    """Write the smallest record there is."""
    record.with_name(f"{record.name}.hea").write_text(
        f"{record.name} 1 500 1\n{record.name}.dat 16 200 16 0 1 1 0 I\n"
    )
    record.with_name(f"{record.name}.dat").write_bytes(b"\1\0")


@pytest.fixture
def layout(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Callable[..., Path]:
    def write(table: str, *records: str, encoding: str = "utf-8") -> Path:
        (tmp_path / "labels.csv").write_text(table, encoding=encoding)
        for record in records:
            write_wfdb(tmp_path / record)
        return tmp_path

    return write


def test_columns_are_classes_in_their_order(layout: Callable[..., Path]) -> None:
    root = layout("record,MI,AF\nsite1/a,0,1\nb,1,1\nc,0,0\n", "site1/a", "b", "c")
    table = Custom().scan(root).records
    rule = Custom().label_rule(root=root)
    assert rule.class_names == ("MI", "AF")
    assert table["record_id"].tolist() == ["site1/a", "b", "c"]
    assert (table["length"][0], table["sampling_rate"][0]) == (1000, 500.0)
    assert table["patient_id"].tolist() == table["fold"].tolist() == [None] * 3
    np.testing.assert_array_equal(rule.targets(table["codes"]), [[0, 1], [1, 1], [0, 0]])
    assert Custom().read(root, table["path"][0]).values.shape == (12, 1000)


def test_optional_columns_are_no_classes(layout: Callable[..., Path]) -> None:
    root = layout("record,AF,patient_id,fold,age,sex\na,1,p7,3,61,F\nb,0,,10,,unknown\n", "a", "b")
    table = Custom().scan(root).records
    assert Custom().label_rule(root=root).class_names == ("AF",)
    assert table["patient_id"].tolist() == ["p7", None]
    assert table["fold"].tolist() == [3, 10]
    assert table["age"][0] == 61.0
    assert np.isnan(table["age"][1])
    assert table["sex"].tolist() == ["F", None]


def test_table_as_spreadsheets_export_it_is_read(layout: Callable[..., Path]) -> None:
    root = layout("record , AF\r\na, 1.0\r\nb,0.0\r\n", "a", "b", encoding="utf-8-sig")
    assert Custom().scan(root).records["codes"].tolist() == [("AF",), ()]


def test_records_named_by_numbers_keep_their_zeros(layout: Callable[..., Path]) -> None:
    assert Custom().scan(layout("record,AF\n001,1\n", "001")).records["record_id"].tolist() == ["001"]


def test_record_without_a_readable_header_is_left_out(layout: Callable[..., Path]) -> None:
    scan = Custom().scan(layout("record,AF\na,1\nb,0\n", "a"))
    assert scan.records["record_id"].tolist() == ["a"]
    assert [(left.record_id, "no such file" in left.reason) for left in scan.left_out] == [("b", True)]


@pytest.mark.parametrize(
    ("table", "part"),
    [
        pytest.param("path,AF\na,1\n", "no column record among path, AF", id="no column record"),
        pytest.param("record,patient_id\na,1\n", "found the columns record, patient_id", id="no class"),
        pytest.param("record,AF\na,yes\n", "'yes' in column AF of row 1", id="label in words"),
        pytest.param("record,AF\na,\n", "'' in column AF of row 1", id="empty label"),
        pytest.param("record,AF,MI\na,1\n", "'' in column MI of row 1", id="row cut off"),
        pytest.param(
            "record,AF,comment\na,1,noisy\n", "'noisy' in column comment of row 1", id="other column"
        ),
        pytest.param("record,AF,AF\na,1,0\n", "the column AF twice", id="column twice"),
        pytest.param("record,AF,\na,1,0\n", "a column without a name", id="column without a name"),
        pytest.param("record,AF\na,1\n./a,0\n", "named twice: a", id="two rows of one record"),
        pytest.param("record,AF\n../a,1\n", "'../a' in column record of row 1", id="path above the folder"),
        pytest.param("record,AF\nx/../../a,1\n", "'x/../../a' in column record", id="path around the folder"),
        pytest.param("record,AF\n/etc/a,1\n", "'/etc/a' in column record", id="absolute path"),
        pytest.param("record,AF\n,1\n", "'' in column record", id="no path"),
        pytest.param("record,AF,fold\na,1,\n", "'' in column fold", id="no fold"),
        pytest.param("record,AF,fold\na,1,1.5\n", "'1.5' in column fold", id="half a fold"),
        pytest.param("record,AF\nb,1\n", "none usable", id="no record is there"),
        pytest.param("record,AF\n", "no rows", id="no rows"),
        pytest.param("", "cannot be read", id="empty"),
    ],
)
def test_faulty_table_is_one_error_that_names_it(layout: Callable[..., Path], table: str, part: str) -> None:
    root = layout(table, "a")
    with pytest.raises(DatasetError) as caught:
        Custom().scan(root)
    assert part in str(caught.value)
    assert "labels.csv" in caught.value.where


def test_empty_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no table of labels, expected labels\.csv or"):
        Custom().scan(tmp_path)
    with pytest.raises(DatasetError, match=r"no table of labels, expected labels\.csv or"):
        Custom().label_rule(root=tmp_path)


def test_classes_without_a_root_are_refused() -> None:
    with pytest.raises(SettingError, match="no root"):
        Custom().label_rule()


@pytest.mark.slow
@given(
    number=st.integers(0, 10**20),
    spelling=st.sampled_from(["{}", "{}.0", " {} ", "{}.", "{}.00"]),
    other=st.sampled_from(["{}", "{}.0", " {} ", "{}.", "{}.00"]),
)
def test_a_patient_is_one_in_every_spelling_of_a_number(number: int, spelling: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for record in ("a", "b", "c"):
            write_one(Path(folder) / record)
        cells = spelling.format(number), other.format(number), str(number + 1)
        table = "".join(f"{r},1,{cell}\n" for r, cell in zip("abc", cells, strict=True))
        (Path(folder) / "labels.csv").write_text(f"record,AF,patient_id\n{table}")
        patients = Custom().scan(Path(folder)).records["patient_id"].tolist()
    assert patients == [str(number), str(number), str(number + 1)]


@pytest.mark.parametrize("mark", ["NA", "unknown", "", "nan", "None", "-", "?", "N/A", "#N/A", "null"])
def test_missing_patients_are_patients_of_their_own(layout: Callable[..., Path], mark: str) -> None:
    root = layout(f"record,AF,patient_id\na,1,{mark}\nb,0,{mark}\nc,0,p\n", "a", "b", "c")
    assert Custom().scan(root).records["patient_id"].tolist() == [None, None, "p"]


def test_patients_that_differ_in_spelling_alone_are_named(layout: Callable[..., Path]) -> None:
    scan = Custom().scan(layout("record,AF,patient_id\na,1,P7\nb,0,p07\n", "a", "b"))
    assert any("'P7' = 'p07'" in note for note in scan.notes)


def test_a_patient_that_a_spreadsheet_rounded_is_refused(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match=r"'1.23457E\+11' in column patient_id of row 1"):
        Custom().scan(layout("record,AF,patient_id\na,1,1.23457E+11\n", "a"))


@pytest.mark.parametrize("column", ["record", "patient_id", "fold", "age", "sex"])
@pytest.mark.parametrize("spell", [str.upper, str.title, " {} ".format, lambda c: c.replace("_", " "),
                                   lambda c: c.replace("_", "-"), lambda c: c.replace("_", "")])  # fmt: skip
def test_a_reserved_name_is_reserved_in_every_spelling(
    layout: Callable[..., Path], column: str, spell: Callable[[str], str]
) -> None:
    names = ["record", "AF", *(name for name in ("patient_id", "fold", "age", "sex"))]
    header = ",".join(spell(name) if name == column else name for name in names)
    root = layout(f"{header}\na,1,1,1,1,1\nb,0,0,0,0,0\n", "a", "b")
    scan = Custom().scan(root)
    assert Custom().label_rule(root=root).class_names == ("AF",)
    assert scan.records["patient_id"].tolist() == ["1", "0"]
    assert scan.records["fold"].tolist() == [1, 0]
    said = [note for note in scan.notes if "is read as" in note]
    assert len(said) == (spell(column).strip() != column)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("record,AF,sex,Sex", "the column sex and Sex, which mean the same"),
        ("record,AF,af,age", "the column AF and af, which mean the same"),
        ("record,AF,gender,age", "Is it the sex? Rename it to `sex`"),
        ("record,AF,Subject ID,age", "Is it the patient_id?"),
    ],
)
def test_columns_that_may_be_one_or_reserved_are_asked_about(
    layout: Callable[..., Path], header: str, part: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        Custom().scan(layout(f"{header}\na,1,0,1\n", "a"))
    assert part in str(caught.value)


def test_ages_and_sexes_that_are_not_understood_are_counted(layout: Callable[..., Path]) -> None:
    scan = Custom().scan(layout("record,AF,age,sex\na,1,old,0\nb,1,200,NA\nc,0,50,F\n", "a", "b", "c"))
    notes = " ".join(scan.notes)
    assert "The age of 2 record(s) is taken as unknown: 'old', '200'" in notes
    assert "The sex of 1 record(s) is taken as unknown: '0'" in notes


@pytest.mark.parametrize(("cell", "file"), [("7.0", "7"), ("7.0", "7.0"), ("é", "e\u0301")])
def test_a_record_is_found_under_the_spelling_that_its_file_has(
    layout: Callable[..., Path], cell: str, file: str
) -> None:
    assert Custom().scan(layout(f"record,AF\n{cell},1\n", file)).records["record_id"].tolist() == [file]


def test_one_record_in_two_spellings_is_named_twice(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="named twice: 7"):
        Custom().scan(layout("record,AF\n7,1\n7.0,1\n", "7"))


def test_an_empty_cell_is_a_fault_until_a_setting_takes_it_for_no_answer(
    tmp_path: Path, write_wfdb: Callable[..., Path]
) -> None:
    (tmp_path / "labels.csv").write_text("record,MI,AF\na,0,1\nb,,1\nc,,\n")
    for record in "abc":
        write_wfdb(tmp_path / record)
    with pytest.raises(DatasetError, match="empty_cells: unanswered"):
        Custom().scan(tmp_path)
    table = Custom(empty_cells="unanswered").scan(tmp_path).records
    assert table[UNANSWERED].tolist() == [(), ("MI",), ("MI", "AF")]
    targets = Custom().label_rule(root=tmp_path).targets_of(table)
    np.testing.assert_array_equal(targets, [[0, 1], [np.nan, 1], [np.nan, np.nan]])
    with pytest.raises(SettingError, match="empty_cells"):
        Custom(empty_cells="guess")  # type: ignore[arg-type]
