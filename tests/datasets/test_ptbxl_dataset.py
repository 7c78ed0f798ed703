from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.ptbxl import PtbXl
from ecg_tl.errors import DatasetError, RecordError, SettingError

COLUMNS = "ecg_id,patient_id,age,sex,site,device,report,scp_codes,strat_fold,filename_lr,filename_hr"


def row(ecg_id: int = 1, **cells: object) -> str:
    values: dict[str, object] = {
        "patient_id": "15709.0",
        "age": "56.0",
        "sex": 1,
        "site": "0.0",
        "device": "CS-12   E",
        "report": '"sinusrhythmus, normal"',
        "scp_codes": "{'NORM': 100.0, 'SR': 0.0}",
        "strat_fold": 3,
        **cells,
    }
    values["scp_codes"] = f'"{values["scp_codes"]}"'
    stem = f"00000/{ecg_id:05d}"
    return ",".join(map(str, [ecg_id, *values.values(), f"records100/{stem}_lr", f"records500/{stem}_hr"]))


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, columns: str = COLUMNS) -> Path:
        (tmp_path / "ptbxl_database.csv").write_text("\n".join([columns, *rows]) + "\n")
        return tmp_path

    return write


def codes_of(root: Path) -> list[tuple[str, ...]]:
    return PtbXl().scan(root).records["codes"].tolist()


def test_table_says_what_the_row_says(layout: Callable[..., Path]) -> None:
    record = PtbXl().scan(layout(row(7))).records.iloc[0]
    assert record["record_id"] == "7"
    assert record["path"] == "records500/00000/00007_hr"
    assert (record["sampling_rate"], record["length"], record["fold"]) == (500.0, 5000, 3)
    assert (record["age"], record["sex"], record["device"]) == (56.0, "F", "CS-12   E")
    assert record["codes"] == ("NORM", "SR")


def test_patient_id_published_as_a_float_is_a_whole_number(layout: Callable[..., Path]) -> None:
    table = PtbXl().scan(layout(row(1, patient_id="15709.0"), row(2, patient_id="15709"))).records
    assert table["patient_id"].tolist() == ["15709", "15709"]


def test_statements_of_likelihood_zero_count(layout: Callable[..., Path]) -> None:
    root = layout(row(1, scp_codes="{'IMI': 15.0, 'AFIB': 0.0, 'PVC': 0.0}"))
    positives = {}
    for task in ("superdiagnostic", "form", "rhythm"):
        rule = PtbXl().label_rule(task)
        positives[task] = [
            n for n, y in zip(rule.class_names, rule.targets(codes_of(root))[0], strict=True) if y
        ]
    assert positives == {"superdiagnostic": ["MI"], "form": ["PVC"], "rhythm": ["AFIB"]}


@pytest.mark.parametrize(
    ("task", "classes"),
    [
        ("superdiagnostic", 5),
        ("subdiagnostic", 23),
        ("diagnostic", 44),
        ("form", 19),
        ("rhythm", 12),
        ("all", 71),
    ],
)
def test_tasks_have_the_benchmarks_classes(task: str, classes: int) -> None:
    rule = PtbXl().label_rule(task)
    assert len(rule.classes) == classes
    assert len(rule.known_codes) == 71


def test_default_task_is_superdiagnostic_in_the_fields_order() -> None:
    assert PtbXl().label_rule().class_names == ("NORM", "MI", "STTC", "HYP", "CD")


def test_four_statements_are_both_diagnostic_and_form() -> None:
    diagnostic, form = (set(PtbXl().label_rule(task).class_names) for task in ("diagnostic", "form"))
    assert diagnostic & form == {"NDT", "NST_", "DIG", "LNGQT"}


def test_unknown_task_is_refused() -> None:
    with pytest.raises(SettingError, match="task of ptbxl: found 'superdiagnosis'"):
        PtbXl().label_rule("superdiagnosis")


def test_statement_outside_the_vocabulary_is_counted_as_unknown(layout: Callable[..., Path]) -> None:
    root = layout(row(1, scp_codes="{'NORM': 100.0, 'XYZ': 0.0}"))
    assert PtbXl().label_rule().unknown_codes(codes_of(root)) == {"XYZ": 1}


