"""Folds in which each patient is tested once; arms that are tuned for themselves with the same budget."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_study import FakeStudy
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import SettingError
from ecg_tl.splits import patient_fold
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Arm, Block, StudySettings
from ecg_tl.study.find import find
from ecg_tl.study.findings.tuned import tuned_table
from ecg_tl.study.run.results import load_results


@pytest.mark.slow
@given(
    st.integers(3, 6),
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=12, max_size=60),
    st.integers(0, 3),
)
def test_over_all_folds_each_record_is_tested_once_and_no_patient_is_in_two_parts(
    folds: int, records: list[tuple[int, bool, bool]], seed: int
) -> None:
    records = [(patient, *labels) for patient, labels in enumerate([(True, False)] * folds)] + [
        (patient + folds, *labels) for patient, *labels in records
    ]
    patients = [f"p{patient}" for patient, *_ in records]
    targets = np.array([labels for _, *labels in records], dtype=np.float32)
    tested: Counter[int] = Counter()
    validated: Counter[int] = Counter()
    for fold in range(folds):
        split = patient_fold(targets, patients, folds, fold, seed)
        parts = [{patients[row] for row in rows} for rows in split.parts().values()]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(set(patients))
        tested.update(split.test.tolist())
        validated.update(split.validation.tolist())
    assert set(tested) == set(validated) == set(range(len(records)))
    assert set(tested.values()) == set(validated.values()) == {1}


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingError, match="4 folds of 3 patient"):
        patient_fold(np.ones((3, 1), dtype=np.float32), ["a", "b", "c"], 4, 0)
    for wrong in ({"folds": 2}, {"folds": 5, "fold": 5}, {"fold": 1}, {"folds": 5, "kind": "paper"}):
        with pytest.raises(SettingError, match=r"split\.fold"):
            SplitSettings(**wrong)  # type: ignore[arg-type]


def study(folder: Path, **changes: Any) -> StudySettings:
    given: dict[str, Any] = {
        "name": "divided",
        "folder": str(folder),
        "upstreams": {"up": {}},
        "downstreams": {"down": {}},
        "networks": {"resnet1d18": {}},
        "arms": {"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        "seeds": (0, 1),
        "second_opinion": False,
    }
    return StudySettings(**given | changes)


def splits_of(settings: StudySettings) -> list[dict[str, Any]]:
    runs = [run for run in make_plan(settings).runs if run.kind == "scratch" and run.seed == 0]
    return [run.config["data"]["init_args"]["split"] for run in runs]


def test_a_study_with_folds_runs_each_of_them(tmp_path: Path) -> None:
    found = splits_of(study(tmp_path, folds=5))
    assert [one["fold"] for one in found] == [0, 1, 2, 3, 4]
    assert {(one["kind"], one["folds"]) for one in found} == {("patient", 5)}
    plain, folded = (make_plan(study(tmp_path, **how)).runs for how in ({}, {"folds": 5}))
    upstreams = [{run.id for run in runs if run.kind == "upstream"} for runs in (plain, folded)]
    assert upstreams[0] == upstreams[1]  # it is trained on its own records
    assert {run.id for run in plain if run.kind != "upstream"}.isdisjoint(run.id for run in folded)
    for wrong in ({"folds": 2}, {"folds": 5, "splits": 3}, {"folds": 5, "protocol": "paper"}):
        with pytest.raises(SettingError, match="folds"):
            make_plan(study(tmp_path, **wrong))


RATES = {"1e-2": {"model": {"init_args": {"lr": 1e-2}}}, "1e-3": {"model": {"init_args": {"lr": 1e-3}}}}


def test_a_tuned_axis_gives_every_arm_all_values_and_leaves_the_upstream_alone(tmp_path: Path) -> None:
    blocks = (Block(arms=("scratch",)), Block(arms=("scratch", "full")))
    runs = make_plan(study(tmp_path, axes={"lr": RATES}, tuned=("lr",), grid=blocks)).runs
    tried = Counter((run.arm, run.axes["lr"]) for run in runs if run.seed == 0 and run.kind != "upstream")
    assert set(tried.values()) == {1}
    assert set(tried) == {(arm, rate) for arm in ("scratch", "full") for rate in RATES}
    (upstream,) = [run for run in runs if run.kind == "upstream"]
    (plain,) = [run for run in make_plan(study(tmp_path)).runs if run.kind == "upstream"]
    assert upstream.id == plain.id
    one_value = (Block(axes={"lr": ("1e-2",)}),)
    for wrong, said in (({"grid": one_value}, "an axis that is tuned"), ({"tuned": ("epochs",)}, "epochs")):
        with pytest.raises(SettingError, match=said):
            make_plan(study(tmp_path, **{"axes": {"lr": RATES}, "tuned": ("lr",), **wrong}))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    made = FakeStudy(
        tmp_path_factory.mktemp("tuned"), patients=80, axes={"lr": {"1e-2": {}, "1e-3": {"a": 1}}}
    )
    for rate, scratch, full in (("1e-2", 1.0, 1.1), ("1e-3", 2.0, 2.2)):
        # At the default rate the arm looks better by much, since scratch is trained badly there.
        made.add("scratch", scratch, axes={"lr": rate}, validation=0.6 + scratch / 10)
        made.add(
            "full",
            full if rate == "1e-3" else 2.3,
            upstream="up",
            axes={"lr": rate},
            validation=0.6 + full / 20,
        )
    return made


def test_arm_and_scratch_take_the_values_that_their_own_validation_scores_prefer(tuned: FakeStudy) -> None:
    results = load_results(tuned.folder, tuned.ids)
    findings = find(results, tuned.settings(tuned=("lr",)), resamples=128)
    (one,) = findings.of("tuned")
    assert (one.arm_value, one.scratch_value, one.tried) == ("1e-3", "1e-3", 2)
    at_default = next(c for c in findings.comparisons if c.axes == (("lr", "1e-2"),))
    at_tuned = next(c for c in findings.comparisons if c.axes == (("lr", "1e-3"),))
    assert one.effect.estimate == pytest.approx(at_tuned.difference.estimate)
    assert one.effect.estimate < at_default.difference.estimate
    assert one.effect.high - one.effect.low >= at_tuned.difference.high - at_tuned.difference.low - 1e-12
    assert tuned_table(findings.of("tuned")) is not None
    assert find(results, tuned.settings(), resamples=64).of("tuned") == ()


def test_arms_with_other_budgets_are_not_compared(tuned: FakeStudy) -> None:
    fewer = [one for one in tuned.ids if not ("scratch" in one and "1e-2" in one)]
    findings = find(load_results(tuned.folder, fewer), tuned.settings(tuned=("lr",)), resamples=64)
    assert findings.of("tuned") == ()
