"""Several downstreams as one effect: in claims, in tables, never surer than the downstreams at hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from fake_study import FakeStudy
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.find import find
from ecg_tl.study.findings.combined import belief_table, combined_table
from ecg_tl.study.findings.convergence import Timed, combined_trainings, over_trainings
from ecg_tl.study.findings.downstreams import ByDownstream
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.report.render import write_report
from ecg_tl.study.run.results import load_results

NAMES = ("a", "b", "c", "d")
EFFECT = st.tuples(st.floats(-0.2, 0.2), st.floats(1e-6, 1e-2))


@given(st.lists(EFFECT, min_size=3, max_size=8), st.floats(1e-3, 0.2), st.floats(1e-6, 1.0))
def test_the_mean_over_others_is_never_surer_than_over_these(
    effects: list[tuple[float, float]], reach: float, p: float
) -> None:
    y, v = zip(*effects, strict=True)
    fixed = Interval(sum(y) / len(y), sum(y) / len(y) - reach, sum(y) / len(y) + reach, p, 3, 50)
    found = ByDownstream(tuple("abcdefgh"[: len(y)]), y, v, v).interval(fixed)
    assert found is not None
    assert found.high - found.low >= 2 * reach * (1 - 1e-12)
    assert found.p >= p


def test_two_downstreams_speak_for_themselves_alone() -> None:
    two = ByDownstream(("a", "b"), (0.1, 0.2), (1e-4, 1e-4), (1e-4, 1e-4))
    assert two.interval(Interval(0.15, 0.1, 0.2, 0.01)) is None
    assert two.fitted() is not None


def timed(logs: dict[str, float]) -> list[Timed]:
    jitter = (-0.1, 0.0, 0.1)
    return [
        Timed((name, seed), seed, log + by, name)
        for name, log in logs.items()
        for seed, by in enumerate(jitter)
    ]


def test_downstreams_that_disagree_on_speed_leave_it_open() -> None:
    agreed = timed({"a": -0.5, "b": -0.6, "c": -0.55, "d": -0.5})
    torn = timed({"a": -1.2, "b": 0.1, "c": -0.8, "d": -0.1})
    assert over_trainings(torn).p < 0.05  # over these trainings it seems sure
    assert combined_trainings(torn).p > 0.1
    assert combined_trainings(agreed).p < 0.01
    assert combined_trainings(agreed, against=-0.54).p > 0.5
    assert combined_trainings([one for one in agreed if one.downstream in "ab"]) is None


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStudy, Findings]:
    study = FakeStudy(tmp_path_factory.mktemp("alike"), patients=90)
    for name in NAMES:
        study.add("scratch", 1.0, dataset=name, train_records=900)
        study.add("full", 2.6, dataset=name, upstream="up", train_records=900, match=4)
    settings = study.settings(downstreams={name: {} for name in NAMES}, upstreams={"up": {}})
    return study, find(load_results(study.folder, study.ids), settings, resamples=256)


def test_claims_rest_on_downstreams_of_their_kind(alike: tuple[FakeStudy, Findings]) -> None:
    _, findings = alike
    one = findings.claims[0]
    assert one.verdict == "supported"
    assert one.combined is not None
    assert one.combined.high - one.combined.low >= one.effect.high - one.effect.low - 1e-12
    assert "the verdict rests on that" in one.explanation
    assert "On another downstream of the kind of these 4" in findings.claims[1].explanation
    assert findings.claims[4].combined.estimate < 1


@pytest.mark.slow
def test_the_report_has_them_as_tables_and_csv(alike: tuple[FakeStudy, Findings], tmp_path: Path) -> None:
    _, findings = alike
    (effect,) = findings.of("combined")
    assert (effect.arm, effect.downstreams) == ("full", NAMES)
    assert effect.fixed.estimate == pytest.approx(
        sum(one.difference.estimate for one in findings.comparisons) / len(NAMES)
    )
    assert effect.better > 0.95
    assert effect.better + effect.equivalent + effect.worse == pytest.approx(1)
    assert effect.predicted_low < effect.effect.low
    page = write_report(findings, tmp_path).read_text()
    assert 'id="combined"' in page
    assert "Gain over several downstreams" in page
    with (tmp_path / "combined.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["tau"]) == effect.tau
    latex = (tmp_path / "tables.tex").read_text()
    assert "tab:combined-by-bayes" in latex
    assert combined_table(()) is belief_table(()) is None


def test_one_downstream_has_no_section(tmp_path: Path) -> None:
    study = FakeStudy(tmp_path, patients=40)
    study.add("scratch", 1.0, (0, 1))
    study.add("full", 2.0, (0, 1), upstream="up")
    findings = find(load_results(study.folder, study.ids), study.settings(), resamples=64)
    assert findings.of("combined") == ()
    assert all(one.combined is None for one in findings.claims)
