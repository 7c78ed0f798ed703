"""Are the weights worth having: fine-tuned against the same network from scratch, on the same input.

What to use is another question (`ecg_tl.study.findings.answers`): there the best fine-tuned network meets the
best one from scratch, and another network may do for a lab what the weights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecg_tl.statistics.intervals import Interval, equivalence_p, mean_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import subtract
from ecg_tl.study.findings.answers import variance_of_choice
from ecg_tl.study.findings.choosing import Choosing, Option, options_of
from ecg_tl.study.findings.compared import verdict_of
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.tables import Line, Table, TableCell, difference_cell, make_table, verdict_cell
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes, Verdict
from ecg_tl.study.findings.wording import p_value, percent


@dataclass(frozen=True)
class Worth:
    """What one upstream's weights are worth on one downstream.

    Attributes:
        downstream: Name of it.
        upstream: Name of it.
        network: Of the fine-tuned candidate that validation scores prefer among those of this upstream.
        arm: Of that candidate.
        share: How often it is preferred when validation scores are redrawn.
        effect: Macro AUROC less that of the same network from scratch; the choice of network and arm is in
            its interval.
        p_holm: Of `effect`, corrected for the number of pairs of upstream and downstream.
        p_equivalent: Of its being the study's margin or more, corrected likewise.
        verdict: By both, as of a comparison.
    """

    downstream: str
    upstream: str
    network: str
    arm: str
    share: float
    effect: Interval
    p_holm: float | None
    p_equivalent: float | None
    verdict: Verdict


def weigh_upstreams(grid: Grid) -> tuple[Worth, ...]:
    """Weigh every upstream on every downstream that has been fine-tuned from it."""
    drafts = []
    for downstream in grid.settings.downstreams:
        options = options_of(grid, downstream)
        for upstream in dict.fromkeys(o.cell.upstream for o in options if o.cell.upstream is not None):
            own = [option for option in options if option.cell.upstream == upstream]
            own = [option for option in own if grid.comparable(option.cell, grid.scratch_of(option.cell))]
            if own:
                drafts.append(_weigh(grid, upstream, own))
    corrected = holm([one.effect.p for one in drafts])
    same = holm([one.p_equivalent for one in drafts])
    return tuple(
        replace(one, p_holm=p, p_equivalent=equal, verdict=verdict_of(one.effect.estimate, p, equal))
        for one, p, equal in zip(drafts, corrected, same, strict=True)
    )


def _weigh(grid: Grid, upstream: str, options: Sequence[Option]) -> Worth:
    best = options[0].cell
    shares = Choosing(grid, options).shares(lambda option: True)
    choice = variance_of_choice(grid, {(cell, grid.scratch_of(cell)): p for cell, p in shares.items()})
    scratch = grid.scratch_of(best)
    seeds = grid.comparable(best, scratch)
    gain = subtract(*(grid.sample(cell, seeds=seeds) for cell in (best, scratch)))
    return Worth(
        downstream=best.dataset,
        upstream=upstream,
        network=best.network,
        arm=best.arm,
        share=shares[best],
        effect=mean_interval([gain], choice=choice),
        p_holm=None,
        p_equivalent=equivalence_p(gain, grid.settings.margin, choice),
        verdict="open",
    )


WORTH = {
    "win": "worth having",
    "loss": "harmful here",
    "equivalent": "no use here",
    "open": "open",
}


def worth_words(one: Worth) -> str:
    """Say in a word whether the weights are worth having."""
    return "not judged" if one.effect.p is None else WORTH[one.verdict]


def worth_table(found: Sequence[Worth]) -> Table | None:
    """What each upstream's weights are worth."""
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Weights of": one.upstream,
            "On the network": one.network,
            "With": TableCell(one.arm, f"preferred in {percent(one.share)} of redrawn validation scores"),
            "Against the same network from scratch": difference_cell(one.effect, one.verdict),
            "#p (Holm)": p_value(one.p_holm),
            "Worth having?": TableCell(worth_words(one), tone=verdict_cell(one.verdict, 2).tone),
        }
        for one in found
    ]
    return make_table(
        "Are the weights worth having?",
        rows,
        "Of each upstream, the network and arm that validation scores prefer, against the same network from "
        "scratch on the same input; the uncertainty of that choice is in the interval. No use here: shown to "
        "differ by less than the study's margin.",
    )


def _tables(found: Sequence[Worth], default: Axes) -> dict[str, Table | None]:
    return {"worth": worth_table(found)}


register_topic(Topic("worth", lambda study: weigh_upstreams(study.grid), one_file("worth"), _tables))
