"""Whether a score of the upstream before any training tells the gain that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.correlation import spearman
from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.columns import CsvRow, row_of
from ecg_tl.study.findings.compared import Compared, Comparison, largest
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.tables import Line, Table, TableCell, make_table
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.wording import (
    signed,
    span,
    typeset,
)


@dataclass(frozen=True)
class TransferabilityCorrelation:
    """Does a score before training tell the gain that follows?

    Attributes:
        score: `melep`, `melep_entropy` (the confound: how uncertain the labels are), `melep_difference`
            (entropy less MELEP) or `logme`.
        outcome: `gain` (difference of macro AUROC) or `score` (macro AUROC of the fine-tuned network).
        expected_sign: -1 where a lower score promises more, else 1.
        correlation: Spearman's, with an interval; None below five points.
        points: (comparison's key, score, outcome) for each.
        explanation: A sentence.
    """

    score: Literal["melep", "melep_entropy", "melep_difference", "logme"]
    outcome: Literal["gain", "score"]
    expected_sign: Literal[-1, 1]
    correlation: Interval
    points: tuple[tuple[str, float, float], ...]
    explanation: str


Score = Literal["melep", "melep_entropy", "melep_difference", "logme"]


Followed = Literal["gain", "score"]


_SCORES: dict[Score, tuple[Literal[-1, 1], Callable[[Comparison], float | None]]] = {
    "melep": (-1, lambda c: c.melep),
    "melep_entropy": (-1, lambda c: c.melep_entropy),
    "melep_difference": (1, lambda c: _entropy_less_melep(c)),
    "logme": (1, lambda c: c.logme),
}


_FOLLOWED: dict[Followed, Callable[[Comparison], float | None]] = {
    "gain": lambda c: c.difference.estimate,
    "score": lambda c: c.arm_mean,
}


def _entropy_less_melep(comparison: Comparison) -> float | None:
    if comparison.melep is None or comparison.melep_entropy is None:
        return None
    return comparison.melep_entropy - comparison.melep


def correlate(compared: Sequence[Compared]) -> tuple[TransferabilityCorrelation, ...]:
    """Correlate the ranks of each score with the primary arm's gain, and with its score, at its largest size.

    MELEP of an uninformative upstream is the entropy of the labels: where the entropy alone correlates as
    well, MELEP speaks of the labels and not of the upstream.
    """
    comparisons = [one.comparison for one in largest(compared).values() if one.comparison.primary]
    found = []
    for score, (sign, of) in _SCORES.items():
        if not any(of(c) is not None for c in comparisons):
            continue
        for outcome, result in _FOLLOWED.items():
            points = [
                (c.key, x, y)
                for c in comparisons
                if (x := of(c)) is not None and (y := result(c)) is not None
            ]
            found.append(_correlation(score, outcome, sign, points))
    return tuple(found)


def _correlation(
    score: Score, outcome: Followed, sign: Literal[-1, 1], points: Sequence[tuple[str, float, float]]
) -> TransferabilityCorrelation:
    correlation = spearman([x for _, x, _ in points], [y for _, _, y in points])
    if correlation.estimate is None or correlation.low is None or correlation.high is None:
        text = correlation.reason
    else:
        shown = correlation.low * sign > 0 and correlation.high * sign > 0
        against = correlation.low * sign < 0 and correlation.high * sign < 0
        word = "goes with" if shown else "goes against" if against else "is not shown to go with"
        text = (
            f"Over {len(points)} comparisons, a more promising {score} {word} a greater {outcome}: rank "
            f"correlation {correlation.estimate:+.2f} ({correlation.low:+.2f} to {correlation.high:+.2f})."
        )
    return TransferabilityCorrelation(score, outcome, sign, correlation, tuple(points), text)


def transferability_table(found: Sequence[TransferabilityCorrelation]) -> Table | None:
    """Rank correlations of what was to foretell the gain."""
    names = {
        "melep": "MELEP",
        "melep_entropy": "entropy of the labels",
        "melep_difference": "entropy less MELEP",
        "logme": "LogME",
    }
    rows: list[Line] = [
        {
            "Score": names[one.score],
            "With": {"gain": "gain over scratch", "score": "score after fine-tuning"}[one.outcome],
            "Hoped for": "negative" if one.expected_sign < 0 else "positive",
            "#Spearman's (95 % interval)": TableCell(
                signed(one.correlation.estimate, 2),
                span(one.correlation.low, one.correlation.high, 2) if one.correlation.low is not None else "",
            ),
            "#Comparisons": f"{len(one.points)}",
            "In words": typeset(one.explanation),
        }
        for one in found
    ]
    return make_table(
        "Rank correlation of a score before training with what followed",
        rows,
    )


def _files(found: Sequence[TransferabilityCorrelation]) -> dict[str, Iterable[CsvRow]]:
    return {
        "transferability": (row_of(one, without=("points",)) for one in found),
        "transferability_points": (
            {"score": one.score, "outcome": one.outcome, "comparison": key, "x": x, "y": y}
            for one in found
            for key, x, y in one.points
        ),
    }


register_topic(
    Topic(
        "transferability",
        lambda study: correlate(compared_in(study)),
        _files,
        lambda found, default: {"transferability": transferability_table(found)},
    )
)
