"""What a study found: everything that its report shows, as numbers and sentences.

`ecg_tl.study.find.find` fills these from results; a report only lays them out. All are in plain Python
values. `None` stands for what could not be computed, and a text beside it says why. Scores are in [0, 1] and
greater is better unless a name says otherwise; a difference is arm less scratch, so that positive means that
the arm is better.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecg_tl.study.findings.answers import DownstreamAnswer
from ecg_tl.study.findings.axis_effects import AxisEffect
from ecg_tl.study.findings.break_even import BreakEven
from ecg_tl.study.findings.calibration import CalibrationRow
from ecg_tl.study.findings.claims.drafting import Claim
from ecg_tl.study.findings.compared import Comparison
from ecg_tl.study.findings.convergence import Convergence
from ecg_tl.study.findings.costs import CostRow
from ecg_tl.study.findings.curves import Curve
from ecg_tl.study.findings.data import DataRow
from ecg_tl.study.findings.families import FamilyContrast
from ecg_tl.study.findings.gains import GainTrend
from ecg_tl.study.findings.label_efficiency import LabelEfficiency
from ecg_tl.study.findings.models import ModelScore
from ecg_tl.study.findings.record import StudyRecord
from ecg_tl.study.findings.second_opinions import SecondOpinion, SecondOpinionSummary
from ecg_tl.study.findings.topic import TOPICS, Topic
from ecg_tl.study.findings.transferability import TransferabilityCorrelation
from ecg_tl.study.run.results import Missing


@dataclass(frozen=True)
class Findings:
    """All that a study's report shows.

    Attributes:
        name: Of the study.
        title: The question.
        protocol: `strict`, `paper` or `fm_benchmark`.
        generated: ISO time at which the findings were computed.
        runs: Finished runs.
        planned: Runs of the plan.
        warnings: Sentences that must be read before anything else (test-set selection, missing runs).
        answers: One a downstream.
        claims: Seven, in order.
        comparisons: All.
        models: Absolute scores of all configurations.
        curves: Learning curves, where two sizes or more were run.
        trends: Gain against training size, where two sizes or more were run.
        label_efficiency: Where two sizes or more of the arm were run.
        convergence: By arm and family.
        families: By kind of head; empty without both families.
        break_even: By upstream, network and arm.
        transferability: Empty where no run has such scores.
        calibration: By configuration, at the largest size.
        axis_effects: Empty without a second axis value.
        second_opinions: Empty where no run says.
        second_opinion: None where no run says.
        data: One a dataset and combination of axis values that changes it.
        costs: By kind and network; the last row is the sum.
        missing: Runs without a result.
        record: What is needed to repeat it.
        further: Of topics that have no field here, by the topic's name.
    """

    name: str
    title: str
    protocol: str
    generated: str
    runs: int
    planned: int
    warnings: tuple[str, ...]
    answers: tuple[DownstreamAnswer, ...]
    claims: tuple[Claim, ...]
    comparisons: tuple[Comparison, ...]
    models: tuple[ModelScore, ...]
    curves: tuple[Curve, ...]
    trends: tuple[GainTrend, ...]
    label_efficiency: tuple[LabelEfficiency, ...]
    convergence: tuple[Convergence, ...]
    families: tuple[FamilyContrast, ...]
    break_even: tuple[BreakEven, ...]
    transferability: tuple[TransferabilityCorrelation, ...]
    calibration: tuple[CalibrationRow, ...]
    axis_effects: tuple[AxisEffect, ...]
    second_opinions: tuple[SecondOpinion, ...]
    second_opinion: SecondOpinionSummary | None
    data: tuple[DataRow, ...]
    costs: tuple[CostRow, ...]
    missing: tuple[Missing, ...]
    record: StudyRecord
    further: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def of(self, topic: str) -> tuple[Any, ...]:
        """Give the records of a topic; none where these findings were made without it."""
        if topic in self.further:
            return self.further[topic]
        found: tuple[Any, ...] = getattr(self, topic, ())
        return found


def all_topics() -> tuple[Topic, ...]:
    """Give every registered topic, after importing every file of this room."""
    room = importlib.import_module("ecg_tl.study.findings")
    for module in pkgutil.walk_packages(room.__path__, "ecg_tl.study.findings."):
        importlib.import_module(module.name)
    return tuple(TOPICS.values())
