from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datasets.identifiers import MISSING, identifier, is_rounded, look_alike_key, look_alikes

WHOLE = st.integers(min_value=0, max_value=10**40).map(str)
BLANKS = st.text(alphabet=" \t\u00a0\u2009", max_size=3)
CELLS = st.text(max_size=12)


@given(WHOLE, st.integers(0, 3), st.integers(0, 3), BLANKS, BLANKS)
def test_a_whole_number_keeps_every_digit_however_a_program_writes_it(
    number: str, leading: int, decimals: int, before: str, after: str
) -> None:
    text = "0" * leading + number
    assert identifier(before + text + after) == text
    assert identifier(f"{before}{text}.{'0' * decimals}{after}") == text


@given(WHOLE, WHOLE)
def test_different_numbers_are_different_identifiers(one: str, other: str) -> None:
    assert (identifier(f"{one}.0") == identifier(other)) == (one == other)
    assert (look_alike_key(one) == look_alike_key(other)) == (one == other)


@given(st.sampled_from(sorted(MISSING)), st.sampled_from([str.upper, str.title, str.swapcase, str]), BLANKS)
def test_a_mark_of_a_missing_value_is_no_identifier(mark: str, case: object, blank: str) -> None:
    assert identifier(blank + case(mark) + blank) is None  # type: ignore[operator]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_nothing_is_no_identifier(value: object) -> None:
    assert identifier(value) is None


@given(CELLS)
def test_an_identifier_is_its_own_identifier(cell: str) -> None:
    once = identifier(cell)
    if once is not None:
        assert identifier(once) in (once, identifier(identifier(once)))
        assert look_alike_key(once) == look_alike_key(cell)


@given(CELLS)
def test_both_forms_of_unicode_are_one_identifier(cell: str) -> None:
    assert identifier(unicodedata.normalize("NFD", cell)) == identifier(unicodedata.normalize("NFC", cell))


@given(st.text(alphabet="Aaé07 -_", min_size=1, max_size=6), st.integers(0, 2))
def test_look_alikes_have_one_key(name: str, zeros: int) -> None:
    key = look_alike_key(name)
    assert key == look_alike_key(name.upper()) == look_alike_key(f" {name} ")
    assert key == look_alike_key(name.replace("7", "7 "))
    assert look_alike_key(f"P{'0' * zeros}7") == look_alike_key("p7")


def test_look_alikes_are_named_together() -> None:
    assert look_alikes(["P7", "8", "p7", "P 07", "8", "P8"]) == [("P7", "p7", "P 07")]
    assert look_alikes(["7", "007", "70", "A10", "A100", "A0"]) == [("7", "007")]


@pytest.mark.parametrize(
    ("cell", "rounded"),
    [
        ("1.23457E+11", True),
        ("1e+16", True),
        ("12E3", False),
        ("1E3", False),
        ("1.5", False),
        ("E+11", False),
    ],
)
def test_a_number_that_a_spreadsheet_rounded_is_seen(cell: str, rounded: bool) -> None:
    assert is_rounded(cell) == rounded
