from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ecg_tl.synthesis.cohort import PatientGroup, draw_cohort
from ecg_tl.synthesis.conditions import contradicts
from ecg_tl.synthesis.layouts import brugada_huca, challenge, code_test, custom, ludb, ptb, ptbxl

ALL_GROUPS = {
    "ptbxl": ptbxl.GROUPS,
    "cpsc2018": challenge.CPSC2018_GROUPS,
    "georgia": challenge.GEORGIA_GROUPS,
    "chapman": challenge.CHAPMAN_GROUPS,
    "ningbo": challenge.NINGBO_GROUPS,
    "cpsc_extra": challenge.CPSC_EXTRA_GROUPS,
    "incart": challenge.INCART_GROUPS,
    "cinc2021": challenge.WIDE_GROUPS,
    "brugada_huca": brugada_huca.GROUPS,
    "ptb": ptb.GROUPS,
    "code_test": code_test.GROUPS,
    "ludb": ludb.GROUPS,
    "custom": custom.GROUPS,
}

cohorts = pytest.mark.parametrize("groups", ALL_GROUPS.values(), ids=ALL_GROUPS)


def summary(cases: list) -> list[tuple]:
    return [(c.patient_index, c.patient.age, c.patient.axis, c.conditions, c.labels) for c in cases]


@cohorts
def test_the_first_records_of_a_larger_cohort_are_the_same(groups: dict[str, PatientGroup]) -> None:
    small, large = draw_cohort(groups, 30, 7, 0.5), draw_cohort(groups, 90, 7, 0.5)

    assert summary(small) == summary(large[:30])
    np.testing.assert_array_equal(small[4].signal(100, 2.0), large[4].signal(100, 2.0))


@cohorts
def test_conditions_go_together_and_groups_are_filled_as_shared(groups: dict[str, PatientGroup]) -> None:
    cases = draw_cohort(groups, 300, 0, 0.5)

    assert not any(contradicts(case.conditions) for case in cases)
    counts = Counter(case.group for case in cases)
    shares = sum(group.share for group in groups.values())
    for name, group in groups.items():
        assert counts[name] == pytest.approx(300 * group.share / shares, abs=6)


def test_a_patient_has_one_heart_and_several_records() -> None:
    cases = draw_cohort(ptbxl.GROUPS, 400, 1, 0.0)
    by_patient: dict[int, list] = {}
    for case in cases:
        by_patient.setdefault(case.patient_index, []).append(case)

    several = [visits for visits in by_patient.values() if len(visits) > 1]
    assert len(several) > 20
    assert all(visit.patient is visits[0].patient for visits in several for visit in visits)
    assert all(visit.conditions == visits[0].conditions for visits in several for visit in visits)
    first, second = several[0][:2]
    assert not np.array_equal(first.signal(100, 2.0), second.signal(100, 2.0))


@pytest.mark.slow
def test_labels_are_wrong_as_often_as_the_difficulty_says() -> None:
    def share(difficulty: float) -> float:
        cases = draw_cohort(challenge.CPSC2018_GROUPS, 1500, 2, difficulty)
        return float(np.mean([case.labels != case.conditions for case in cases]))

    assert share(0.0) == 0.0
    assert share(0.5) == pytest.approx(0.055, abs=0.02)
    assert share(1.0) > 0.08


def test_folds_keep_patients_together_and_are_alike() -> None:
    cases = draw_cohort(ptbxl.GROUPS, 500, 3, 0.5)
    folds = ptbxl.assign_folds(cases)

    assert folds[:200] == ptbxl.assign_folds(cases[:200])
    assert set(folds) == set(range(1, 11))
    fold_of: dict[int, set[int]] = {}
    for case, fold in zip(cases, folds, strict=True):
        fold_of.setdefault(case.patient_index, set()).add(fold)
    assert all(len(found) == 1 for found in fold_of.values())
    assert max(Counter(folds).values()) - min(Counter(folds).values()) <= 4
    infarcts = Counter(fold for case, fold in zip(cases, folds, strict=True) if case.group == "MI")
    assert len(infarcts) == 10


def test_every_superclass_of_ptbxl_comes_from_its_statements() -> None:
    rng = np.random.default_rng(0)

    assert ptbxl.statements(frozenset({"NORM", "SB"}), rng).keys() == {"NORM", "SBRAD"}
    assert "ILMI" in ptbxl.statements(frozenset({"IMI", "LMI"}), rng)
    codes = ptbxl.statements(frozenset({"AF", "PAC"}), rng)
    assert codes == {"PAC": 0.0, "AFIB": 0.0}  # of form and of rhythm: likelihood 0
