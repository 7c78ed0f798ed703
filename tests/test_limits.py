"""Bounds on numbers, and on what files may grow to."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl import limits
from ecg_tl.errors import CheckpointError, EcgTlError, SettingError
from ecg_tl.limits import Limit, require, require_archive_growth, require_growth, require_tree, shown

ALL = [value for value in vars(limits).values() if isinstance(value, Limit)]


@given(st.sampled_from(ALL), st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_whatever_is_given_is_within_the_limit_or_an_error_that_names_the_file(
    limit: Limit, value: Any
) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and limit.lowest <= value <= limit.highest and (isinstance(value, int) or not limit.whole):
        require(limit, value, "file.hea", CheckpointError)
    else:
        with pytest.raises(CheckpointError, match=rf"file\.hea: found {limit.name}"):
            require(limit, value, "file.hea", CheckpointError)


@pytest.mark.parametrize(
    "value",
    [10**20, -(10**20), 10**5000, 1e308, -1.0, 1e-300, math.nan, math.inf],
    ids=lambda value: f"{value:.3g}" if isinstance(value, float) else f"{value.bit_length()} bits",
)
@pytest.mark.parametrize("limit", ALL, ids=lambda limit: limit.name)
def test_absurd_numbers_are_beyond_every_limit(limit: Limit, value: float) -> None:
    if value == 1e-300 and limit.lowest == 0 and not limit.whole:
        assert limit.holds(value)  # next to none, where none is allowed
        return
    with pytest.raises(SettingError):
        require(limit, value, "file")


def test_what_is_recorded_anywhere_is_within_the_limits() -> None:
    for rate in (100, 128, 250, 257, 360, 400, 500, 1000, np.int64(500), np.float32(500)):
        require(limits.SAMPLING_RATE, rate, "file")
    for leads in (1, 2, 3, 8, 12, 15, 252):
        require(limits.LEADS, leads, "file")
    require(limits.SAMPLES, 24 * 3600 * 1000, "24 hours at 1 kHz")
    require(limits.VALUES, 12 * 24 * 3600 * 1000, "of 12 leads")
    require(limits.CLASSES, 71, "SCP-ECG")


def test_whole_numbers_are_asked_for_as_such() -> None:
    with pytest.raises(SettingError, match=r"found leads 2\.5, expected a whole number from 1 to 512"):
        require(limits.LEADS, 2.5, "file")


@given(st.one_of(st.integers(), st.floats(), st.text(), st.lists(st.text())))
def test_a_value_from_outside_is_shown_on_a_short_line(value: object) -> None:
    assert len(shown(value)) <= 63
    assert "\n" not in shown(value)


@pytest.mark.slow
def test_an_archive_may_not_fill_the_memory() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100 * 2**20))
    with (
        zipfile.ZipFile(buffer) as archive,
        pytest.raises(CheckpointError, match="104857600 bytes in a file of"),
    ):
        require_archive_growth(archive, len(buffer.getvalue()), "bomb.zip", CheckpointError)


def test_a_large_file_may_be_as_large_in_memory_as_on_disk() -> None:
    require_growth(2**40, 2**40, "store")
    require_growth(limits.ALWAYS_ALLOWED, 10, "zeros")
    with pytest.raises(SettingError):
        require_growth(45 * 10**9, 2048, "declared.h5")


@given(
    st.recursive(st.none() | st.text(max_size=3), lambda below: st.lists(below, max_size=4), max_leaves=30)
)
def test_ordinary_trees_pass(content: object) -> None:
    require_tree(content, "file")


def _nested(levels: int) -> object:
    content: object = 0
    for _ in range(levels):
        content = [content]
    return content


def _bomb() -> object:
    content: object = ["lol"] * 9
    for _ in range(30):
        content = [content] * 9
    return content


def _cycle() -> object:
    content: dict[str, object] = {}
    content["self"] = [content]
    return content


@pytest.mark.parametrize("content", [_nested(10_000), _bomb(), _cycle()], ids=["deep", "bomb", "cycle"])
def test_trees_without_an_end_are_refused_at_once(content: object) -> None:
    with pytest.raises(EcgTlError, match=r"file\.yaml"):
        require_tree(content, "file.yaml")


def test_a_value_that_is_used_twice_is_no_cycle() -> None:
    shared = {"leads": ["I", "II"]}
    require_tree([shared, {"again": shared}, shared], "file.yaml")
