"""Whether a score of the upstream before any training tells the gain that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ecg_tl.statistics.correlation import spearman
from ecg_tl.study.analysis.comparisons import Compared
from ecg_tl.study.analysis.curves import largest
from ecg_tl.study.findings import Comparison, TransferabilityCorrelation

Score = Literal["melep", "melep_entropy", "melep_difference", "logme"]
Outcome = Literal["gain", "score"]

_SCORES: dict[Score, tuple[Literal[-1, 1], Callable[[Comparison], float | None]]] = {
    "melep": (-1, lambda c: c.melep),
    "melep_entropy": (-1, lambda c: c.melep_entropy),
    "melep_difference": (1, lambda c: _told(c)),
    "logme": (1, lambda c: c.logme),
}
_OUTCOMES: dict[Outcome, Callable[[Comparison], float | None]] = {
    "gain": lambda c: c.difference.estimate,
    "score": lambda c: c.arm_mean,
}


def _told(comparison: Comparison) -> float | None:
    if comparison.melep is None or comparison.melep_entropy is None:
        return None
    return comparison.melep_entropy - comparison.melep


def correlate(compared: Sequence[Compared]) -> tuple[TransferabilityCorrelation, ...]:
    """Correlate the ranks of each score with the primary arm's gain, and with its score, at its largest size.

    MELEP of an uninformative upstream is the entropy of the labels: where the entropy alone correlates as
    well, MELEP has told of the labels and not of the upstream.
    """
    comparisons = [one.comparison for one in largest(compared).values() if one.comparison.primary]
    found = []
    for score, (sign, of) in _SCORES.items():
        if not any(of(c) is not None for c in comparisons):
            continue
        for outcome, result in _OUTCOMES.items():
            points = [
                (c.key, x, y)
                for c in comparisons
                if (x := of(c)) is not None and (y := result(c)) is not None
            ]
            found.append(_correlation(score, outcome, sign, points))
    return tuple(found)


def _correlation(
    score: Score, outcome: Outcome, sign: Literal[-1, 1], points: Sequence[tuple[str, float, float]]
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
