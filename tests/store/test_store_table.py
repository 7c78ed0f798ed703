from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_tl.errors import StoreError
from ecg_tl.store.table import column_kinds, read_table, write_table

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=6)
ROW = st.fixed_dictionaries(
    {
        "record_id": TEXT,
        "patient_id": st.none()
        | TEXT
        | st.sampled_from(["", '"', '"x"', "a,b", "line\nbreak", "\r", "nan", "None"]),
        "fold": st.none() | st.integers(-3, 10),
        "age": st.floats(width=64),
        "length": st.integers(-(2**62), 2**62),
        "mixed": st.none() | st.integers() | st.floats(allow_nan=False) | TEXT,
        "flag": st.booleans(),
        "codes": st.lists(TEXT, max_size=3).map(tuple),
    }
)


def as_table(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for column in ("patient_id", "fold", "mixed", "codes"):
        table[column] = pd.Series([row[column] for row in rows], dtype=object)
    return table


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_a_table_comes_back_exactly(tmp_path: Path, rows: list[dict]) -> None:
    table = as_table(rows)
    kinds = column_kinds(table)
    write_table(table, kinds, tmp_path / "t.csv")
    back = read_table(tmp_path / "t.csv", kinds, len(table))
    pd.testing.assert_frame_equal(back, table)
    for column in ("patient_id", "fold", "mixed", "codes"):
        assert list(map(type, back[column])) == list(map(type, table[column]))


def test_file_names_that_are_not_unicode_survive(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": pd.Series(["caf\udce9"], dtype=object)})
    kinds = column_kinds(table)
    write_table(table, kinds, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", kinds, 1)["path"][0] == "caf\udce9"


def test_numpy_values_in_object_columns_are_written_as_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"fold": pd.Series([np.int64(3), None], dtype=object)})
    kinds = column_kinds(table)
    write_table(table, kinds, tmp_path / "t.csv")
    assert list(read_table(tmp_path / "t.csv", kinds, 2)["fold"]) == [3, None]


@pytest.mark.parametrize(
    "damage",
    ["a,b\n1,x\n", "a\n1\n2\n", "a,c\n1,x\n2,y\n", "a,b\n1,x\n2\n", "a,b\nseven,x\n2,y\n", "", 'a,b\n1,"[\n'],
)
def test_a_damaged_table_names_its_file(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(damage)
    with pytest.raises(StoreError, match=r"t\.csv"):
        read_table(file, {"a": "int64", "b": "text"}, 2)


def test_a_missing_table_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"t\.csv"):
        read_table(tmp_path / "t.csv", {"a": "int64"}, 2)
