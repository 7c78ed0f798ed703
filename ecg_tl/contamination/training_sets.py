"""What a checkpoint was trained on, as it carries it.

Its own training sets, those of the upstream that it began with, and those of that one's upstream. Record ids
alone would not do, as collections hold each other's recordings under other names, so each record's trace goes
with them (`ecg_tl.store.traces`), in which a copy is found wherever it begins. So does its fingerprint
(`ecg_tl.store.identity`), which earlier checkpoints have alone and are compared by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ecg_tl.errors import CheckpointError
from ecg_tl.limits import fits_type
from ecg_tl.store.identity import FINGERPRINT_BYTES, FINGERPRINT_VERSION
from ecg_tl.store.traces import TRACE_BYTES, TRACE_VERSION

if TYPE_CHECKING:
    from ecg_tl.datamodules.base import EcgDataModule

TRAINED_ON = "ecg_tl_trained_on"
"""Key of a checkpoint; apart from its description, which is JSON and goes into results."""

_FOLDS = re.compile(r"(.+) folds? (\d{1,3})(?:-(\d{1,3}))?")


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
