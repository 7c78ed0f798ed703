from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecg_tl.datasets import hdf5_signals
from ecg_tl.datasets.code15 import Code15
from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.signals import LEADS, select_leads
from ecg_tl.synthesis import synthesize

HEAD = (
    "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,"
    "normal_ecg,trace_file"
)
ROWS = (
    "30,38,True,40.1,True,False,False,False,False,False,7,False,2.1,False,exams_part0.hdf5",
    "10,73,False,68.2,False,False,False,False,False,True,8,,,False,exams_part0.hdf5",
    "20,67,True,59.9,False,False,False,False,False,False,7,True,0.1,True,exams_part1.hdf5",
    "40,67,True,59.9,False,False,False,False,False,False,9,,,False,exams_part1.hdf5",
)


def part(path: Path, exams: list[int], samples: int = 64) -> None:
    """Write a part whose tracings are, in lead `k` of exam `e`, `e + k / 100`."""
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([*exams, 0])
        tracings = np.zeros((len(exams) + 1, samples, 12), dtype=np.float32)
        for row, exam in enumerate(exams):
            tracings[row, 8:-8] = exam + np.arange(12) / 100
        file["tracings"] = tracings


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., Path]:
    def write(rows: tuple[str, ...] = ROWS) -> Path:
        (tmp_path / "exams.csv").write_text("\n".join([HEAD, *rows]) + "\n")
        part(tmp_path / "exams_part0.hdf5", [10, 30])
        part(tmp_path / "exams_part1.hdf5", [40, 20])
        return tmp_path

    return write


def test_exams_are_joined_by_their_number_and_the_row_of_zeros_is_none(layout: Callable[..., Path]) -> None:
    root = layout()
    scan = Code15().scan(root)
    table = scan.records
    assert table["record_id"].tolist() == ["30", "10", "20", "40"]
    assert table["path"].tolist() == [
        "exams_part0.hdf5#1",
        "exams_part0.hdf5#0",
        "exams_part1.hdf5#1",
        "exams_part1.hdf5#0",
    ]
    for exam, path in zip(table["record_id"], table["path"], strict=True):
        recording = Code15().read(root, path)
        assert recording.sampling_rate == 400.0
        assert recording.leads == LEADS  # CODE test's are rotated, these are not
        values = select_leads(recording, LEADS, path)
        np.testing.assert_allclose(values[:, 32], int(exam) + np.arange(12) / 100, rtol=1e-6)
        assert not values[:, :8].any()
        assert not values[:, -8:].any()
    assert not scan.left_out
    assert Code15.crop == "center"


def test_patients_ages_sexes_and_flags(layout: Callable[..., Path]) -> None:
    table = Code15().scan(layout()).records
    assert table["patient_id"].tolist() == ["7", "8", "7", "9"]
    assert table["age"].tolist() == [38.0, 73.0, 67.0, 67.0]
    assert table["sex"].tolist() == ["M", "F", "M", "M"]
    assert table["codes"].tolist() == [("1dAVb",), ("AF",), ("normal_ecg", "death"), ()]


def test_no_flag_is_not_normal(layout: Callable[..., Path]) -> None:
    codes = Code15().scan(layout()).records["codes"]
    rule = Code15().label_rule("abnormalities_normal")
    assert rule.targets(codes)[:, rule.class_names.index("NORM")].tolist() == [0, 0, 1, 0]
    assert Code15().label_rule().class_names == ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
    assert not Code15().label_rule().unknown_codes(codes)


def test_death_of_a_patient_who_was_not_followed_is_a_question_without_an_answer(
    layout: Callable[..., Path],
) -> None:
    table = Code15().scan(layout()).records
    targets = Code15().label_rule("death").targets_of(table)
    np.testing.assert_array_equal(targets[:, 0], [0, np.nan, 1, np.nan])
    assert not np.isnan(Code15().label_rule("abnormalities_normal").targets_of(table)).any()


def test_some_parts_alone_will_do_and_the_rest_is_counted(layout: Callable[..., Path]) -> None:
    root = layout()
    (root / "exams_part1.hdf5").unlink()
    scan = Code15().scan(root)
    assert scan.records["record_id"].tolist() == ["30", "10"]
    assert any("2 exam(s) lie in parts that are not here: exams_part1.hdf5" in note for note in scan.notes)


def test_exam_that_its_part_lacks_is_left_out_and_one_without_a_row_counted(
    layout: Callable[..., Path],
) -> None:
    root = layout((*ROWS[:3], ROWS[3].replace("40,", "41,", 1)))
    scan = Code15().scan(root)
    assert [(left.record_id, "no exam 41" in left.reason) for left in scan.left_out] == [("41", True)]
    assert any("1 exam(s) of the parts have no row" in note for note in scan.notes)


def test_scanning_reads_no_tracing(layout: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = layout()

    def refuse(*_: object) -> None:
        raise AssertionError("a tracing is read")

    monkeypatch.setattr(hdf5_signals.SignalArray, "read", refuse)
    assert len(Code15().scan(root).records) == 4


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((ROWS[0].replace("True,40.1", "1.0,40.1"), ROWS[1]), None),
        ((ROWS[0].replace("True,False", "maybe,False"), ROWS[1]), "'maybe' in column 1dAVb of row 1"),
        ((ROWS[0].replace("30,", "3e1,", 1), ROWS[1]), "'3e1' in column exam_id"),
        ((ROWS[0], ROWS[0]), "named twice: 30"),
    ],
)
def test_cells_that_say_nothing_are_one_error(
    layout: Callable[..., Path], rows: tuple[str, ...], found: str | None
) -> None:
    if found is None:
        assert len(Code15().scan(layout(rows)).records) == 2
        return
    with pytest.raises(DatasetError, match=found):
        Code15().scan(layout(rows))


def test_damaged_parts_are_one_error(layout: Callable[..., Path], tmp_path: Path) -> None:
    root = layout()
    part(root / "exams_part2.hdf5", [10])
    with pytest.raises(DatasetError, match="exam_id that came before"):
        Code15().scan(root)
    with h5py.File(root / "exams_part2.hdf5", "w") as file:
        file["exam_id"] = np.array([1, 2])
        file["tracings"] = np.zeros((3, 64, 12), dtype=np.float32)
    with pytest.raises(DatasetError, match=r"exam_id of shape \(2,\)"):
        Code15().scan(root)
    (root / "exams_part2.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(DatasetError, match=r"exams_part2\.hdf5"):
        Code15().scan(root)
    with pytest.raises(RecordError, match="row 0 that cannot be read"):
        Code15().read(root, "exams_part2.hdf5#0")


def test_no_part_says_where_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "exams.csv").write_text(HEAD + "\n" + ROWS[0] + "\n")
    with pytest.raises(DatasetError, match=r"nor any other part.*zenodo"):
        Code15().scan(tmp_path)


@pytest.mark.slow
def test_the_simulated_parts_have_the_order_of_the_table_reversed(tmp_path: Path) -> None:
    synthesize("code15", tmp_path / "x", 7, progress=False)
    with h5py.File(tmp_path / "x/exams_part0.hdf5") as file:
        exams = file["exam_id"][:].tolist()
        assert exams[-1] == 0
        assert not file["tracings"][-1].any()
    table = Code15().scan(tmp_path / "x").records["record_id"].tolist()
    assert exams[:-1] == [int(exam) for exam in reversed(table[:3])]
