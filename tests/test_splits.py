from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.splits import (
    Leaks,
    Split,
    check_patients,
    first_subset,
    official_folds,
    paper_split,
    patient_groups,
    patient_split,
    remove_leaks,
    split_hash,
    training_subset,
)

PROPERTY = settings(max_examples=40, deadline=None)


def cohort(records: int, patients: int, classes: int, seed: int) -> tuple[np.ndarray, list[str | None]]:
    """Targets with common and rare classes, and patients with one to many records, some unknown."""
    rng = np.random.default_rng(seed)
    prevalence = rng.uniform(0.02, 0.6, classes)
    patient_of = rng.integers(patients, size=records)
    # Records of one patient are alike, as they are in life.
    likely = np.clip(prevalence * rng.uniform(0, 2, (patients, classes)), 0, 1)
    targets = (rng.random((records, classes)) < likely[patient_of]).astype(np.float32)
    ids: list[str | None] = [None if rng.random() < 0.1 else f"p{patient}" for patient in patient_of]
    return targets, ids


COHORT = st.builds(
    cohort,
    records=st.integers(20, 300),
    patients=st.integers(3, 150),
    classes=st.integers(1, 8),
    seed=st.integers(0, 10_000),
)


def rows_of(split: Split) -> list[int]:
    return np.concatenate(list(split.parts().values())).tolist()


@PROPERTY
@given(cohort=COHORT, seed=st.integers(0, 99))
def test_a_split_by_patient_covers_all_records_and_divides_no_patient(cohort: tuple, seed: int) -> None:
    targets, patients = cohort
    split = patient_split(targets, patients, (0.6, 0.2, 0.2), seed)
    assert sorted(rows_of(split)) == list(range(len(targets)))
    check_patients(split, patients)


@PROPERTY
@given(cohort=COHORT, seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_split(cohort: tuple, seed: int) -> None:
    targets, patients = cohort
    one, two = (patient_split(targets, patients, seed=seed) for _ in range(2))
    assert all(np.array_equal(one.parts()[name], two.parts()[name]) for name in one.parts())


def test_another_seed_gives_another_split() -> None:
    targets, patients = cohort(300, 200, 4, 0)
    assert not np.array_equal(
        patient_split(targets, patients, seed=0).test, patient_split(targets, patients, seed=1).test
    )


def misses(targets: np.ndarray, rows: np.ndarray, fraction: float) -> np.ndarray:
    """How far each class (and none) is from its share, in standard deviations of a random draw."""
    labels = np.column_stack([targets, targets.sum(axis=1) == 0])
    totals = labels.sum(axis=0)
    return (labels[rows].sum(axis=0) - fraction * totals) / np.sqrt(totals * fraction * (1 - fraction))


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.5, 0.25, 0.25)])
@pytest.mark.parametrize("seed", range(3))
def test_every_class_has_its_share_in_every_part(fractions: tuple[float, float, float], seed: int) -> None:
    targets, patients = cohort(3000, 2200, 12, seed)
    split = patient_split(targets, patients, fractions, seed)
    for fraction, rows in zip(fractions, split.parts().values(), strict=True):
        assert np.sqrt((misses(targets, rows, fraction) ** 2).mean()) < 0.25
        assert abs(len(rows) - fraction * len(targets)) <= 5


def test_a_class_of_three_patients_is_in_all_parts() -> None:
    targets = np.zeros((100, 2), dtype=np.float32)
    targets[[3, 50, 97], 1] = 1
    targets[::2, 0] = 1
    split = patient_split(targets, [None] * 100, (0.34, 0.33, 0.33))
    assert [int(targets[rows, 1].sum()) for rows in split.parts().values()] == [1, 1, 1]


