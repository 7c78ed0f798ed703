"""Figures and words of the report, piece by piece."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.figures.forest import (
    MOST_LINES,
    WIDE,
    Row,
    RowGroup,
    Scale,
    _limits,
    _pieces,
    fit,
    paint_forest,
    text_width,
)
from ecg_tl.figures.svg import drawing, to_svg
from ecg_tl.figures.theme import COLOURS, SERIES, light, series_marker, series_role
from ecg_tl.study.findings.wording import (
    MINUS,
    THIN,
    count,
    duration,
    memory,
    number,
    p_value,
    percent,
    plural,
    signed,
    significant,
    span,
    typeset,
)

numbers = st.floats(-1, 1)


def make_row(estimate: float | None = 0.1, low: float | None = 0.0, high: float | None = 0.2) -> Row:
    return Row("label", "detail", estimate, low, high, "text", "gain")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_pieces_hold_every_row_once_and_in_order(sizes: list[int]) -> None:
    groups = [
        RowGroup(f"g{position}", "", tuple(make_row(float(row)) for row in range(size)))
        for position, size in enumerate(sizes)
    ]
    pieces = list(_pieces(groups))
    for piece in pieces:
        assert all(group.rows for group in piece)
        assert sum(2 + len(group.rows) for group in piece) <= MOST_LINES
    rows = [
        (group.title.split(" ")[0], row.estimate) for piece in pieces for group in piece for row in group.rows
    ]
    assert rows == [(group.title, row.estimate) for group in groups for row in group.rows]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=8))
def test_an_axis_shows_every_point_and_the_line_of_no_effect(
    values: list[tuple[float, float, float]],
) -> None:
    rows = [make_row(middle, middle - below, middle + above) for middle, below, above in values]
    low, high = _limits(rows, Scale("x"))
    assert low < 0 < high
    assert all(low < middle < high for middle, _, _ in values)


def test_one_endless_interval_does_not_flatten_the_others() -> None:
    rows = [make_row(0.02, 0.0, 0.04) for _ in range(9)]
    low, high = _limits([*rows, make_row(0.01, -5.0, 5.0)], Scale("x"))
    assert high - low < 0.5


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.floats(20, 400))
def test_a_text_fits_its_room(text: str, room: float) -> None:
    shown = fit(text, 12, room)
    assert text_width(shown, 12) <= room or shown == "…"
    assert shown.isprintable()


@pytest.mark.parametrize("text", ["<script>", "a & b", "$x$", "心电图", "a\x00b\nc", "\ud800"])
def test_any_name_can_be_drawn(text: str) -> None:
    group = RowGroup(text, text, (Row(text, text, 0.1, 0.0, 0.2, text, "gain"),))
    with drawing():
        svg = to_svg(paint_forest([group], Scale(text, text, text), WIDE), text, "x")
    assert ElementTree.fromstring(str(svg)).get("role") == "img"


def test_a_row_without_numbers_is_words_alone() -> None:
    with drawing():
        svg = to_svg(
            paint_forest([RowGroup("g", "", (make_row(None, None, None),))], Scale("x"), WIDE), "x", "x"
        )
    assert COLOURS["gain"][0] not in svg
    assert "label" in svg


def test_figures_take_their_colours_from_the_page() -> None:
    with drawing():
        figure = paint_forest([RowGroup("g", "", (make_row(),))], Scale("x", "left", "right"), WIDE)
        themed, fixed = (to_svg(figure, "x", "x", themed=themed) for themed in (True, False))
    assert "var(--gain)" in themed
    assert "#" not in "".join(part for part in themed.split('"') if "fill:" in part or "stroke:" in part)
    assert light("gain") in fixed
    assert "var(" not in fixed


def test_ids_of_two_figures_never_meet() -> None:
    with drawing():
        drawn = [
            ElementTree.fromstring(
                str(to_svg(paint_forest([RowGroup("g", "", (make_row(),))], Scale("x"), WIDE), "x", name))
            )
            for name in ("a", "b")
        ]
    found = [{element.get("id") for element in root.iter() if element.get("id")} for root in drawn]
    assert found[0]
    assert not found[0] & found[1]


def test_light_colours_tell_roles_apart() -> None:
    assert len({colours[0] for colours in COLOURS.values()}) == len(COLOURS)


def test_series_keep_colour_and_marker_apart() -> None:
    arms = ["scratch", *(f"arm {position}" for position in range(2 * SERIES))]
    looks = [(series_role(arm, arms), series_marker(arm, arms)) for arm in arms]
    assert looks[0][0] == "series-0"
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (signed(0.0312), "+0.031"),
        (signed(-0.0312), f"{MINUS}0.031"),
        (signed(-0.0001), "0.000"),
        (signed(None), "–"),
        (signed(float("nan")), "–"),
        (number(0.8), "0.800"),
        (span(-0.01, 0.02), f"{MINUS}0.010 to +0.020"),
        (span(0.7, 0.8, 2, sign=False), "0.70 to 0.80"),
        (span(None, 0.8), "–"),
        (count(1542), f"1{THIN}542"),
        (percent(0.934), f"93{THIN}%"),
        (p_value(0.00001), f"<{THIN}0.001"),
        (p_value(0.0412), "0.041"),
        (p_value(0.5), "0.50"),
        (duration(61.2), f"61{THIN}s"),
        (duration(3.14), f"3.1{THIN}s"),
        (duration(4200), f"70{THIN}min"),
        (duration(8100), f"2.2{THIN}h"),
        (duration(-30), f"{MINUS}30{THIN}s"),
        (memory(1_900_000_000), f"1.9{THIN}GB"),
        (significant(3.24), "3.2"),
        (significant(0.0456), "0.046"),
        (significant(0), "0"),
        (
            typeset("it is -0.03 (-0.05 to -.01), CPSC-2018, 1-8"),
            f"it is {MINUS}0.03 ({MINUS}0.05 to -.01), CPSC-2018, 1-8",
        ),
        (plural(1, "class", "classes"), "1 class"),
        (plural(9, "class", "classes"), "9 classes"),
        (plural(2, "seed"), "2 seeds"),
    ],
)
def test_numbers_in_words(written: str, words: str) -> None:
    assert written == words
