"""What is written where nothing is known is taken for what `fillers` and docs/recordings.md say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.identifiers import MISSING
from ecg_tl.errors import RecordError
from ecg_tl.recordings.wfdb_recording import read_wfdb

NAN = math.nan


@pytest.mark.parametrize(
    ("cell", "years", "noted"),
    [
        *((mark, NAN, False) for mark in ("", "NaN", "Unknown", "n/a", "-", "None", None)),
        *((cell, NAN, True) for cell in ("-1", "999", "130", "1e2", "old", "57Z", "57YY", "inf")),
        ("0", 0.0, False),
        ("57", 57.0, False),
        ("57.0", 57.0, False),
        ("57,5", 57.5, False),
        ("57Y", 57.0, False),
        ("057Y", 57.0, False),
        ("57 years", 57.0, False),
        ("006M", 0.5, False),
        ("26w", 26 * 7 / 365.25, False),
        ("572d", 572 / 365.25, False),
        (">89", 90.0, False),
        ("90+", 90.0, False),
        ("300", 90.0, True),
        ("300.0", 90.0, True),
    ],
)
def test_ages(cell: str | None, years: float, noted: bool) -> None:
    assert parse_age(cell) == pytest.approx(years, nan_ok=True)
    assert bool(people_notes([cell], [])) == noted


@pytest.mark.parametrize(
    ("cell", "sex", "noted"),
    [
        *((cell, "F", False) for cell in ("F", "female", " Female ", "WOMAN")),
        *((cell, "M", False) for cell in ("m", "Male", "man")),
        *((cell, None, False) for cell in ("U", "X", "O", "other", "Unknown", "NaN", "", None)),
        *((cell, None, True) for cell in ("0", "1", "2", "9", "1.0", "fm", "Z")),
    ],
)
def test_sexes(cell: str | None, sex: str | None, noted: bool) -> None:
    assert parse_sex(cell) == sex
    assert bool(people_notes([], [cell])) == noted


@given(st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.sampled_from(sorted(MISSING))))
def test_any_cell_is_an_age_that_a_person_can_have_or_none(cell: object) -> None:
    assert math.isnan(parse_age(cell)) or 0 <= parse_age(cell) < 130
    assert parse_sex(cell) in ("F", "M", None)
    people_notes([cell], [cell])


def test_every_reader_notes_what_it_does_not_understand(
    tmp_path: Path, write_challenge_record: Callable[..., Path], write_wfdb: Callable[..., Path]
) -> None:
    write_challenge_record(tmp_path / "challenge" / "A0001", "426783006", age="-1", sex="1")
    comments = ["# age: 999", "# sex: 2", "# Reason for admission: Healthy control"]
    write_wfdb(tmp_path / "ptb" / "patient001" / "s1", comments=comments)
    write_wfdb(tmp_path / "custom" / "a")
    (tmp_path / "custom" / "labels.csv").write_text("record,age,sex,AF\na,200,9,1\n")
    for name, folder in (("cpsc2018", "challenge"), ("ptb", "ptb"), ("custom", "custom")):
        notes = " ".join(get_dataset(name).scan(tmp_path / folder).notes)
        assert "The age of 1 record(s) is taken as unknown" in notes
        assert "The sex of 1 record(s) is taken as unknown" in notes


def test_checksums_of_zero_for_every_lead_are_not_compared(
    tmp_path: Path, write_wfdb: Callable[..., Path]
) -> None:
    steps = np.ones((3, 50), dtype=np.int16)
    leads = ("I", "II", "V1")
    record = write_wfdb(tmp_path / "r", steps, leads=leads, checksums=[0, 0, 0])
    assert read_wfdb(record).values.shape == (3, 50)
    for sums in ([0, 0, 50], [0, 0, None], [50, 0, 50]):  # one that was summed speaks for the others
        record = write_wfdb(tmp_path / "r", steps, leads=leads, checksums=sums)
        with pytest.raises(RecordError, match="another checksum"):
            read_wfdb(record)


@pytest.mark.parametrize("field", ["0/mV", "0(5)/mV", "0.0", "", "0 16 0 0 0 0 I"])
def test_no_gain_is_refused_with_what_the_format_lets_one_assume(tmp_path: Path, field: str) -> None:
    (tmp_path / "r.hea").write_text(f"r 1 500 10\nr.dat 16 {field}\n")
    (tmp_path / "r.dat").write_bytes(bytes(20))
    with pytest.raises(RecordError, match=r"not calibrated.*200 steps/mV"):
        read_wfdb(tmp_path / "r")