@pytest.mark.parametrize("patients", [3, 4, 5, 9])
def test_few_patients_still_fill_every_part(patients: int) -> None:
    split = patient_split(
        np.ones((patients * 4, 1), dtype=np.float32), [row // 4 for row in range(patients * 4)]
    )
    assert min(map(len, split.parts().values())) >= 4


@pytest.mark.parametrize(
    ("patients", "fractions"),
    [
        (["a", "a", "b", "b"], (0.8, 0.1, 0.1)),
        ([None] * 9, (0.8, 0.1, 0.2)),
        ([None] * 9, (0.8, 0.2, 0.0)),
        ([None] * 9, (0.5, 0.5)),
        ([], (0.8, 0.1, 0.1)),
    ],
)
def test_what_cannot_be_split_is_refused(patients: list, fractions: tuple) -> None:
    with pytest.raises(SettingError):
        patient_split(np.zeros((len(patients), 2), dtype=np.float32), patients, fractions)


def test_each_unknown_patient_is_a_patient() -> None:
    assert patient_groups(["a", None, float("nan"), "a", None, pd.NA]).tolist() == [0, 1, 2, 0, 3, 4]


def test_official_folds_take_the_folds_they_are_told() -> None:
    records = pd.DataFrame({"fold": pd.Series([1, 9, 10, 2, 10, 9, 3], dtype=object)})
    split = official_folds(records, validation_folds=[9], test_folds=[10])
    assert [rows.tolist() for rows in split.parts().values()] == [[0, 3, 6], [1, 5], [2, 4]]


@pytest.mark.parametrize(
    ("folds", "validation", "test", "fault"),
    [
        ([1, 9, None], [9], [1], "1 of 3 records without a fold"),
        ([None, None], [9], [10], "2 of 2 records without a fold"),
        ([1, 9, 10], [9], [9], "fold 9"),
        ([1, 9, 10], [9], [11], "11"),
        ([9, 10], [9], [10], "train"),
        ([1, 10], [], [10], "validation"),
    ],
)
def test_folds_that_make_no_split_are_refused(folds: list, validation: list, test: list, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        official_folds(pd.DataFrame({"fold": pd.Series(folds, dtype=object)}), validation, test)


def test_the_papers_split_is_scikit_learns_in_its_order() -> None:
    from sklearn.model_selection import train_test_split

    split = paper_split(100)
    train, test = train_test_split(np.arange(100), test_size=0.33, random_state=1)
    assert split.train.tolist() == train.tolist()
    assert split.test.tolist() == split.validation.tolist() == test.tolist()
    assert split.selects_on_test


def test_the_papers_split_can_be_stratified_by_combinations() -> None:
    targets = np.eye(4)[np.arange(200) % 4]
    targets[5] = 1  # a combination that occurs once
    split = paper_split(200, targets)
    assert sorted([*split.train, *split.test]) == list(range(200))
    assert targets[split.test].sum(axis=0).max() - targets[split.test].sum(axis=0).min() <= 2
    targets[6] = [1, 1, 0, 0]
    assert len(paper_split(200, targets).train) == 134


@pytest.mark.parametrize(("records", "targets"), [(1, None), (0, None), (6, np.eye(6)[[0, 0, 1, 1, 2, 2]])])
def test_too_few_records_for_the_papers_split(records: int, targets: np.ndarray | None) -> None:
    with pytest.raises(SettingError):
        paper_split(records, targets)


def test_the_first_training_records_keep_the_papers_order() -> None:
    split = paper_split(100)
    small = first_subset(split, 20)
    assert small.train.tolist() == split.train[:20].tolist()
    assert small.selects_on_test
    with pytest.raises(SettingError, match="1 to 67"):
        first_subset(split, 68)


@PROPERTY
@given(cohort=COHORT, seed=st.integers(0, 99), data=st.data())
def test_smaller_training_sets_are_part_of_larger_ones(cohort: tuple, seed: int, data: st.DataObject) -> None:
    targets, patients = cohort
    split = patient_split(targets, patients, (0.6, 0.2, 0.2))
    sizes = sorted({data.draw(st.integers(1, len(split.train))) for _ in range(4)} | {len(split.train)})
    subsets = [training_subset(split, targets, patients, size, seed) for size in sizes]
    for size, subset in zip(sizes, subsets, strict=True):
        assert len(subset.train) == size
        assert np.array_equal(subset.test, split.test)
        assert np.array_equal(subset.validation, split.validation)
    for small, large in pairwise(subsets):
        assert set(small.train) <= set(large.train)
    assert np.array_equal(np.sort(subsets[-1].train), np.sort(split.train))


@PROPERTY
@given(cohort=COHORT, seed=st.integers(0, 99), data=st.data())
def test_a_training_subset_divides_one_patient_at_most(cohort: tuple, seed: int, data: st.DataObject) -> None:
    targets, patients = cohort
    split = patient_split(targets, patients, (0.6, 0.2, 0.2))
    size = data.draw(st.integers(1, len(split.train)))
    kept = set(training_subset(split, targets, patients, size, seed).train.tolist())
    of_patient: dict[str, set[int]] = defaultdict(set)
    for row in split.train.tolist():
        if patients[row] is not None:
            of_patient[patients[row]].add(row)
    divided = [rows for rows in of_patient.values() if rows & kept and not rows <= kept]
    assert len(divided) <= 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [100, 250, 777, 1600])
def test_a_training_subset_has_the_mix_of_all(seed: int, size: int) -> None:
    targets, patients = cohort(3000, 2200, 12, seed)
    split = patient_split(targets, patients, seed=seed)
    rows = training_subset(split, targets, patients, size, seed).train
    where = np.searchsorted(split.train, rows)
    assert np.sqrt((misses(targets[split.train], where, size / len(split.train)) ** 2).mean()) < 0.3


def test_another_seed_takes_other_records() -> None:
    targets, patients = cohort(300, 300, 3, 0)
    split = patient_split(targets, patients)
    one, two = (training_subset(split, targets, patients, 50, seed).train for seed in (0, 1))
    assert set(one) != set(two)


@pytest.mark.parametrize("size", [0, -1, 1000])
def test_a_subset_of_an_impossible_size_is_refused(size: int) -> None:
    targets, patients = cohort(300, 300, 3, 0)
    with pytest.raises(SettingError, match="1 to"):
        training_subset(patient_split(targets, patients), targets, patients, size)


def test_signals_that_judge_are_taken_out_of_training() -> None:
    split = Split(np.array([0, 1, 2, 3]), np.array([4, 5, 6]), np.array([7, 8]))
    hashes = ["a", "v", "t", "b", "v", "t", "w", "t", "u"]
    cleaned, leaks = remove_leaks(split, hashes)
    assert [rows.tolist() for rows in cleaned.parts().values()] == [[0, 3], [4, 6], [7, 8]]
    assert leaks == Leaks(train=2, validation=1)


def test_a_split_that_selects_on_test_keeps_its_test_set() -> None:
    split = Split(np.array([0, 1]), np.array([2, 3]), np.array([2, 3]), selects_on_test=True)
    cleaned, leaks = remove_leaks(split, ["a", "b", "b", "c"])
    assert [rows.tolist() for rows in cleaned.parts().values()] == [[0], [2, 3], [2, 3]]
    assert leaks == Leaks(train=1, validation=0)


def test_leaks_that_empty_a_part_are_an_error() -> None:
    with pytest.raises(SettingError, match="train"):
        remove_leaks(Split(np.array([0]), np.array([1]), np.array([2])), ["a", "a", "b"])


@PROPERTY
@given(st.permutations(list(range(12))), st.permutations(list(range(4))))
def test_the_hash_of_a_split_knows_no_order(table: list[int], part: list[int]) -> None:
    ids = [f"r{number}" for number in range(12)]
    split = Split(np.arange(4), np.arange(4, 8), np.arange(8, 12))
    # The same records at other rows of a table, and a part in another order.
    where = np.argsort(table)
    moved = Split(where[:4][part], where[4:8], where[8:])
    assert split_hash(moved, [ids[number] for number in table]) == split_hash(split, ids)


@pytest.mark.parametrize(
    "other",
    [
        Split(np.array([0]), np.array([1, 2]), np.array([3])),
        Split(np.array([0, 1]), np.array([3]), np.array([2])),
        Split(np.array([0, 4]), np.array([2]), np.array([3])),
        Split(np.array([0, 1]), np.array([2]), np.array([3, 4])),
    ],
)
def test_the_hash_tells_splits_apart(other: Split) -> None:
    ids = ["a", "b", "c", "d", "e"]
    assert split_hash(other, ids) != split_hash(Split(np.array([0, 1]), np.array([2]), np.array([3])), ids)


def test_the_hash_does_not_run_ids_together() -> None:
    split = Split(np.array([0, 1]), np.array([2]), np.array([3]))
    assert split_hash(split, ["ab", "c", "x", "y"]) != split_hash(split, ["a", "bc", "x", "y"])


@pytest.mark.parametrize(
    ("parts", "selects_on_test"),
    [
        (([], [1], [2]), False),
        (([0], [], [2]), False),
        (([0], [1], []), False),
        (([0, 1], [1], [2]), False),
        (([0, 0], [1], [2]), False),
        (([0], [1], [1]), False),
        (([0], [1], [2]), True),
        (([0, 2], [2], [2]), True),
    ],
)
def test_parts_that_are_empty_or_overlap_are_refused(parts: tuple, selects_on_test: bool) -> None:
    with pytest.raises(SettingError):
        Split(*(np.array(rows, dtype=np.int64) for rows in parts), selects_on_test=selects_on_test)


def test_a_patient_in_two_parts_is_named() -> None:
    split = Split(np.array([0, 1]), np.array([2]), np.array([3]))
    check_patients(split, ["a", "b", "c", "d"])
    check_patients(split, [None, None, None, float("nan")])
    with pytest.raises(SettingError, match="both train and test: b"):
        check_patients(split, ["a", "b", "c", "b"])


def test_positions_in_a_selection_become_rows_of_the_whole() -> None:
    split = Split(np.array([0, 2]), np.array([1]), np.array([3])).at(np.array([10, 20, 30, 40]))
    assert [rows.tolist() for rows in split.parts().values()] == [[10, 30], [20], [40]]


SPELLINGS = st.sampled_from(["P7", "p7", " P7", "P 7", "P07", "p007", "Ｐ7"])


@given(st.lists(SPELLINGS, min_size=2, max_size=6), st.integers(0, 5))
def test_patients_that_look_alike_are_in_one_part(spellings: list[str], seed: int) -> None:
    patients = [*spellings, *(f"q{number}" for number in range(10))]
    split = patient_split(np.ones((len(patients), 1)), patients, seed=seed)
    parts = [set(rows.tolist()) for rows in split.parts().values()]
    assert sum(bool(part & set(range(len(spellings)))) for part in parts) == 1
    check_patients(split, patients)


@given(SPELLINGS, SPELLINGS)
def test_folds_that_divide_patients_that_look_alike_are_refused(one: str, other: str) -> None:
    split = Split(train=np.array([0]), validation=np.array([1]), test=np.array([2]))
    with pytest.raises(SettingError, match="both train and test"):
        check_patients(split, [one, "q", other])
