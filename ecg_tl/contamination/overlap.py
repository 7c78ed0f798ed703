"""Which records of a split a checkpoint was trained on, found or declared; and the refusal of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_warn
from numpy.typing import NDArray

from ecg_tl.contamination.report import DeclaredOverlap, OverlapReport, PartOverlap
from ecg_tl.contamination.training_sets import TrainingSet
from ecg_tl.datasets.partners import DECLARED, datasets_declared, partners_of, same_records
from ecg_tl.errors import CheckpointError
from ecg_tl.store.copies import first_copies
from ecg_tl.store.matching import comparable, first_matches
from ecg_tl.store.traces import has_trace

if TYPE_CHECKING:
    from ecg_tl.datamodules.base import EcgDataModule

NAMED_IN_ERRORS = 5
"""How many of the records concerned are named; all are counted."""


def require_no_overlap(
    sets: Sequence[TrainingSet],
    datamodule: EcgDataModule,
    parts: Sequence[str],
    *,
    allow: bool,
    where: object,
    setting: str,
) -> OverlapReport:
    """Refuse to fine-tune or test on records that the weights, or their upstream, were trained on.

    Args:
        sets: What they were trained on.
        datamodule: After `setup`.
        parts: Of its split, those that are about to be used.
        allow: Report the overlap instead.
        where: The checkpoint, for the error.
        setting: What allows it, as the user writes it.

    Raises:
        CheckpointError: If there are any and they are not allowed; counts and names them.
    """
    report = find_overlap(sets, datamodule, parts, allow=allow)
    for name in report.unknown:
        rank_zero_warn(
            f"{name} does not say which records it was trained on: they may be among those of "
            f"{datamodule.dataset.name}."
        )
    if not report.is_any:
        return report
    found = overlap_words(report, datamodule.dataset.name)
    if allow:
        rank_zero_warn(f"{where}: {found}. This is allowed, and reported.")
        return report
    raise CheckpointError(
        where,
        found,
        "records that it was not trained on",
        f"Use other records or another checkpoint, or allow it with `{setting}`; reports will say so.",
    )


def overlap_words(report: OverlapReport, dataset: str) -> str:
    """Say what was found of a dataset's records, and what the authors declare beside it."""
    return " and ".join(_in_words(report, dataset))


def _in_words(report: OverlapReport, dataset: str) -> Iterator[str]:
    if report.records:
        counts = " and ".join(str(part) for part in report.parts if part.pairs)
        pairs = [pair for part in report.parts for pair in part.pairs]
        named = ", ".join(f"{ours} ({theirs} {trained})" for ours, theirs, trained in pairs[:NAMED_IN_ERRORS])
        more = f" and {len(pairs) - NAMED_IN_ERRORS:,} more" if len(pairs) > NAMED_IN_ERRORS else ""
        yield f"{counts} of {dataset} among what it was trained on: {named}{more}"
    if report.declared:
        counts = " and ".join(map(str, report.declared))
        yield f"{counts} among what it was trained on, as its authors declare"


def find_overlap(
    sets: Sequence[TrainingSet], datamodule: EcgDataModule, parts: Sequence[str], *, allow: bool = False
) -> OverlapReport:
    """Find the records of a split that weights were trained on.

    Records match by trace, or by fingerprint where the weights have no traces. Where a record has none, it is
    the same if dataset and id are, or if the two datasets are known to hold each other's records under such
    ids (`ecg_tl.datasets.partners`). Training records may be among those of a pre-training without labels.

    Args:
        sets: What the weights were trained on.
        datamodule: After `setup`.
        parts: Of its split: some of `train`, `validation`, `test`.
        allow: Noted in the report.
    """
    rows_of = datamodule.parts.split.parts()
    known = [one for one in sets if one.is_known]
    by_fingerprint = [one for one in known if one.traces is None]
    fingerprints = datamodule.store.fingerprints()
    traces = datamodule.store.traces() if len(by_fingerprint) < len(known) or not known else None
    found = []
    without = 0
    for part in parts:
        rows = np.sort(rows_of[part])
        here = _Here(
            datamodule.dataset.name,
            tuple(str(record_id) for record_id in datamodule.parts.record_ids[rows]),
            np.array(fingerprints[rows]),
            None if traces is None else np.array(traces[rows]),
        )
        without += int(
            (~comparable(here.fingerprints) if here.traces is None else ~has_trace(here.traces)).sum()
        )
        met: dict[int, tuple[str, str, str]] = {}
        for one in known:
            if part == "train" and not one.labels:
                continue
            for row, trained in _matches(here, one):
                met.setdefault(row, (here.record_ids[row], one.dataset, one.record_ids[trained]))
        found.append(PartOverlap(part, len(rows), tuple(met[row] for row in sorted(met))))
    unknown = tuple(dict.fromkeys(one.dataset for one in sets if not one.is_known and not one.declared))
    declared, elsewhere = _declared_overlap(sets, datamodule, parts)
    return OverlapReport(
        tuple(found),
        allow,
        unknown,
        without,
        declared,
        elsewhere,
        unshifted=tuple(dict.fromkeys(one.dataset for one in by_fingerprint)),
    )


