from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.brugada_huca import BrugadaHuca
from ecg_tl.errors import DatasetError

HEAD = "patient_id,basal_pattern,sudden_death,brugada"
ROWS = ("188981,0,0,0", "251972,1,1,1", "251973,0,0,2", "251974,1,0,0")


@pytest.fixture
def layout(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Callable[..., Path]:
    def write(rows: tuple[str, ...] = ROWS) -> Path:
        (tmp_path / "metadata.csv").write_text("\n".join([HEAD, *rows]) + "\n")
        for row in ROWS:
            name = row.partition(",")[0]
            write_wfdb(tmp_path / "files" / name / name, rate="100", gains="1000(0)/mV")
        (tmp_path / "files/.DS_Store").write_bytes(b"Bud1")
        (tmp_path / "RECORDS").write_text("files/188981/188981\nfiles/188981/188981\n")
        return tmp_path

    return write


def test_a_record_a_person_whatever_the_list_of_records_repeats(layout: Callable[..., Path]) -> None:
    table = BrugadaHuca().scan(layout()).records
    assert table["record_id"].tolist() == table["patient_id"].tolist() == [row[:6] for row in ROWS]
    assert table["codes"].tolist() == [
        (),
        ("brugada", "basal_pattern", "sudden_death"),
        ("atypical",),
        ("basal_pattern",),
    ]
    assert set(table["sampling_rate"]) == {100.0}
    assert table[["age", "sex"]].isna().all(axis=None)


def test_atypical_ones_are_joined_or_not_answered(layout: Callable[..., Path]) -> None:
    table = BrugadaHuca().scan(layout()).records
    assert table["unanswered"].tolist() == [(), (), ("brugada",), ()]
    alone = BrugadaHuca().label_rule().targets_of(table)
    np.testing.assert_array_equal(alone[:, 0], [0, 1, np.nan, 0])
    joined = BrugadaHuca().label_rule("brugada_or_atypical").targets_of(table)
    assert joined[:, 0].tolist() == [0, 1, 1, 0]
    assert BrugadaHuca().label_rule("all").class_names == ("BRU", "basal_pattern", "sudden_death")


def test_record_without_its_header_is_left_out(layout: Callable[..., Path]) -> None:
    root = layout()
    (root / "files/251972/251972.hea").unlink()
    scan = BrugadaHuca().scan(root)
    assert [left.record_id for left in scan.left_out] == ["251972"]


@pytest.mark.parametrize(
    ("row", "column"),
    [("188981,0,0,3", "brugada"), ("188981,2,0,0", "basal_pattern"), ("../1,0,0,0", "patient_id")],
)
def test_cells_that_say_nothing_are_one_error(layout: Callable[..., Path], row: str, column: str) -> None:
    with pytest.raises(DatasetError, match=f"in column {column} of row 1"):
        BrugadaHuca().scan(layout((row,)))
