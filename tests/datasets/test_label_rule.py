from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.base import LabelClass, LabelRule, LeftOut, make_scan
from ecg_tl.errors import DatasetError

RULE = LabelRule(
    (LabelClass("A", frozenset({"a", "shared"})), LabelClass("B", frozenset({"b", "shared"}))),
    frozenset({"idle"}),
)
ROW = {
    "record_id": "1",
    "patient_id": None,
    "path": "1",
    "sampling_rate": 500.0,
    "length": 10,
    "fold": None,
    "age": 50.0,
    "sex": "F",
    "codes": (),
}


def test_a_record_is_a_positive_of_every_class_that_one_of_its_codes_makes() -> None:
    targets = RULE.targets([("a",), ("b", "idle"), ("shared",), ("idle",), ()])
    np.testing.assert_array_equal(targets, [[1, 0], [0, 1], [1, 1], [0, 0], [0, 0]])
    assert targets.dtype == np.float32


def test_negative_class_holds_where_no_other_does() -> None:
    rule = LabelRule((LabelClass("NORM", frozenset()), LabelClass("A", frozenset({"a"}))), negative="NORM")
    np.testing.assert_array_equal(rule.targets([("a",), ()]), [[0, 1], [1, 0]])


def test_unknown_codes_are_counted_by_record() -> None:
    codes = [("a", "odd", "odd"), ("odd", "idle"), ("b",)]
    assert RULE.unknown_codes(codes) == Counter({"odd": 2})


def test_a_rule_with_two_classes_of_one_name_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="class names"):
        LabelRule((LabelClass("A", frozenset()), LabelClass("A", frozenset())))


def test_unknown_patients_and_folds_are_none_in_the_table() -> None:
    table = make_scan([ROW, {**ROW, "record_id": "2", "patient_id": "p", "fold": 3}], Path("x")).records
    assert table["patient_id"].tolist() == [None, "p"]
    assert table["fold"].tolist() == [None, 3]


def test_two_rows_for_one_record_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"1 record\(s\) named twice: 1"):
        make_scan([ROW, ROW], Path("labels.csv"))


def test_a_scan_without_a_usable_record_says_why_the_first_is_not() -> None:
    with pytest.raises(DatasetError, match=r"2 record\(s\), none usable; the first: no header"):
        make_scan([], Path("x"), [LeftOut("1", "no header"), LeftOut("2", "no leads")])
    with pytest.raises(DatasetError, match="no records"):
        make_scan([], Path("x"))
