"""What a checkpoint was trained on, and whether that is what it is about to be fine-tuned or tested on.

Every checkpoint carries its training sets: its own, and those of the upstream that it began with, and of that
one's upstream. Record ids alone would not do, as collections hold each other's recordings under other names,
so each record's trace goes with them (`ecg_tl.store.traces`), in which a copy is found wherever it begins. So
does its fingerprint (`ecg_tl.store.identity`), which earlier checkpoints have alone and are compared by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.datasets.partners import DECLARED, datasets_declared, partners_of, same_records
from ecg_tl.errors import CheckpointError
from ecg_tl.limits import fits_type
from ecg_tl.store.copies import first_copies
from ecg_tl.store.identity import FINGERPRINT_BYTES, FINGERPRINT_VERSION
from ecg_tl.store.matching import comparable, first_matches
from ecg_tl.store.traces import SHORTEST_TRACE, TRACE_BYTES, TRACE_LEADS, TRACE_VERSION, has_trace

if TYPE_CHECKING:
    from ecg_tl.datamodules.base import EcgDataModule

TRAINED_ON = "ecg_tl_trained_on"
"""Key of a checkpoint; apart from its description, which is JSON and goes into results."""

_FOLDS = re.compile(r"(.+) folds? (\d{1,3})(?:-(\d{1,3}))?")

NAMED_IN_ERRORS = 5
NAMED_IN_REPORTS = 100
"""How many of the records concerned are named; all are counted."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Records that weights were trained on.

    Attributes:
        dataset: Name of the dataset, or of the file of an upstream that does not say what it was trained on.
        record_ids: Of the training records; none if they are not known.
        fingerprints: Of the same records, `int8 (records, FINGERPRINT_BYTES)`.
        labels: Whether their labels were used. A pre-training uses none: that the downstream trains on the
            same records is what it is for, and no overlap.
        declared: Whether all that is known is that the authors name this dataset.
        folds: Of a declared dataset, the folds that they name; all of it if there are none.
        traces: Of the same records, `uint8 (records, TRACE_BYTES)`; None if an earlier version wrote it.
    """

    dataset: str
    record_ids: tuple[str, ...]
    fingerprints: Tensor
    labels: bool = True
    declared: bool = False
    folds: tuple[int, ...] = ()
    traces: Tensor | None = None

    @property
    def is_known(self) -> bool:
        """Whether the records are known at all."""
        return bool(self.record_ids)

    def same_as(self, other: TrainingSet) -> bool:
        """Tell whether these are the same records of the same dataset."""
        return (
            self.dataset == other.dataset
            and self.labels == other.labels
            and self.declared == other.declared
            and self.folds == other.folds
            and self.record_ids == other.record_ids
            and torch.equal(self.fingerprints, other.fingerprints)
        )

    def as_dict(self) -> dict[str, Any]:
        """Give it as a checkpoint keeps it: primitives and one tensor."""
        declared = {"declared": True, "folds": list(self.folds)} if self.declared else {}
        kept = {
            "version": FINGERPRINT_VERSION,
            "dataset": self.dataset,
            "record_ids": list(self.record_ids),
            "fingerprints": self.fingerprints,
            **declared,
            **({} if self.traces is None else {"trace_version": TRACE_VERSION, "traces": self.traces}),
        }
        return kept if self.labels else kept | {"labels": False}


@dataclass(frozen=True)
class PartOverlap:
    """Records of one part of a split that a checkpoint was trained on.

    Attributes:
        part: `train`, `validation` or `test`.
        records: How many the part has.
        pairs: For each of those concerned its id, and where the checkpoint met it: a dataset and an id.
    """

    part: str
    records: int
    pairs: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return f"{len(self.pairs):,} of {self.records:,} {self.part} records"


@dataclass(frozen=True)
class DeclaredOverlap:
    """Records of one part of a split that are among what an upstream's authors say it was trained on.

    Attributes:
        part: `train`, `validation` or `test`.
        records: How many the part has.
        overlap: How many of them are among it.
        dataset: What the authors call it.
    """

    part: str
    records: int
    overlap: int
    dataset: str

    def __str__(self) -> str:
        return f"{self.overlap:,} of {self.records:,} {self.part} records ({self.dataset})"


@dataclass(frozen=True)
class OverlapReport:
    """What was compared, and what was found.

    Attributes:
        parts: Of the split at hand.
        allowed: Whether an overlap is no error.
        unknown: Upstreams that do not say what they were trained on, so that nothing could be compared.
        without_fingerprint: Records of these parts that are too short for a trace or a fingerprint, or have
            none of its leads: a copy of one under another name is not found.
        unshifted: Datasets of which an earlier version kept fingerprints and no traces: copies that begin
            elsewhere are not found among their records.
        declared: What nobody found, but the upstream's authors declare.
        declared_elsewhere: Datasets that they declare and that are others; records were not compared.
    """

    parts: tuple[PartOverlap, ...]
    allowed: bool
    unknown: tuple[str, ...] = ()
    without_fingerprint: int = 0
    declared: tuple[DeclaredOverlap, ...] = ()
    declared_elsewhere: tuple[str, ...] = ()
    unshifted: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """How many records were found to be concerned, over all parts."""
        return sum(len(part.pairs) for part in self.parts)

    @property
    def is_any(self) -> bool:
        """Whether there is an overlap, found or declared."""
        return bool(self.records or self.declared)

    def lines(self) -> list[str]:
        """Say in lines what a reader of the results must know; none where there is nothing."""
        lines = [f"training records not known, overlap not excluded: {name}" for name in self.unknown]
        if self.records:
            counts = " and ".join(str(part) for part in self.parts if part.pairs)
            lines.append(f"OVERLAP, allowed: {counts} are among what the upstream was trained on")
        if self.declared:
            counts = " and ".join(map(str, self.declared))
            lines.append(
                f"OVERLAP, allowed: {counts} are among what the upstream was trained on, as its authors "
                "declare"
            )
        if self.declared_elsewhere:
            lines.append(
                f"trained on {', '.join(self.declared_elsewhere)}, as its authors declare: these records are "
                "not at hand, and were not compared"
            )
        if self.without_fingerprint:
            total = sum(part.records for part in self.parts)
            lines.append(
                f"{self.without_fingerprint:,} of {total:,} records have no fingerprint (under "
                f"{SHORTEST_TRACE:g} s of {', '.join(TRACE_LEADS)}): overlap excluded by dataset and id alone"
            )
        lines += [
            f"fingerprints of an earlier version, copies that begin elsewhere not excluded: {name}"
            for name in self.unshifted
        ]
        return lines

    def _declared_dict(self) -> dict[str, Any]:
        if not self.declared and not self.declared_elsewhere:
            return {}
        return {
            "declared": [asdict(one) for one in self.declared],
            "declared_elsewhere": list(self.declared_elsewhere),
        }

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        return {
            "records": self.records,
            "allowed": self.allowed,
            "unknown": list(self.unknown),
            "without_fingerprint": self.without_fingerprint,
            **self._declared_dict(),
            **({"unshifted": list(self.unshifted)} if self.unshifted else {}),
            "parts": {
                part.part: {
                    "records": part.records,
                    "overlap": len(part.pairs),
                    "first": [
                        {"record_id": record_id, "trained_on": f"{dataset} {trained_id}"}
                        for record_id, dataset, trained_id in part.pairs[:NAMED_IN_REPORTS]
                    ],
                }
                for part in self.parts
            },
        }


def declared_set(name: str) -> TrainingSet:
    """Return what a publication says in words: `PTB-XL`, or `PTB-XL folds 1-8`."""
    found = _FOLDS.fullmatch(name)
    folds = tuple(range(int(found[2]), int(found[3] or found[2]) + 1)) if found else ()
    empty = torch.zeros(0, FINGERPRINT_BYTES, dtype=torch.int8)
    return TrainingSet(found[1] if found else name, (), empty, declared=True, folds=folds)


def training_set(datamodule: EcgDataModule) -> TrainingSet:
    """Return what a network is trained on with a datamodule that has been set up."""
    rows = np.sort(datamodule.parts.split.train)
    return TrainingSet(
        datamodule.dataset.name,
        tuple(map(str, datamodule.parts.record_ids[rows])),
        torch.from_numpy(np.array(datamodule.store.fingerprints()[rows])),
        traces=torch.from_numpy(np.array(datamodule.store.traces()[rows])),
    )


def unknown_set(name: str) -> TrainingSet:
    """Return the place of records that are not known: those of an upstream that does not say."""
    return TrainingSet(name, (), torch.zeros(0, FINGERPRINT_BYTES, dtype=torch.int8))


def join_sets(sets: Iterable[TrainingSet], more: Iterable[TrainingSet]) -> tuple[TrainingSet, ...]:
    """Return all training sets, each once."""
    kept: list[TrainingSet] = []
    for candidate in (*sets, *more):
        if not any(candidate.same_as(other) for other in kept):
            kept.append(candidate)
    return tuple(kept)


def read_training_sets(checkpoint: Mapping[str, Any], where: object) -> tuple[TrainingSet, ...]:
    """Read what a checkpoint, or any other file of weights, was trained on.

    Args:
        checkpoint: As loaded.
        where: Its file, for errors.

    Returns:
        At least one set; an unknown one where the file does not say.

    Raises:
        CheckpointError: If it says so in a way that cannot be read.
    """
    listed = checkpoint.get(TRAINED_ON)
    if listed is None:
        return (unknown_set(str(where)),)
    if not isinstance(listed, list) or not listed:
        raise _malformed(where, type(listed).__name__)
    return tuple(_read_set(values, where) for values in listed)


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
    records = datamodule.store.records
    if here in own:
        if not one.folds or "fold" not in records:
            return np.ones(len(records), dtype=bool)
        return np.asarray(records["fold"].isin(one.folds).to_numpy() | records["fold"].isna().to_numpy())
    ids = datamodule.parts.record_ids
    named = np.array([any(same_records(here, str(i), other) for other in own) for i in ids], dtype=bool)
    # Where ids do not tell which records are shared, all of them may be.
    return named if named.any() else np.ones(len(records), dtype=bool)


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
    if not report.records:
        return _judge_declared(report, allow, where, setting)
    counts = " and ".join(str(part) for part in report.parts if part.pairs)
    pairs = [pair for part in report.parts for pair in part.pairs]
    named = ", ".join(
        f"{record_id} ({dataset} {trained_id})" for record_id, dataset, trained_id in pairs[:NAMED_IN_ERRORS]
    )
    if len(pairs) > NAMED_IN_ERRORS:
        named += f" and {len(pairs) - NAMED_IN_ERRORS:,} more"
    found = f"{counts} of {datamodule.dataset.name} among what it was trained on: {named}"
    if allow:
        rank_zero_warn(f"{where}: {found}. This is allowed, and reported.")
        return report
    raise CheckpointError(
        where,
        found,
        "records that it was not trained on",
        f"Use other records or another checkpoint, or allow it with `{setting}`; reports will say so.",
    )


def _judge_declared(report: OverlapReport, allow: bool, where: object, setting: str) -> OverlapReport:
    counts = " and ".join(map(str, report.declared))
    found = f"{counts} among what it was trained on, as its authors declare"
    if allow:
        rank_zero_warn(f"{where}: {found}. This is allowed, and reported.")
        return report
    raise CheckpointError(
        where,
        found,
        "records that it was not trained on",
        f"Use other records or another upstream, or allow it with `{setting}`; reports will say so.",
    )


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


def _read_set(values: object, where: object) -> TrainingSet:
    if not isinstance(values, Mapping):
        raise _malformed(where, type(values).__name__)
    version = values.get("version")
    if version != FINGERPRINT_VERSION:
        raise CheckpointError(
            where,
            f"fingerprints of version {version}",
            f"version {FINGERPRINT_VERSION}",
            "Use the version of ecg_tl that wrote it.",
        )
    dataset, ids, prints = (values.get(name) for name in ("dataset", "record_ids", "fingerprints"))
    if not isinstance(dataset, str) or not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise _malformed(where, "no dataset or record ids")
    expected = (len(ids), FINGERPRINT_BYTES)
    if not isinstance(prints, Tensor) or prints.dtype != torch.int8 or tuple(prints.shape) != expected:
        raise _malformed(where, "fingerprints of another kind")
    labels = values.get("labels", True)
    if not isinstance(labels, bool):
        raise _malformed(where, "labels that are neither true nor false")
    declared, folds = values.get("declared", False), values.get("folds", [])
    if not fits_type(declared, bool) or not fits_type(folds, list[int]) or (declared and ids):
        raise _malformed(where, "a declared dataset of another kind")
    traces = values.get("traces") if values.get("trace_version") == TRACE_VERSION else None
    if traces is not None:
        shape = (len(ids), TRACE_BYTES)
        if not isinstance(traces, Tensor) or traces.dtype != torch.uint8 or tuple(traces.shape) != shape:
            raise _malformed(where, "traces of another kind")
        traces = traces.cpu()
    return TrainingSet(dataset, tuple(ids), prints.cpu(), labels, declared, tuple(folds), traces)


def _malformed(where: object, found: str) -> CheckpointError:
    return CheckpointError(
        where,
        f"malformed training sets ({found})",
        "those that ecg_tl wrote",
        "Give an intact checkpoint.",
    )
