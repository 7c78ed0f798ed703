"""A claim before all are corrected together, and what several rules share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.sentences import effect_words, side


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
        combined: `effect` over downstreams of the kind of these (random effects), which the verdict rests on;
            None of fewer than three downstreams.
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
    combined: Interval | None = None


ClaimVerdict = Literal["supported", "contradicted", "mixed", "open", "not tested"]


SMALL_RECORDS = 2000
"""Training records up to which a downstream set is called small: the least of the paper's size sweep."""


AUROC = "macro AUROC"


OF_THESE = "of these comparisons taken together, not of pairs in general"

ONLY_THESE = f" This is said {OF_THESE}."
"""Where there are too few downstreams to say more."""


RESTS_ON = " Over downstreams of their kind (random effects) it is {}: the verdict rests on that."


ON_COMBINED = (
    "With three downstreams or more the interval is that of the mean over downstreams of their kind (random "
    "effects, Hartung and Knapp), and no narrower than that of the mean over these."
)


@dataclass(frozen=True)
class Draft:
    """A claim before the claims are corrected together.

    Attributes:
        claim: With the verdict that `p` would have to bear out.
        p: None where nothing is judged.
    """

    claim: Claim
    p: float | None


def judged(draft: Draft, p_holm: float | None) -> Claim:
    """Give the claim with the verdict that its corrected p-value bears out."""
    claim = replace(draft.claim, p_holm=p_holm)
    if claim.verdict == "not tested" or (p_holm is not None and p_holm < SIGNIFICANT):
        return claim
    text = claim.explanation
    if claim.verdict != "open" and p_holm is not None:
        text += " That is not shown once the claims are corrected for their number."
    return replace(claim, verdict="open", explanation=text)


def drafted(claim: Claim, p: float | None, **numbers: int) -> Draft:
    """Judge nothing by a single one of anything."""
    single = [name.replace("_", " ") for name, number in numbers.items() if number < 2]
    if claim.verdict == "not tested" or not single:
        return Draft(claim, p)
    words = " and ".join([", ".join(single[:-1]), single[-1]] if single[1:] else single)
    text = f"{claim.explanation} Not judged: of one {words} alone nothing follows for several."
    return Draft(replace(claim, verdict="open", explanation=text), None)


def fewest_seeds(compared: Sequence[Compared]) -> int:
    """Give the least number of seeds of some comparisons."""
    return min((len(one.comparison.seeds) for one in compared), default=0)


def count_downstreams(compared: Sequence[Compared]) -> int:
    """Count the downstreams of some comparisons."""
    return len({one.comparison.downstream for one in compared})


def count_pairs(compared: Sequence[Compared]) -> int:
    """Count the pairs of upstream and downstream of some comparisons."""
    return len({(one.comparison.upstream, one.comparison.downstream) for one in compared})


def balance(
    mean_effect: Interval, support: Sequence[float], contradict: Sequence[float]
) -> tuple[ClaimVerdict, float | None]:
    """Weigh a mean and what single comparisons say.

    Args:
        mean_effect: Above 0 where it supports.
        support: Corrected p-values of the comparisons that are shown to support.
        contradict: Of those that are shown to contradict.

    Returns:
        The verdict, and the p-value of the weakest thing that it rests on.
    """
    where, p = side(mean_effect), mean_effect.p
    if support and contradict:
        return "mixed", max(min(support), min(contradict))
    against = contradict if where > 0 else support
    if where and against:
        return "mixed", max(p or 0.0, min(against))
    return by_side(where), p


def by_side(where: int) -> ClaimVerdict:
    """Judge by the side of 0 on which a whole interval lies."""
    return "supported" if where > 0 else "contradicted" if where < 0 else "open"


def keys_of(compared: Sequence[Compared]) -> tuple[str, ...]:
    """Give the keys of some comparisons."""
    return tuple(one.comparison.key for one in compared)


def p_values_of(compared: Sequence[Compared], verdict: str) -> list[float]:
    """Give the corrected p-values of the comparisons that have a verdict."""
    return [one.comparison.p_holm or 0.0 for one in compared if one.comparison.verdict == verdict]


def rests_on(combined: Interval | None) -> str:
    """Say what a verdict rests on where there are several downstreams; nothing where there are not."""
    return "" if combined is None else RESTS_ON.format(effect_words(combined))
