"""What several downstreams say together: these, others of their kind, and by Bayes' rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.statistics.combining import PRIOR_SCALE
from ecg_tl.statistics.intervals import Interval
from ecg_tl.statistics.scoring import Sample
from ecg_tl.study.findings.compared import Compared, largest
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.downstreams import mean_over_all, over_downstreams, random_interval
from ecg_tl.study.findings.tables import Line, Table, TableCell, difference_cell, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import NOTHING, number, p_value, percent, span


@dataclass(frozen=True)
class CombinedEffect:
    """A gain over several downstreams, at the default of all axes and each one's largest training size.

    Attributes:
        arm: As the study names it.
        upstream: Name of it; empty for the mean over all upstreams and networks.
        network: As the study names it; empty likewise.
        downstreams: Names of those that are in it.
        fixed: Plain mean over these downstreams, which says nothing of others.
        effect: Mean over downstreams of their kind: random effects with Hartung and Knapp's interval, no
            narrower than `fixed`.
        tau: Standard deviation of the true gains between downstreams.
        tau_low: Of its 95 % interval.
        tau_high: As `tau_low`.
        share: Of the variance of the gains that is between downstreams (I²).
        heterogeneity_p: Of "the true gains are all the same".
        predicted_low: Of the 95 % prediction interval of another downstream's gain; None of two.
        predicted_high: As `predicted_low`.
        believed: Mean by Bayes' rule.
        believed_low: Of its 95 % interval.
        believed_high: As `believed_low`.
        better: Probability that the mean is a gain of more than the study's margin.
        equivalent: That it lies within the margin.
        worse: That it is a loss of more.
        next_better: As `better`, of another downstream.
        next_equivalent: As `equivalent`, of another downstream.
        next_worse: As `worse`, of another downstream.
        margin: Of the study.
    """

    arm: str
    upstream: str
    network: str
    downstreams: tuple[str, ...]
    fixed: Interval
    effect: Interval
    tau: float
    tau_low: float
    tau_high: float
    share: float
    heterogeneity_p: float
    predicted_low: float | None
    predicted_high: float | None
    believed: float
    believed_low: float
    believed_high: float
    better: float
    equivalent: float
    worse: float
    next_better: float
    next_equivalent: float
    next_worse: float
    margin: float


def combine_gains(
    compared: Sequence[Compared], default_axes: Axes, margin: float
) -> tuple[CombinedEffect, ...]:
    """Combine the gains of each pretrained arm, over all upstreams and networks and of each of them."""
    groups: dict[tuple[str, str, str], list[Compared]] = {}
    for one in largest(compared).values():
        if one.comparison.control or one.cell.axes != default_axes:
            continue
        arm = one.comparison.arm
        groups.setdefault((arm, "", ""), []).append(one)
        groups.setdefault((arm, one.cell.upstream or "", one.cell.network), []).append(one)
    alone = {arm for arm, *_ in groups if sum(key[0] == arm for key in groups) == 2}
    # Where an arm has one upstream and one network, these say the same as all.
    kept = {key: own for key, own in groups.items() if key[0] not in alone or not key[2]}
    order = sorted(kept, key=lambda key: (not groups[key][0].comparison.primary, key[0], bool(key[2])))
    found = [_combined(key, kept[key], margin) for key in order]
    return tuple(one for one in found if one is not None)


def _combined(
    key: tuple[str, str, str], compared: Sequence[Compared], margin: float
) -> CombinedEffect | None:
    gains: dict[str, list[Sample]] = {}
    for one in compared:
        gains.setdefault(one.comparison.downstream, []).append(one.gain)
    parts = over_downstreams(gains)
    fitted, believed = parts.fitted(), parts.believed(margin)
    if fitted is None or believed is None:
        return None
    fixed = mean_over_all([one.gain for one in compared if one.comparison.downstream in parts.names])
    arm, upstream, network = key
    return CombinedEffect(
        arm=arm,
        upstream=upstream,
        network=network,
        downstreams=parts.names,
        fixed=fixed,
        effect=random_interval(fitted, fixed),
        tau=fitted.tau,
        tau_low=fitted.tau_low,
        tau_high=fitted.tau_high,
        share=fitted.share,
        heterogeneity_p=fitted.heterogeneity_p,
        predicted_low=fitted.predicted_low,
        predicted_high=fitted.predicted_high,
        believed=believed.mean,
        believed_low=believed.low,
        believed_high=believed.high,
        better=believed.better,
        equivalent=believed.equivalent,
        worse=believed.worse,
        next_better=believed.next_better,
        next_equivalent=believed.next_equivalent,
        next_worse=believed.next_worse,
        margin=margin,
    )


def combined_table(found: Sequence[CombinedEffect]) -> Table | None:
    """Means over downstreams, and how much these differ."""
    rows: list[Line] = [
        _whose(one)
        | {
            "#Downstreams": f"{len(one.downstreams)}",
            "#Mean of these": difference_cell(one.fixed, drawn=False),
            "#Mean of their kind (95 % interval)": difference_cell(one.effect),
            "#p": p_value(one.effect.p),
            "#Differ by, standard deviation": TableCell(
                number(one.tau), span(one.tau_low, one.tau_high, sign=False)
            ),
            "#Of the variance": percent(one.share),
            "#Another downstream (95 %)": span(one.predicted_low, one.predicted_high),
        }
        for one in found
    ]
    return make_table(
        "Gain over several downstreams, in macro AUROC",
        rows,
        "Mean of these: the plain mean over the downstreams at hand. Mean of their kind: random effects "
        "(REML, interval of Hartung and Knapp, never narrower than that of the plain mean); p is not "
        "corrected. Differ by: of the true gains between downstreams, with its interval (Q profile), and its "
        "share of the variance (I²). Another downstream: where its true gain would lie; of two "
        "downstreams it is not known. What downstreams share, such as one training of the upstream, is not "
        "seen.",
    )


def belief_table(found: Sequence[CombinedEffect]) -> Table | None:
    """Probabilities with the margin as region of equivalence."""
    rows: list[Line] = [
        _whose(one)
        | {
            "#Mean (95 %)": TableCell(number(one.believed), span(one.believed_low, one.believed_high)),
            "#Mean better": percent(one.better),
            "#equivalent": percent(one.equivalent),
            "#worse": percent(one.worse),
            "#Another downstream better": percent(one.next_better),
            "#Another equivalent": percent(one.next_equivalent),
            "#Another worse": percent(one.next_worse),
        }
        for one in found
    ]
    margin = f"{found[0].margin:g}" if found else NOTHING
    return make_table(
        "The same by Bayes' rule: how probable each is",
        rows,
        f"Better, equivalent and worse: above, within and below ± the study's margin of {margin}. A "
        "hierarchical model of normal gains; flat prior of the mean, half-normal prior of how far "
        f"downstreams differ, of scale {PRIOR_SCALE:g}. No correction for the number of rows.",
    )


def _whose(one: CombinedEffect) -> Line:
    return {"Arm": one.arm, "Upstream": one.upstream or "all", "Network": one.network or "all"}


def _found(study: Analysis) -> tuple[CombinedEffect, ...]:
    return combine_gains(compared_in(study), study.grid.default_axes, study.settings.margin)


def _tables(found: Sequence[CombinedEffect], default: Axes) -> dict[str, Table | None]:
    return {"combined": combined_table(found), "combined_by_bayes": belief_table(found)}


register_topic(
    Topic(
        "combined",
        _found,
        one_file("combined"),
        _tables,
        "Several downstreams",
        "What do several downstreams say together?",
    )
)
