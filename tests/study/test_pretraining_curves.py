"""A report says what upstreams without labels were worth while they were pre-trained, against the hours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from fake_study import FakeStudy

from ecg_tl.study.find import find
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.pretraining_curves import PretrainingCurve, ProbedEpoch
from ecg_tl.study.report.render import write_report
from ecg_tl.study.run.results import load_results


def found(study: FakeStudy) -> Findings:
    study.add("scratch", 1.0, (0, 1))
    study.add("full", 1.5, (0, 1), upstream="up")
    return find(load_results(study.folder, study.ids), study.settings(), resamples=64)


def test_each_probe_stands_beside_its_epoch_and_hours(tmp_path: Path) -> None:
    study = FakeStudy(tmp_path / "study", patients=30)
    # Two seconds an epoch; epochs 1 and 2 have collapsed features.
    study.add("upstream", 2.0, (0,), dataset="up", probes={2: 0.5, 6: 0.71, 12: 0.68})
    study.add("upstream", 2.0, (0,), dataset="other")  # with labels: nothing to probe
    findings = found(study)
    assert findings.of("pretraining_curves") == (
        PretrainingCurve(
            "up",
            "resnet1d18",
            "0",
            (
                ProbedEpoch(2, 4 / 3600, 0.5, 8.5, True),
                ProbedEpoch(6, 12 / 3600, 0.71, 8.5, False),
                ProbedEpoch(12, 24 / 3600, 0.68, 8.5, False),
            ),
        ),
    )
    page = write_report(findings, tmp_path / "report").read_text(encoding="utf-8")
    assert 'id="figure-pretraining"' in page
    assert "What pre-training without labels was worth" in page
    table = pd.read_csv(tmp_path / "report" / "pretraining_curves.csv")
    assert table["probe_auroc"].tolist() == [0.5, 0.71, 0.68]
    assert table["hours"].tolist() == pytest.approx([4 / 3600, 12 / 3600, 24 / 3600])


def test_a_probe_that_an_earlier_version_repeated_counts_once(tmp_path: Path) -> None:
    study = FakeStudy(tmp_path / "study", patients=30)
    study.add("upstream", 2.0, (0,), dataset="up", probes={3: 0.6, 4: 0.6, 5: 0.6, 6: 0.7, 7: 0.7})
    (curve,) = found(study).of("pretraining_curves")
    assert [(point.epoch, point.probe_auroc) for point in curve.points] == [(3, 0.6), (6, 0.7)]


def test_a_single_probe_is_in_the_table_and_no_curve(tmp_path: Path) -> None:
    study = FakeStudy(tmp_path / "study", patients=30)
    study.add("upstream", 2.0, (0,), dataset="up", probes={12: 0.68})
    page = write_report(found(study), tmp_path / "report").read_text(encoding="utf-8")
    assert 'id="figure-pretraining"' not in page
    assert "What pre-training without labels was worth" in page


def test_a_study_without_such_upstreams_says_nothing_of_them(tmp_path: Path) -> None:
    study = FakeStudy(tmp_path / "study", patients=30)
    study.add("upstream", 2.0, (0,), dataset="up")
    page = write_report(found(study), tmp_path / "report").read_text(encoding="utf-8")
    assert "pretraining_curves" not in page
