from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from earlier_tables import write_csv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_tl.errors import StoreError
from ecg_tl.store import columns
from ecg_tl.store.columns import Columns, write_columns
from ecg_tl.store.table import column_kinds, read_table

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
    write_columns(table, kinds, tmp_path / "t.npz")
    write_csv(table, kinds, tmp_path / "t.csv")
    by_columns = Columns(tmp_path / "t.npz", kinds, len(table)).read()
    for back in (by_columns, read_table(tmp_path / "t.csv", kinds, len(table))):
        pd.testing.assert_frame_equal(back, table)
        for column in ("patient_id", "fold", "mixed", "codes"):
            assert list(map(type, back[column])) == list(map(type, table[column]))


@pytest.mark.parametrize("most", [0, 3, 100])
def test_a_table_comes_back_however_many_cells_are_kept_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(columns, "_MOST_CELLS", most)
    monkeypatch.setattr(columns, "_ROWS_AT_ONCE", 4)
    texts = ["b", None, "a", "b", "a", "", "b", "c", "b", "d", "b", "b", "b", "b"]
    table = pd.DataFrame({"site": pd.Series(texts, dtype=object), "number": np.arange(14)})
    kinds = column_kinds(table)
    write_columns(table, kinds, tmp_path / "t.npz")
    pd.testing.assert_frame_equal(Columns(tmp_path / "t.npz", kinds, 14).read(), table)
    once = tmp_path / "t.npz"
    write_columns(table, kinds, tmp_path / "again.npz")
    assert once.read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_a_table_by_columns_is_an_archive_of_numpy(tmp_path: Path) -> None:
    table = pd.DataFrame({"length": [5, 7], "sex": ["F", "M"]})
    write_columns(table, column_kinds(table), tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as archive:
        assert archive["0.values"].tolist() == [5, 7]
        assert archive["1.text"].tobytes() == b"FM"


def damaged(path: Path, number: int) -> None:
    """Turn over one byte; those of dates and the like, which nothing reads, are left out of the test."""
    content = bytearray(path.read_bytes())
    content[number] ^= 0xFF
    path.write_bytes(bytes(content))


def test_whatever_byte_is_damaged_a_table_by_columns_is_refused_or_read_as_it_was(tmp_path: Path) -> None:
    table = as_table(
        [
            {
                "record_id": str(number),
                "patient_id": None,
                "fold": number,
                "age": 1.5,
                "length": 3,
                "mixed": 1,
                "flag": True,
                "codes": ("a", "b"),
            }
            for number in range(5)
        ]
    )
    kinds, path = column_kinds(table), tmp_path / "t.npz"
    write_columns(table, kinds, path)
    content, refused = path.read_bytes(), 0
    for number in range(0, len(content), 61):
        damaged(path, number)
        with suppress(StoreError):
            pd.testing.assert_frame_equal(Columns(path, kinds, 5).read(), table)
            refused -= 1
        refused += 1
        path.write_bytes(content)
    assert refused > 20
    for length in range(0, len(content), 400):
        path.write_bytes(content[:length])
        with pytest.raises(StoreError, match=r"t\.npz"):
            Columns(path, kinds, 5).read()


def test_a_compressed_or_missing_column_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", columns=np.frombuffer(b'["a"]', np.uint8), **{"0.values": [1]})
    with pytest.raises(StoreError, match="compressed"):
        Columns(tmp_path / "t.npz", {"a": "int64"}, 1).read()
    np.savez(tmp_path / "t.npz", columns=np.frombuffer(b'["a"]', np.uint8))
    with pytest.raises(StoreError, match="a damaged table"):
        Columns(tmp_path / "t.npz", {"a": "int64"}, 1).read()
    with pytest.raises(StoreError, match="columns"):
        Columns(tmp_path / "t.npz", {"b": "int64"}, 1).read()
    with pytest.raises(StoreError, match=r"n\.npz"):
        Columns(tmp_path / "n.npz", {"b": "int64"}, 1).read()


def test_file_names_that_are_not_unicode_survive(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": pd.Series(["caf\udce9"], dtype=object)})
    kinds = column_kinds(table)
    write_columns(table, kinds, tmp_path / "t.npz")
    assert Columns(tmp_path / "t.npz", kinds, 1).read()["path"][0] == "caf\udce9"


def test_numpy_values_in_object_columns_are_written_as_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"fold": pd.Series([np.int64(3), None], dtype=object)})
    kinds = column_kinds(table)
    write_columns(table, kinds, tmp_path / "t.npz")
    assert list(Columns(tmp_path / "t.npz", kinds, 2).read()["fold"]) == [3, None]


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
