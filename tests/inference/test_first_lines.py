"""What a table's first line is: decided by the whole of it, and by the lines below; else it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.recordings.formats.csv_table import read_csv
from ecg_tl.signals import LEADS, Recording


def said(columns: int, *, index: bool = False, first_line: str | None = None) -> ReadSettings:
    leads = (("-",) if index else ()) + LEADS[:columns]
    return ReadSettings(leads=leads, sampling_rate=500, units="uV", first_line=first_line)  # type: ignore[arg-type]


def read_or_ask(path: Path, columns: int, answer: str, *, index: bool = False) -> tuple[Recording, bool]:
    """Read a file; if it is asked what the first line is, answer, and say that it was asked."""
    try:
        return read_record(path, said(columns, index=index)).recording, False
    except RecordError as error:
        if "--first_line" not in str(error):
            raise
    return read_record(path, said(columns, index=index, first_line=answer)).recording, True


def signal(columns: int, rows: int, whole: bool, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 300, (rows, columns))
    return np.rint(values).astype(int) if whole else values


@pytest.mark.slow
@given(
    columns=st.integers(1, 12),
    rows=st.integers(20, 40),
    whole=st.booleans(),
    start=st.sampled_from([0, 1]),
    index=st.booleans(),
    separator=st.sampled_from([",", ";", "\t"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_column_numbers_are_no_sample(
    columns: int,
    rows: int,
    whole: bool,
    start: int,
    index: bool,
    separator: str,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    values = signal(columns, rows, whole, seed)
    path = tmp_path_factory.mktemp("lines") / "a.csv"
    table = pd.DataFrame(values, columns=range(start, start + columns))
    table.to_csv(path, index=index, sep=separator)
    for with_index in {False, index}:
        read, asked = read_or_ask(path, columns, "names", index=with_index)
        # Whole numbers in few columns may begin with 0, 1, 2; nothing else may be in doubt.
        assert not asked or (whole and not index and columns < 4)
        assert read.leads == LEADS[:columns]
        np.testing.assert_allclose(read.values, values.T / 1000, rtol=1e-6)


@pytest.mark.slow
@given(columns=st.integers(1, 12), whole=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_a_first_sample_is_not_lost(
    columns: int, whole: bool, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values = signal(columns, 30, whole, seed)
    path = tmp_path_factory.mktemp("lines") / "a.csv"
    pd.DataFrame(values).to_csv(path, index=False, header=False)
    read, _ = read_or_ask(path, columns, "values")
    np.testing.assert_allclose(read.values, values.T / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["0,1", "2,3", "4,5"], None),
        (["0,1,2,3,4", "5,6,7,8,9", "10,11,12,13,14"], None),
        (["0,1,2,3,4", "1,2,3,4,5", "2,3,4,5,6"], None),
        (["0,1,2,3,4"], None),
        (["0,1,2,3,4", "9,-3,2,3,1"], "names"),
        (["1,2,3,4,5", "9,-3,2,3,1"], "names"),
        (["2,3,4,5,6", "9,-3,2,3,1"], "values"),
        (["0,1,2,3,3", "9,-3,2,3,1"], "values"),
        (["0,2,4,6,8", "9,-3,2,3,1"], "values"),
        (["0,-1,-2,-3,-4", "9,-3,2,3,1"], "values"),
        (["0.0,1.0,2.0,3.0,4.0", "9,-3,2,3,1"], "values"),
        (["n/a,0.1,0.2,0.3,0.4", "9,-3,2,3,1"], "values"),
        ([",0.1,0.2,0.3,NaN", "9,-3,2,3,1"], "values"),
        (["0,1", "0.5,0.25"], "names"),
        ([",0", "0,51", "1,50"], "names"),
        ([",0,1", "7,51,3", "9,50,4"], None),
    ],
)
def test_what_decides(lines: list[str], answer: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    columns = lines[0].count(",") + 1
    indexed = lines[0] == ",0"
    leads = LEADS[: columns - indexed]
    if answer is None:
        with pytest.raises(RecordError, match=r"may be column numbers or values.*--first_line names"):
            read_csv(path, ReadSettings(leads))
        assert len(read_csv(path, ReadSettings(leads, first_line="values")).values) == len(lines)
    else:
        values = read_csv(path, ReadSettings(leads)).values
        assert values.shape == (len(lines) - (answer == "names"), columns - indexed)


def test_a_lead_a_row_under_sample_numbers(tmp_path: Path) -> None:
    values = signal(12, 1500, whole=False, seed=0).T
    pd.DataFrame(values).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(values).to_csv(tmp_path / "b.csv")
    for name in ("a.csv", "b.csv"):
        np.testing.assert_allclose(
            read_record(tmp_path / name, said(12)).recording.values, values / 1000, rtol=1e-6
        )


def test_names_that_r_makes_up_are_no_chest_leads(tmp_path: Path) -> None:
    values = signal(12, 50, whole=True, seed=0)
    table = pd.DataFrame(values, columns=[f"V{number}" for number in range(1, 13)])
    table.to_csv(tmp_path / "a.csv", index=False)
    read = read_record(tmp_path / "a.csv", said(12)).recording
    assert read.leads == LEADS
    np.testing.assert_allclose(read.values, values.T / 1000, rtol=1e-6)
    table.iloc[:, :6].to_csv(tmp_path / "b.csv", index=False)
    chest = ReadSettings(sampling_rate=500, units="uV")
    assert read_record(tmp_path / "b.csv", chest).recording.leads == LEADS[6:]
