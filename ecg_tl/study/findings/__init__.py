"""What a study found: everything that its report shows, as numbers and sentences.

`ecg_tl.study.find.find` fills these from results; a report only lays them out. All are in plain Python
values. `None` stands for what could not be computed, and a text beside it says why. Scores are in [0, 1] and
greater is better unless a name says otherwise; a difference is arm less scratch, so that positive means that
the arm is better.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.study.findings.account import ClassSupport, CostRow, DataRow, Missing, StudyRecord
from ecg_tl.study.findings.answers import Answer, Candidate
from ecg_tl.study.findings.claims import Claim
from ecg_tl.study.findings.comparisons import ClassChange, Comparison, Match, MetricDifference
from ecg_tl.study.findings.curves import Curve, CurvePoint, GainPoint, GainTrend, LabelEfficiency
from ecg_tl.study.findings.effects import (
    BreakEven,
    Convergence,
    FamilyContrast,
    PayVerdict,
    TransferabilityCorrelation,
)
from ecg_tl.study.findings.opinions import AxisEffect, SecondOpinion, SecondOpinionSummary
from ecg_tl.study.findings.scores import CalibrationRow, ModelScore
from ecg_tl.study.findings.values import Axes, ClaimVerdict, Verdict

__all__ = [
    "Answer",
    "Axes",
    "AxisEffect",
    "BreakEven",
    "CalibrationRow",
    "Candidate",
    "Claim",
    "ClaimVerdict",
    "ClassChange",
    "ClassSupport",
    "Comparison",
    "Convergence",
    "CostRow",
    "Curve",
    "CurvePoint",
    "DataRow",
    "FamilyContrast",
    "Findings",
    "GainPoint",
    "GainTrend",
    "LabelEfficiency",
    "Match",
    "MetricDifference",
    "Missing",
    "ModelScore",
    "PayVerdict",
    "SecondOpinion",
    "SecondOpinionSummary",
    "StudyRecord",
    "TransferabilityCorrelation",
    "Verdict",
]


@dataclass(frozen=True)
class Findings:
    """All that a study's report shows.

    Attributes:
        name: Of the study.
        title: The question.
        protocol: `strict` or `paper`.
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
    """

    name: str
    title: str
    protocol: str
    generated: str
    runs: int
    planned: int
    warnings: tuple[str, ...]
    answers: tuple[Answer, ...]
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
