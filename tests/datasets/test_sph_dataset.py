from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecg_tl.datasets.aha import AHA_STATEMENTS, CATEGORIES, parse_statements
from ecg_tl.datasets.sph import Sph
from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.signals import LEADS

HEAD = "ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date"
ROWS = (
    "A00001,60+310;147,S00001,55,M,5000,2020-03-04",
    "A02322,1;1,S00002,32,F,28000,2020-03-04",
    "A00003,22;23,S00001,63,M,5000,2019-08-04",
)


def write(root: Path, *rows: str) -> Path:
    (root / "records").mkdir()
    (root / "metadata.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    for row in rows:
        cells = row.split(",")
        signal = np.arange(12)[:, None] / 8 + np.zeros((1, int(cells[5]) if cells[5].isdigit() else 10))
        with h5py.File(root / f"records/{cells[0]}.h5", "w") as file:
            file["ecg"] = signal.astype(np.float16)
    return root


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("1", ("1",)),
        ("1;1", ("1",)),
        ("22;23", ("22", "23")),
        ("30+310", ("30",)),
        ("60+310;147", ("60", "147")),
        ("60+310+320;60", ("60",)),
        ("", ()),
    ],
)
def test_statements_are_parted_modifiers_left_away_and_each_counts_once(
    cell: str, codes: tuple[str, ...]
) -> None:
    assert parse_statements(cell) == codes


def test_rows_and_records(tmp_path: Path) -> None:
    table = Sph().scan(write(tmp_path, *ROWS)).records
    assert table["codes"].tolist() == [("60", "147"), ("1",), ("22", "23")]
    assert table["patient_id"].tolist() == ["S00001", "S00002", "S00001"]
    assert table["length"].tolist() == [5000, 28000, 5000]
    assert table["fold"].isna().all()
    recording = Sph().read(tmp_path, table["path"][1])
    assert (recording.leads, recording.sampling_rate) == (LEADS, 500.0)
    assert recording.values.dtype == np.float32
    assert recording.values.shape == (12, 28000)
    np.testing.assert_array_equal(recording.values[:, 0], np.arange(12) / 8)


def test_forty_four_statements_in_eleven_categories() -> None:
    rule = Sph().label_rule()
    assert len(rule.classes) == len(AHA_STATEMENTS) == 44
    assert len(Sph().label_rule("categories").classes) == len(CATEGORIES) == 11
    assert sum(len(one.codes) for one in Sph().label_rule("categories").classes) == 44
    targets = rule.targets([("60", "147")])[0]
    assert [rule.class_names[i] for i in np.flatnonzero(targets)] == ["PVC", "TAb"]
    assert not Sph().label_rule("categories").unknown_codes([("60",)])
    assert rule.unknown_codes([("999",)]) == {"999": 1}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (ROWS[0].replace("5000", "-3"), "'-3' in column N of row 1"),
        (ROWS[0].replace("5000", "many"), "'many' in column N"),
        (ROWS[0].replace("A00001", "../A00001"), "in column ECG_ID"),
        (ROWS[0].replace("S00001", "1.2E+11"), "in column Patient_ID"),
    ],
)
def test_cells_that_say_nothing_are_one_error(tmp_path: Path, row: str, found: str) -> None:
    (tmp_path / "metadata.csv").write_text(f"{HEAD}\n{row}\n")
    with pytest.raises(DatasetError, match=found):
        Sph().scan(tmp_path)


def test_damaged_record_is_one_error(tmp_path: Path) -> None:
    write(tmp_path, *ROWS)
    with h5py.File(tmp_path / "records/A00001.h5", "w") as file:
        file["ecg"] = np.zeros((9, 100), dtype=np.float16)
    with pytest.raises(RecordError, match=r"ecg of shape \(9, 100\)"):
        Sph().read(tmp_path, "records/A00001.h5")
    (tmp_path / "records/A00001.h5").write_bytes(b"tar")
    with pytest.raises(RecordError, match=r"A00001\.h5"):
        Sph().read(tmp_path, "records/A00001.h5")
    with pytest.raises(RecordError, match=r"A09999\.h5"):
        Sph().read(tmp_path, "records/A09999.h5")
