"""Do CNNs gain more than RNNs? On the same pairs, and apart for RNNs with the paper's head and without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.intervals import Interval, mean_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import Sample, average, subtract
from ecg_tl.study.findings.columns import CsvRow, row_of
from ecg_tl.study.findings.compared import Compared, largest, verdict_of
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.downstreams import mean_over_all, over_downstreams
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, register_topic
from ecg_tl.study.findings.values import Verdict
from ecg_tl.study.findings.wording import (
    signed,
)


@dataclass(frozen=True)
class FamilyContrast:
    """Gain of CNNs less gain of RNNs, on the same pairs of upstream and downstream.

    Attributes:
        head: Which RNNs: `flatten` (the paper's: the new head holds over 90 % of the parameters), `pooled`
            (the same head as a CNN's: without that confound) or `all`.
        cnn_gain: Mean gain of CNNs over the pairs.
        rnn_gain: Mean gain of RNNs over the pairs.
        contrast: `cnn_gain` less `rnn_gain`.
        pairs: Pairs of upstream and downstream that have both.
        cnn_networks: Names.
        rnn_networks: Names.
        head_share: Largest share of an RNN's parameters that its new head holds; None if not known.
        by_pair: (upstream, downstream, gain of CNNs, gain of RNNs) for each.
        pair_verdicts: Of CNNs less RNNs for each of `by_pair`, corrected for their number.
        combined: `contrast` over downstreams of their kind; None of fewer than three.
    """

    head: Literal["flatten", "pooled", "all"]
    cnn_gain: Interval
    rnn_gain: Interval
    contrast: Interval
    pairs: int
    cnn_networks: tuple[str, ...]
    rnn_networks: tuple[str, ...]
    head_share: float | None
    by_pair: tuple[tuple[str, str, float, float], ...]
    pair_verdicts: tuple[Verdict, ...] = ()
    combined: Interval | None = None


Head = Literal["flatten", "pooled", "all"]


def contrast_families(grid: Grid, compared: Sequence[Compared]) -> tuple[FamilyContrast, ...]:
    """Compare the primary arm's gain in CNNs and in RNNs, at the largest size of each.

    The paper's RNNs flatten all time steps into one linear layer, which holds over 90 % of their parameters
    and is replaced in fine-tuning: little is left to transfer. RNNs that pool over time have a head as small
    as a CNN's, and so tell the family from the head. Networks of other families (transformers, state-space
    models) are in neither: the claim is of CNNs and RNNs, and names those that it leaves out.
    """
    primary = [one for one in largest(compared).values() if one.comparison.primary]
    heads: list[Head] = ["pooled", "flatten", "all"]
    found = [(head, _contrast(grid, primary, head)) for head in heads]
    kept = [contrast for _, contrast in found if contrast is not None]
    # With one kind of head, "all" would say the same again.
    return tuple(kept if len(kept) > 2 else [c for c in kept if c.head != "all"])


def _contrast(grid: Grid, primary: Sequence[Compared], head: Head) -> FamilyContrast | None:
    pairs: dict[tuple[str | None, str], dict[str, list[Compared]]] = defaultdict(
        lambda: {"cnn": [], "rnn": []}
    )
    for one in primary:
        family = one.comparison.family
        if family == "cnn" or (family == "rnn" and head in ("all", one.comparison.head)):
            pairs[one.cell.upstream, one.cell.dataset][family].append(one)
    both = {pair: found for pair, found in pairs.items() if _contrastable(found)}
    if not both:
        return None
    gains = {
        pair: {family: average(*(one.gain for one in found[family])) for family in ("cnn", "rnn")}
        for pair, found in both.items()
    }
    cnn = mean_over_all([of["cnn"] for of in gains.values()])
    rnn = mean_over_all([of["rnn"] for of in gains.values()])
    differences = [subtract(of["cnn"], of["rnn"]) for of in gains.values()]
    intervals = [mean_interval([difference]) for difference in differences]
    corrected = holm([interval.p for interval in intervals])
    contrast = mean_over_all(differences)
    by_downstream: dict[str, list[Sample]] = defaultdict(list)
    for (_, downstream), difference in zip(gains, differences, strict=True):
        by_downstream[downstream].append(difference)
    rnns = [one for found in both.values() for one in found["rnn"]]
    shares = [_head_share(grid, one) for one in rnns]
    known = [share for share in shares if share is not None]
    return FamilyContrast(
        head=head,
        cnn_gain=cnn,
        rnn_gain=rnn,
        contrast=contrast,
        pairs=len(both),
        cnn_networks=tuple(dict.fromkeys(o.cell.network for f in both.values() for o in f["cnn"])),
        rnn_networks=tuple(dict.fromkeys(o.cell.network for o in rnns)),
        head_share=max(known) if known else None,
        by_pair=tuple((u or "", d, of["cnn"].mean, of["rnn"].mean) for (u, d), of in gains.items()),
        pair_verdicts=tuple(
            verdict_of(interval.estimate, p) for interval, p in zip(intervals, corrected, strict=True)
        ),
        combined=over_downstreams(by_downstream).interval(contrast),
    )


def _contrastable(found: dict[str, list[Compared]]) -> bool:
    """Whether a pair has both families, on the same test records and with a seed in common."""
    members = [one for family in found.values() for one in family]
    if not all(found.values()) or len({id(one.gain.resamples) for one in members}) > 1:
        return False
    return bool(set.intersection(*(set(one.gain.seeds) for one in members)))


def _head_share(grid: Grid, one: Compared) -> float | None:
    result = grid.first(one.cell).result
    head, all_of_it = result.get("head_parameters"), result.get("parameters")
    return float(head) / float(all_of_it) if head and all_of_it else None


def families_table(found: Sequence[FamilyContrast]) -> Table | None:
    """Gains of CNNs and RNNs by pair."""
    heads = {"flatten": "flattened", "pooled": "pooled", "all": "all"}
    rows: list[Line] = [
        {
            "Pair": f"{upstream} → {downstream}",
            "Head of the RNNs": heads[one.head],
            "#CNNs": signed(cnn),
            "#RNNs": signed(rnn),
            "#Difference": signed(cnn - rnn),
        }
        for one in found
        for upstream, downstream, cnn, rnn in one.by_pair
    ]
    return make_table(
        "Gain by pair, in macro AUROC",
        rows,
    )


def families_in(study: Analysis) -> tuple[FamilyContrast, ...]:
    """Find the contrasts in a study under analysis."""
    return contrast_families(study.grid, compared_in(study))


def _files(found: Sequence[FamilyContrast]) -> dict[str, Iterable[CsvRow]]:
    return {
        "families": (row_of(one, without=("by_pair",)) for one in found),
        "families_by_pair": (
            {"head": one.head, "upstream": up, "downstream": down, "cnn_gain": cnn, "rnn_gain": rnn}
            for one in found
            for up, down, cnn, rnn in one.by_pair
        ),
    }


register_topic(
    Topic(
        "families",
        families_in,
        _files,
        lambda found, default: {"families_by_pair": families_table(found)},
    )
)
