"""The paper's seven claims, each tested by a rule that is written beside its verdict.

Claims are tested on the primary comparisons: the study's primary arm against scratch, at the default of all
axes. Nothing is chosen by its result. Where a claim counts comparisons, their p-values are corrected by
Holm's method over all primary comparisons. Mean effects are plain means over the comparisons named, with
intervals over patients and seeds that respect what comparisons share (a test set, a scratch training); they
hold for these datasets, networks and upstreams, not for others.

Each claim gives one p-value, of what its verdict would rest on, and these are corrected in turn, by Holm's
method over the claims that can be tested: of studies in which nothing is so, at most one in twenty says
anything but "open" of any claim. Of one seed, one pair, one downstream, one network of a family or one
training of an upstream no claim is judged, since each speaks of several.
"""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.study.findings.break_even import BreakEven, break_even_in
from ecg_tl.study.findings.claims.drafting import (
    Claim,
    judged,
)
from ecg_tl.study.findings.claims.gains import (
    gain_declines,
    not_always,
    scratch_catches_up,
    small_sets,
)
from ecg_tl.study.findings.claims.networks import cnns_gain_more
from ecg_tl.study.findings.claims.training_time import converges_faster, cost_matters
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.families import FamilyContrast, families_in
from ecg_tl.study.findings.gains import Trend, trends_in
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic


def judge_claims(
    grid: Grid,
    compared: Sequence[Compared],
    trends: Sequence[Trend],
    families: Sequence[FamilyContrast],
    break_evens: Sequence[BreakEven],
) -> tuple[Claim, ...]:
    """Test all seven."""
    primary = [one for one in compared if one.comparison.primary]
    primary_trends = [trend for trend in trends if trend.members[0].comparison.primary]
    default_break_evens = [
        row for row in break_evens if row.arm == grid.primary_arm and row.axes == grid.default_axes
    ]
    drafts = (
        small_sets(primary),
        not_always(primary, grid.settings.margin),
        gain_declines(primary_trends),
        scratch_catches_up(grid, primary_trends),
        converges_faster(primary),
        cnns_gain_more(families, primary),
        cost_matters(grid, default_break_evens, primary),
    )
    corrected = holm([draft.p for draft in drafts])
    return tuple(judged(draft, p) for draft, p in zip(drafts, corrected, strict=True))


def _claims_in(study: Analysis) -> tuple[Claim, ...]:
    return judge_claims(
        study.grid,
        compared_in(study),
        study.once(trends_in),
        study.once(families_in),
        study.once(break_even_in),
    )


register_topic(Topic("claims", _claims_in, one_file("claims")))
