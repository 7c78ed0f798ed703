"""Do CNNs gain more than RNNs? On the same pairs, and apart for RNNs with the paper's head and without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from ecg_tl.statistics.intervals import Interval, mean_interval, weighted_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import Sample, average, subtract
from ecg_tl.study.analysis.comparisons import Compared, verdict_of
from ecg_tl.study.analysis.curves import largest
from ecg_tl.study.analysis.grid import Grid
from ecg_tl.study.findings import FamilyContrast

Head = Literal["flatten", "pooled", "all"]


def contrast_families(grid: Grid, compared: Sequence[Compared]) -> tuple[FamilyContrast, ...]:
    """Compare the primary arm's gain in CNNs and in RNNs, at the largest size of each.

    The paper's RNNs flatten all time steps into one linear layer, which holds over 90 % of their parameters
    and is replaced in fine-tuning: little is left to transfer. RNNs that pool over time have a head as small
    as a CNN's, and so tell the family from the head.
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
    rnns = [one for found in both.values() for one in found["rnn"]]
    shares = [_head_share(grid, one) for one in rnns]
    known = [share for share in shares if share is not None]
    return FamilyContrast(
        head=head,
        cnn_gain=cnn,
        rnn_gain=rnn,
        contrast=mean_over_all(differences),
        pairs=len(both),
        cnn_networks=tuple(dict.fromkeys(o.cell.network for f in both.values() for o in f["cnn"])),
        rnn_networks=tuple(dict.fromkeys(o.cell.network for o in rnns)),
        head_share=max(known) if known else None,
        by_pair=tuple((u or "", d, of["cnn"].mean, of["rnn"].mean) for (u, d), of in gains.items()),
        pair_verdicts=tuple(
            verdict_of(interval.estimate, p) for interval, p in zip(intervals, corrected, strict=True)
        ),
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


def mean_over_all(samples: Sequence[Sample]) -> Interval:
    """Interval of the plain mean of quantities, some of which share a test set.

    Those of one test set are averaged seed by seed and resample by resample first, so that what they share is
    in the interval; what is left is independent. Of one test set, those that have no seed in common with the
    first are left out.
    """
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        group = groups[id(sample.resamples)]
        if set(sample.seeds).intersection(*(s.seeds for s in group)):
            group.append(sample)
    kept = sum(map(len, groups.values()))
    if not kept:
        return Interval(None, reason="Nothing to estimate it from.")
    return weighted_interval([(len(group) / kept, average(*group)) for group in groups.values()])
