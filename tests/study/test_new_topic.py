"""A statistic is added by registering a topic: its CSV file and its section of the page follow."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_study import FakeStudy

from ecg_tl.study.find import find
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.findings import Findings, all_topics
from ecg_tl.study.findings.tables import make_table
from ecg_tl.study.findings.topic import TOPICS, Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.wording import number
from ecg_tl.study.report.render import write_report
from ecg_tl.study.run.results import load_results


# What a file in `ecg_tl/study/findings/` would hold.
@dataclass(frozen=True)
class Spread:
    """How far the seeds of a comparison lie apart."""

    comparison: str
    furthest: float


def spreads(study: Analysis) -> list[Spread]:
    gains = [(one.comparison.key, one.gain.values) for one in compared_in(study)]
    return [Spread(key, float(values.max() - values.min())) for key, values in gains]


TOPIC = Topic(
    "spreads",
    spreads,
    one_file("spreads"),
    lambda found, default: {
        "spreads": make_table(
            "Furthest seeds <apart>",
            [{"Comparison": one.comparison, "#Apart": number(one.furthest)} for one in found],
        )
    },
    words="Spread of seeds",
    title="How far do seeds lie apart?",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    made = FakeStudy(tmp_path_factory.mktemp("study"), patients=40)
    made.add("scratch", 1.0, (0, 1))
    made.add("full", 1.5, (0, 1), upstream="up")
    return made


@pytest.fixture
def registered() -> Iterator[None]:
    register_topic(TOPIC)
    yield
    del TOPICS["spreads"]


def findings_of(study: FakeStudy) -> Findings:
    return find(load_results(study.folder, study.ids), study.settings(), resamples=128)


def test_a_registered_statistic_is_in_the_page_and_beside_it(
    study: FakeStudy, registered: None, tmp_path: Path
) -> None:
    findings = findings_of(study)
    (spread,) = findings.of("spreads")
    (one,) = findings.comparisons
    gains = [arm - scratch for scratch, arm in zip(one.scratch_scores, one.arm_scores, strict=True)]
    assert spread.furthest == pytest.approx(max(gains) - min(gains))

    page = write_report(findings, tmp_path).read_text()
    with (tmp_path / "spreads.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"comparison": spread.comparison, "furthest": str(spread.furthest)}
        ]
    for said in (
        '<a href="#spreads">Spread of seeds</a>',
        "How far do seeds lie apart?</h2>",
        "Furthest seeds &lt;apart&gt;",
        f">{number(spread.furthest)}<",
        'href="spreads.csv"',
    ):
        assert said in page, said
    assert page.index('id="spreads"') < page.index('id="data"')


@pytest.mark.slow
def test_without_it_the_report_says_nothing_of_it(study: FakeStudy, tmp_path: Path) -> None:
    page = write_report(findings_of(study), tmp_path).read_text()
    assert "spreads" not in page
    assert not (tmp_path / "spreads.csv").exists()


@pytest.mark.slow
def test_findings_made_before_a_topic_was_registered_have_none_of_it(
    study: FakeStudy, tmp_path: Path
) -> None:
    findings = findings_of(study)
    register_topic(TOPIC)
    try:
        assert "spreads" not in write_report(findings, tmp_path).read_text()
    finally:
        del TOPICS["spreads"]


def test_two_topics_of_one_name_are_refused(registered: None) -> None:
    with pytest.raises(ValueError, match="two topics are named spreads"):
        register_topic(TOPIC)


def test_no_two_topics_write_the_same_file() -> None:
    files = [name for topic in all_topics() for name in topic.files(())]
    assert len(files) == len(set(files))
