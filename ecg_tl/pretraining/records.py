"""Which records a pre-training is fed, and which are kept from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datamodules.query import select
from ecg_tl.errors import SettingError
from ecg_tl.store.matching import first_matches

Rows = NDArray[np.int64]

Records = Literal["train", "train+unlabelled", "transductive"]
"""`train`: the training records of a split, and all of a dataset without any label. `train+unlabelled`: those
without a label besides. `transductive`: all, also those on which the downstream is validated and tested."""

TRANSDUCTIVE: Records = "transductive"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Chosen:
    """The records of one dataset.

    Attributes:
        train: Rows of its store that are fed.
        validation: Rows on which features are looked at; none where there are no labels.
        excluded: How many were left out because they, or other records of their patients, are held out.
        unlabelled: How many of `train` have no label.
    """

    train: Rows
    validation: Rows
    excluded: int
    unlabelled: int


def has_labels(source: EcgDataModule) -> bool:
    """Whether any record of a dataset has one of its classes."""
    return bool(_labelled(source).any())


def choose_records(
    sources: Sequence[EcgDataModule],
    records: Records,
    exclude: Sequence[str],
    others: Sequence[EcgDataModule],
) -> list[Chosen]:
    """Choose what each dataset gives.

    Unless all records are asked for, those on which any of the datasets is validated or tested are kept from
    it: in that dataset, in each other one where the same recording lies under another name, and with them all
    records of the same patients. What `exclude` names is kept from it in any case.

    Args:
        sources: Datasets to train on, prepared.
        records: Which of their records.
        exclude: Parts of datasets, such as `test of ludb`.
        others: Datasets that `exclude` may name beside `sources`.

    Returns:
        One entry a source.

    Raises:
        SettingError: If `exclude` names what is not there, or no record is left.
    """
    held: list[tuple[EcgDataModule, Rows]] = []
    if records != TRANSDUCTIVE:
        for source in sources:
            if has_labels(source):
                source.setup()
                split = source.parts.split
                held.append((source, np.concatenate((split.validation, split.test))))
    for one in exclude:
        held += _named(one, [*sources, *others])
    return [_choose(source, records, held) for source in sources]


def _choose(source: EcgDataModule, records: Records, held: Sequence[tuple[EcgDataModule, Rows]]) -> Chosen:
    labelled = _labelled(source)
    selected = _selected(source)
    validation: Rows = np.zeros(0, dtype=np.int64)
    rows = selected
    if labelled.any():
        source.setup()
        split = source.parts.split
        validation = np.sort(split.validation)
        if records == "train":
            rows = split.train
        elif records == "train+unlabelled":
            rows = np.union1d(split.train, selected[~labelled[selected]])
    kept_out = held_out(source, held)
    kept = np.sort(rows[~kept_out[rows]])
    if not len(kept):
        raise SettingError(
            f"records of {source.dataset.name}",
            f"none of {len(rows):,} left to train on",
            "some that are neither validated nor tested on",
            "Give another dataset, or correct `records`, `exclude`, `query` or the split.",
        )
    excluded = int(kept_out[selected].sum())
    return Chosen(kept, validation, excluded, int((~labelled[kept]).sum()))


def held_out(source: EcgDataModule, held: Iterable[tuple[EcgDataModule, Rows]]) -> NDArray[np.bool_]:
    """Mark the rows of a dataset that are held out records, the same recordings, or of the same patients.

    Args:
        source: The dataset, prepared.
        held: Rows of datasets, which may be this one.
    """
    store = source.store
    marked = np.zeros(len(store), dtype=bool)
    prints = np.array(store.fingerprints())
    for other, rows in held:
        if not len(rows):
            continue
        if other is source or _same_store(other, source):
            marked[rows] = True
        theirs = np.array(other.store.fingerprints()[np.sort(rows)])
        marked[first_matches(prints, theirs).one] = True
    recordings = store.column("first_row").to_numpy()
    marked |= np.isin(recordings, recordings[marked])
    patients = store.column("patient_id")
    known = patients.notna().to_numpy()
    of_patients = patients.isin(set(patients[marked & known])).to_numpy()
    return np.asarray(marked | (known & of_patients), dtype=bool)


def _same_store(one: EcgDataModule, other: EcgDataModule) -> bool:
    return one.store.path == other.store.path


def _named(name: str, known: Sequence[EcgDataModule]) -> list[tuple[EcgDataModule, Rows]]:
    """Find what an entry of `exclude` names: of every dataset of that name, of which there may be several."""
    part, of, dataset = name.partition(" of ")
    found = [one for one in known if one.dataset.name == dataset]
    if not of or part not in PARTS or not found:
        names = ", ".join(dict.fromkeys(one.dataset.name for one in known))
        raise SettingError(
            "exclude",
            repr(name),
            f"`PART of DATASET`: a part out of {', '.join(PARTS)}, a dataset out of {names}",
            "Correct it, or give the dataset under `excluded_data`.",
        )
    held = []
    for source in found:
        if not has_labels(source):
            raise SettingError(
                "exclude", f"{name!r}, a dataset without labels", "one that has a split", "Remove it."
            )
        source.setup()
        held.append((source, source.parts.split.parts()[part]))
    return held


def _labelled(source: EcgDataModule) -> NDArray[np.bool_]:
    targets = source.label_rule.targets(source.store.column("codes").tolist())
    return np.asarray((np.nan_to_num(targets) > 0).any(axis=1))


def _selected(source: EcgDataModule) -> Rows:
    if source.query is None:
        return np.arange(len(source.store))
    return np.flatnonzero(select(source.store.records, source.query))