def test_record_without_a_label_of_the_task_is_kept_in_the_table(layout: Callable[..., Path]) -> None:
    root = layout(row(1, scp_codes="{'SR': 0.0}"), row(2, scp_codes="{}"))
    assert PtbXl().label_rule().targets(codes_of(root)).sum() == 0
    assert PtbXl.drop_unlabelled


def test_age_of_300_means_over_89_and_is_noted(layout: Callable[..., Path]) -> None:
    scan = PtbXl().scan(layout(row(1, age="300.0"), row(2, age=""), row(3, age="89.0")))
    ages = scan.records["age"].tolist()
    assert ages[0] == 90.0
    assert np.isnan(ages[1])
    assert ages[2] == 89.0
    assert any("1 age(s) of 300" in note for note in scan.notes)


def test_sex_0_is_male_and_1_female(layout: Callable[..., Path]) -> None:
    assert PtbXl().scan(layout(row(1, sex=0), row(2, sex=1))).records["sex"].tolist() == ["M", "F"]


def test_source_rate_chooses_the_published_version(layout: Callable[..., Path]) -> None:
    slow = PtbXl(source_rate=100)
    record = slow.scan(layout(row(1))).records.iloc[0]
    assert record["path"] == "records100/00000/00001_lr"
    assert (record["sampling_rate"], record["length"]) == (100.0, 1000)
    assert slow.options != PtbXl().options


def test_unpublished_source_rate_is_refused() -> None:
    with pytest.raises(SettingError, match="source_rate of ptbxl: found 250"):
        PtbXl(source_rate=250)


def test_record_is_read_with_its_leads_in_standard_spelling(
    layout: Callable[..., Path], write_wfdb: Callable[..., Path]
) -> None:
    root = layout(row(1))
    leads = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
    write_wfdb(root / "records500/00000/00001_hr", leads=leads, gains="1000.0(0)/mV")
    recording = PtbXl().read(root, PtbXl().scan(root).records["path"][0])
    assert recording.leads[3:6] == ("aVR", "aVL", "aVF")


def test_row_without_its_file_is_scanned_and_refused_when_read(layout: Callable[..., Path]) -> None:
    root = layout(row(1))
    scan = PtbXl().scan(root)
    assert len(scan.records) == 1
    with pytest.raises(RecordError, match=r"00001_hr\.hea: found no such file"):
        PtbXl().read(root, scan.records["path"][0])


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        pytest.param({"scp_codes": "{'NORM': 100.0"}, "scp_codes of row 2", id="statements cut off"),
        pytest.param({"scp_codes": "['NORM']"}, "scp_codes of row 2", id="statements as a list"),
        pytest.param({"scp_codes": "__import__('os')"}, "scp_codes of row 2", id="statements as code"),
        pytest.param({"strat_fold": 11}, "'11' in column strat_fold", id="fold 11"),
        pytest.param({"strat_fold": ""}, "'' in column strat_fold", id="no fold"),
        pytest.param({"patient_id": "12.5"}, "'12.5' in column patient_id", id="half a patient"),
        pytest.param({"patient_id": "inf"}, "'inf' in column patient_id", id="infinite patient"),
    ],
)
def test_faulty_cell_is_told_with_column_and_row(
    layout: Callable[..., Path], cells: dict[str, object], part: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        PtbXl().scan(layout(row(1), row(2, **cells)))
    assert part in str(caught.value)
    assert "ptbxl_database.csv" in caught.value.where


def test_missing_column_is_told(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="no column strat_fold among"):
        PtbXl().scan(layout(row(1), columns=COLUMNS.replace("strat_fold", "fold")))


def test_two_rows_of_one_record_are_refused(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="named twice: 1"):
        PtbXl().scan(layout(row(1), row(1)))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(b"\xff\xfe\x00\x81", "cannot be read", id="no text"),
        pytest.param((COLUMNS + "\n").encode(), "no rows", id="no rows"),
        pytest.param(f'{COLUMNS}\n1,"2,3\n'.encode(), "cannot be read", id="quote never closed"),
        pytest.param(b"a,b\n1,2,3\n", "cannot be read", id="ragged"),
    ],
)
def test_unusable_table_is_one_error(tmp_path: Path, content: bytes | None, part: str) -> None:
    if content is not None:
        (tmp_path / "ptbxl_database.csv").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        PtbXl().scan(tmp_path)
    assert part in caught.value.found
    assert "ptbxl_database.csv" in caught.value.where
