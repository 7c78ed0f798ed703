from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.ptb import Ptb
from ecg_tl.errors import DatasetError

LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
FRANK = ("vx", "vy", "vz")


@pytest.fixture
def write_ptb(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Callable[..., Path]:
    def write(name: str, reason: str | None, age: str = "81", sex: str = "female") -> Path:
        record = tmp_path / name
        options = {"rate": "1000", "gains": "2000"}
        write_wfdb(record, leads=FRANK, suffix=".xyz", **options)
        frank = record.with_name(record.name + ".hea").read_text().splitlines()[1:]
        comments = ["", f"# age: {age}", f"# sex: {sex}", "# Diagnose:"]
        if reason is not None:
            comments.append(f"# Reason for admission: {reason}")
        line = f"{record.name} 15 1000 1000"
        return write_wfdb(record, leads=LEADS, record_line=line, comments=[*frank, *comments], **options)

    return write


def test_reason_for_admission_is_the_code_and_the_folder_the_patient(
    tmp_path: Path, write_ptb: Callable[..., Path]
) -> None:
    write_ptb("patient001/s0010_re", "Myocardial infarction")
    write_ptb("patient001/s0014lre", "Myocardial infarction")
    write_ptb("patient104/s0306lre", "Healthy control", age="n/a", sex="male")
    table = Ptb().scan(tmp_path).records
    assert table["record_id"].tolist() == [
        "patient001/s0010_re",
        "patient001/s0014lre",
        "patient104/s0306lre",
    ]
    assert table["patient_id"].tolist() == ["patient001", "patient001", "patient104"]
    assert table["sex"].tolist() == ["F", "F", "M"]
    assert table["age"][0] == 81
    assert np.isnan(table["age"][2])
    np.testing.assert_array_equal(Ptb().label_rule().targets(table["codes"]), [[0, 1], [0, 1], [1, 0]])


def test_any_other_reason_is_neither_class_and_known(tmp_path: Path, write_ptb: Callable[..., Path]) -> None:
    write_ptb("patient002/s0015lre", "Heart failure (NYHA 3)")
    write_ptb("patient003/s0017lre", "Curiosity")
    codes = Ptb().scan(tmp_path).records["codes"]
    rule = Ptb().label_rule()
    assert rule.targets(codes).sum() == 0
    assert rule.unknown_codes(codes) == {"Curiosity": 1}


@pytest.mark.parametrize("reason", [None, "n/a", ""])
def test_record_without_a_reason_is_left_out(
    tmp_path: Path, write_ptb: Callable[..., Path], reason: str | None
) -> None:
    write_ptb("patient001/s0010_re", "Healthy control")
    write_ptb("patient002/s0015lre", reason)
    scan = Ptb().scan(tmp_path)
    assert scan.records["record_id"].tolist() == ["patient001/s0010_re"]
    assert [left.record_id for left in scan.left_out] == ["patient002/s0015lre"]
    assert "no reason for admission" in scan.left_out[0].reason


def test_unreadable_header_is_left_out_with_its_fault(tmp_path: Path, write_ptb: Callable[..., Path]) -> None:
    write_ptb("patient001/s0010_re", "Healthy control")
    (tmp_path / "patient001/s0014lre.hea").write_text("s0014lre fifteen 1000\n")
    left = Ptb().scan(tmp_path).left_out
    assert [left[0].record_id, "s0014lre.hea" in left[0].reason] == ["patient001/s0014lre", True]


def test_fifteen_leads_are_read_from_two_files(tmp_path: Path, write_ptb: Callable[..., Path]) -> None:
    write_ptb("patient001/s0010_re", "Healthy control")
    recording = Ptb().read(tmp_path, "patient001/s0010_re")
    assert recording.leads[:6] == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert recording.leads[12:] == FRANK
    assert recording.values.shape == (15, 1000)
    assert recording.sampling_rate == 1000.0


def test_folder_without_patients_is_one_error(tmp_path: Path, write_wfdb: Callable[..., Path]) -> None:
    write_wfdb(tmp_path / "elsewhere/r")
    with pytest.raises(DatasetError, match="no records"):
        Ptb().scan(tmp_path)