def _declared_overlap(
    sets: Sequence[TrainingSet], datamodule: EcgDataModule, parts: Sequence[str]
) -> tuple[tuple[DeclaredOverlap, ...], tuple[str, ...]]:
    """Find what is declared of a split's records; and the declared datasets that are others."""
    here = datamodule.dataset.name
    found: list[DeclaredOverlap] = []
    elsewhere: list[str] = []
    for one in (one for one in sets if one.declared):
        said = f"{one.dataset} folds {one.folds[0]}-{one.folds[-1]}" if one.folds else one.dataset
        if here not in datasets_declared(one.dataset):
            elsewhere.append(said)
            continue
        among = _declared_rows(one, datamodule)
        for part in parts:
            rows = datamodule.parts.split.parts()[part]
            overlap = int(among[rows].sum())
            if overlap:
                found.append(DeclaredOverlap(part, len(rows), overlap, said))
    return tuple(found), tuple(dict.fromkeys(elsewhere))


def _declared_rows(one: TrainingSet, datamodule: EcgDataModule) -> NDArray[np.bool_]:
    """Say of each stored record whether it is among a declared dataset, as far as ids and folds tell."""
    here, own = datamodule.dataset.name, DECLARED.get(one.dataset, ())
    store = datamodule.store
    if here in own:
        if not one.folds or "fold" not in store.manifest.columns:
            return np.ones(len(store), dtype=bool)
        folds = store.column("fold")
        return np.asarray(folds.isin(one.folds).to_numpy() | folds.isna().to_numpy())
    ids = datamodule.parts.record_ids
    named = np.array([any(same_records(here, str(i), other) for other in own) for i in ids], dtype=bool)
    # Where ids do not tell which records are shared, all of them may be.
    return named if named.any() else np.ones(len(store), dtype=bool)


@dataclass(frozen=True, eq=False)
class _Here:
    """Records at hand, as `TrainingSet`."""

    dataset: str
    record_ids: tuple[str, ...]
    fingerprints: NDArray[np.int8]
    traces: NDArray[np.uint8] | None


def _matches(here: _Here, trained: TrainingSet) -> list[tuple[int, int]]:
    """Return pairs of rows: of the records at hand, and of a training set."""
    if trained.traces is not None and here.traces is not None:
        theirs = trained.traces.numpy()
        one, other = first_copies(here.traces, theirs)
        nameless, without = ~has_trace(here.traces), ~has_trace(theirs)
    else:
        prints = trained.fingerprints.numpy()
        matches = first_matches(here.fingerprints, prints)
        one, other = matches.one, matches.other
        nameless, without = ~comparable(here.fingerprints), ~comparable(prints)
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    if trained.dataset == here.dataset or trained.dataset in partners_of(here.dataset):
        row_of = {trained.record_ids[row]: row for row in np.flatnonzero(without).tolist()}
        for row in np.flatnonzero(nameless).tolist():
            names = same_records(here.dataset, here.record_ids[row], trained.dataset)
            pairs += [(row, row_of[name]) for name in names if name in row_of]
    return pairs
