"""The paper's claims, tested."""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.values import ClaimVerdict


@dataclass(frozen=True)
class Claim:
    """One of the paper's seven claims, tested.

    Attributes:
        number: 1 to 7.
        statement: As tested.
        verdict: By `rule`, at 0.05 after correction for the number of claims.
        rule: How the verdict follows from the numbers, in words.
        effect: None where it was not tested or is no single number.
        effect_unit: What `effect` is, for an axis or a column: `macro AUROC`, `AUROC per tenfold records`.
        effect_name: What `effect` is, in words: `mean gain on small downstream sets`.
        support: Comparisons (or pairs of comparisons) that support it.
        contradict: That contradict it.
        open: That leave it open.
        unit: What is counted in `support`: `comparisons`, `size sweeps`, `downstreams`.
        explanation: One to three sentences with the numbers.
        comparisons: Keys of the comparisons that it used.
        p_holm: Of what the verdict rests on, corrected for the number of claims that could be tested; None
            where nothing is judged.
    """

    number: int
    statement: str
    verdict: ClaimVerdict
    rule: str
    effect: Interval | None
    effect_unit: str
    effect_name: str
    support: int
    contradict: int
    open: int
    unit: str
    explanation: str
    comparisons: tuple[str, ...] = ()
    p_holm: float | None = None
