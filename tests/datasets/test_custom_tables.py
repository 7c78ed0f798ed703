"""`custom` with tables as people have them: any kind of file, columns by settings, labels in three forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cart_files import ecg_steps, hl7_xml, muse_xml
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import UNANSWERED
from ecg_tl.datasets.custom import Custom
from ecg_tl.datasets.table_files import read_cells, separator_of
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.recordings import ReadSettings
from ecg_tl.store.build import prepare
from ecg_tl.store.fingerprint import source_fingerprint
from ecg_tl.store.settings import StoreSettings

ROWS = {
    "record": ["a", "b", "007"],
    "Patient ID": ["1", "1", "2"],
    "AF": [1, 0, 1],
    "note": ["x\ny", "é;ü", ""],
}


@pytest.fixture
def folder(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Path:
    """Three WFDB records without a table."""
    for name in ROWS["record"]:
        write_wfdb(tmp_path / str(name))
    return tmp_path


def as_text(separator: str, encoding: str, line_end: str = "\n") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "labels.csv"
        text = pd.DataFrame(ROWS).to_csv(index=False, sep=separator, lineterminator=line_end)
        path.write_bytes(text.encode(encoding))
        return path

    return write


def as_excel(folder: Path) -> Path:
    pd.DataFrame(ROWS).to_excel(folder / "labels.xlsx", index=False)
    return folder / "labels.xlsx"


def as_parquet(folder: Path) -> Path:
    pytest.importorskip("pyarrow")
    pd.DataFrame(ROWS).to_parquet(folder / "labels.parquet")
    return folder / "labels.parquet"


TABLES: dict[str, Callable[[Path], Path]] = {
    "commas": as_text(",", "utf-8"),
    "semicolons, a byte order mark and CRLF": as_text(";", "utf-8-sig", "\r\n"),
    "tabs in UTF-16": as_text("\t", "utf-16"),
    "bars in Windows' encoding": as_text("|", "cp1252"),
    "Excel": as_excel,
    "Parquet": as_parquet,
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_says_the_same(kind: str, folder: Path) -> None:
    TABLES[kind](folder)
    scan = Custom(label_columns="AF").scan(folder)
    assert scan.records["record_id"].tolist() == ["a", "b", "007"]
    assert scan.records["patient_id"].tolist() == ["1", "1", "2"]
    assert scan.records["codes"].tolist() == [("AF",), (), ("AF",)]
    assert any("Windows" in note for note in scan.notes) == kind.startswith("bars")


def test_columns_are_named_by_settings(folder: Path) -> None:
    table = "File;MRN;Fold No;Centre;Alter;Geschlecht;AF;MI\na;x;1;K;50;F;ja;1\n".replace("ja", "TRUE")
    (folder / "export.txt").write_text(table + "b;y;2;L;60;M;FALSE;0\n007.hea;;3;;;;true;1\n")
    dataset = get_dataset(
        "custom",
        table="export.txt",
        record_column="File",
        patient_column="mrn",
        fold_column="fold_no",
        site_column="Centre",
        age_column="Alter",
        sex_column="Geschlecht",
        label_columns="MI, AF",
    )
    records = dataset.scan(folder).records
    assert dataset.label_rule(root=folder).class_names == ("MI", "AF")
    assert records["codes"].tolist() == [("MI", "AF"), (), ("MI", "AF")]
    assert records["patient_id"].tolist() == ["x", "y", None]
    assert records["fold"].tolist() == [1, 2, 3]
    assert records["site"].tolist() == ["K", "L", None]
    assert records["sex"].tolist() == ["F", "M", None]
    assert dataset.options["table"] == "export.txt"
    assert get_dataset("custom", **dataset.options).options == dataset.options


def test_settings_that_are_not_given_leave_the_store_its_name() -> None:
    assert Custom().options == {}
    assert Custom(record_column="record").options == {}


def test_codes_in_one_column(folder: Path) -> None:
    (folder / "labels.csv").write_text('record,dx\na,"AFIB; LBBB;AFIB"\nb,\n007,NORM\n')
    dataset = Custom(codes_column="dx")
    scan = dataset.scan(folder)
    rule = dataset.label_rule(root=folder)
    assert rule.class_names == ("AFIB", "LBBB", "NORM")
    assert scan.records["codes"].tolist() == [("AFIB", "LBBB"), (), ("NORM",)]
    np.testing.assert_array_equal(rule.targets_of(scan.records), [[1, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert any("1 row(s) list no code" in note for note in scan.notes)
    unanswered = Custom("unanswered", codes_column="dx").scan(folder).records
    assert np.isnan(rule.targets_of(unanswered)[1]).all()
    assert unanswered[UNANSWERED].tolist()[0] == ()


def test_a_table_of_names_joins_codes_and_counts_those_it_does_not_name(folder: Path) -> None:
    (folder / "labels.csv").write_text("record,dx\na,59118001|713427006\nb,1\n007,426783006\n")
    (folder / "names.csv").write_text("code;class\n59118001;RBBB\n713427006;RBBB\n426783006;NORM\n")
    dataset = Custom(codes_column="dx", code_separator="|", code_names="names.csv")
    scan = dataset.scan(folder)
    rule = dataset.label_rule(root=folder)
    assert rule.class_names == ("RBBB", "NORM")
    np.testing.assert_array_equal(rule.targets_of(scan.records), [[1, 0], [0, 0], [0, 1]])
    assert any("1 code(s) that names.csv does not name: 1 (1)" in note for note in scan.notes)
    assert folder / "names.csv" in list(dataset.source_files(folder))


def test_the_patient_may_be_in_the_name_of_the_file(folder: Path, write_wfdb: Callable[..., Path]) -> None:
    write_wfdb(folder / "sub" / "P12_3")
    (folder / "labels.csv").write_text("record,AF\nsub/P12_3,1\na,0\n")
    scan = Custom(patient_pattern=r"P(\d+)_").scan(folder)
    assert scan.records["patient_id"].tolist() == ["12", None]
    assert any("finds no patient in 1 record(s): a" in note for note in scan.notes)


def test_names_alone_find_files_below_whatever_their_format(tmp_path: Path) -> None:
    steps = ecg_steps()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "one.xml").write_bytes(hl7_xml(steps))
    (tmp_path / "two.xml").write_bytes(muse_xml(steps[[0, 1, *range(6, 12)]], per_bit="5"))
    (tmp_path / "three.xml").write_bytes(hl7_xml(steps))
    (tmp_path / "labels.csv").write_text("record,AF\none,1\ntwo.xml,0\nnone,1\n")
    dataset = Custom()
    scan = dataset.scan(tmp_path)
    assert scan.records["path"].tolist() == ["x/one.xml", "two.xml"]
    assert [left.record_id for left in scan.left_out] == ["none"]
    assert "1 recording(s) in the folder are in no row of labels.csv: three.xml." in scan.notes
    np.testing.assert_allclose(dataset.read(tmp_path, "x/one.xml").values, steps * 0.005, atol=1e-6)


def test_a_name_that_several_files_have_is_left_out_and_said(tmp_path: Path) -> None:
    for sub in ("x", "y"):
        (tmp_path / sub).mkdir()
        (tmp_path / sub / "one.xml").write_bytes(hl7_xml(ecg_steps()))
    (tmp_path / "labels.csv").write_text("record,AF\none,1\nx/one,0\n")
    scan = Custom().scan(tmp_path)
    assert scan.records["path"].tolist() == ["x/one.xml"]
    assert "2 files of this name (x/one.xml, y/one.xml)" in scan.left_out[0].reason


def test_what_files_do_not_say_is_a_setting(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", (ecg_steps(1000) * 5).T)
    (tmp_path / "labels.csv").write_text("record,AF\na,1\n")
    said = {"recorded_rate": 500.0, "recorded_units": "uV"}
    dataset = Custom(recorded_leads="I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6", **said)  # type: ignore[arg-type]
    records = dataset.scan(tmp_path).records
    assert (records["sampling_rate"][0], records["length"][0]) == (500.0, 1000)
    np.testing.assert_allclose(dataset.read(tmp_path, "a.npy").values, ecg_steps(1000) * 0.005, atol=1e-6)
    with pytest.raises(DatasetError, match="leads, sampling rate, units"):
        Custom().scan(tmp_path)


def test_a_study_or_a_store_below_the_folder_changes_nothing(folder: Path) -> None:
    """What is written there belongs to no source, however a table names its records."""
    (folder / "sub").mkdir()
    for ending in (".hea", ".dat"):
        (folder / f"a{ending}").rename(folder / "sub" / f"a{ending}")
    (folder / "labels.csv").write_text("record,AF\na,1\nb,0\n")
    before = source_fingerprint(Custom(), folder)
    store = prepare(Custom(), folder, folder / "stores", StoreSettings(), progress=False)
    for name in ("study/runs/a/predictions.csv", "study/a.png", "cache/b.npz", "stores/labels.tsv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x,y\n1,2\n")
    assert source_fingerprint(Custom(), folder) == before
    assert prepare(Custom(), folder, folder / "stores", StoreSettings(), progress=False).path == store.path
    assert store.records["path"].tolist() == ["sub/a", "b"]


def test_another_separator_is_told_by_the_first_row() -> None:
    assert separator_of('"a,b,c";d\n1;2\n') == ";"
    assert separator_of("a\n") == ","


@pytest.mark.slow
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=2, max_size=4),
                min_size=1, max_size=4))  # fmt: skip
def test_a_workbook_comes_back_as_text(rows: list[list[str]]) -> None:
    import tempfile

    width = max(map(len, rows))
    rows = [["n"] * (width + 1), *(["k", *row, *["z"] * (width - len(row))] for row in rows)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "t.xlsx"
        pd.DataFrame(rows).to_excel(path, index=False, header=False)
        read = read_cells(path).to_numpy().tolist()
    cells = {cell for row in rows for cell in row}
    if not any(cell.startswith("=") for cell in cells):
        assert read == rows


@pytest.mark.parametrize(
    ("table", "settings", "part"),
    [
        ("record,AF,date\na,1,2020-01-31\n", {}, "'2020-01-31' in column date of row 1"),
        ("record,AF\na,2\n", {}, "'2' in column AF of row 1, expected 0 or 1"),
        ("record,AF\na,yes\n", {"label_columns": "AF"}, "'yes' in column AF of row 1"),
        ("record,AF,AF\na,1,1\n", {}, "the column AF twice"),
        ("record,AF\na,1\na.hea,1\n", {}, "named twice: a"),
        ("record,AF\na,1\n", {"label_columns": "AF,MI"}, "no column MI among record, AF"),
        ("record,AF\na,1\n", {"patient_column": "MRN"}, "no column MRN"),
        ("record,AF\na,1\n", {"site_column": "Site"}, "no column Site"),
        ("record,AF\na,1\n", {"record_column": "filename"}, "no column filename among record, AF"),
        ("record,AF\na,1\n", {"codes_column": "dx"}, "no column dx"),
        ("record,dx\na,\n", {"codes_column": "dx"}, "no codes in any row"),
        ("record,patient_id,AF\na,1,1\n", {"patient_pattern": "x"}, "beside patient_pattern"),
        ("record,dx\na,1\n", {"codes_column": "dx", "code_names": "no.csv"}, "no such file"),
        ("PK\x03\x04", {}, "cannot be read"),
        ("PAR1xxxxPAR1", {}, "labels.csv"),
        ("record,AF\n\0\0", {}, "bytes that are no text"),
    ],
)
def test_a_table_that_is_wrong_is_one_line(
    table: str, settings: dict[str, str], part: str, folder: Path
) -> None:
    (folder / "labels.csv").write_text(table)
    dataset = Custom(**settings)  # type: ignore[arg-type]
    with pytest.raises(DatasetError) as caught:
        dataset.scan(folder)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"label_columns": "AF", "codes_column": "dx"}, "label_columns and codes_column"),
        ({"code_names": "x.csv"}, "without codes_column"),
        ({"patient_pattern": "("}, "a regular expression"),
        ({"code_separator": ""}, "what parts the codes"),
        ({"recorded_units": "bar"}, "the unit 'bar'"),
        ({"recorded_leads": "I,Q"}, "the unknown lead Q"),
        ({"recorded_rate": 1.0}, "recorded_rate: found 1.0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], part: str) -> None:
    with pytest.raises(SettingError) as caught:
        get_dataset("custom", **settings)
    assert part in str(caught.value)


@pytest.mark.slow
def test_a_workbook_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "labels.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", "0" * (200 * 2**20))
    with pytest.raises(DatasetError, match="bytes in a file of"):
        read_cells(path)


def test_two_tables_of_labels_are_asked_about(folder: Path) -> None:
    as_excel(folder)
    (folder / "labels.csv").write_text("record,AF\na,1\n")
    with pytest.raises(DatasetError, match=r"labels\.csv and labels\.xlsx"):
        Custom().scan(folder)
    assert len(Custom(table="labels.csv").scan(folder).records) == 1


def test_reading_settings_are_those_of_infer() -> None:
    assert Custom(recorded_leads="i, avr").reading == ReadSettings(("I", "aVR"))
