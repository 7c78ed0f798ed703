"""Which records train, which choose the model, which test it: official folds, by patient, the paper's way.

Everywhere, rows are positions in the table that was given; `Split.at` turns them into rows of the table that
it was taken from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datasets.identifiers import look_alike_key
from ecg_tl.errors import SettingError
from ecg_tl.stratification import assign_groups, group_counts, spread_order

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Three sets of rows.

    Attributes:
        train: Rows to train on.
        validation: Rows that choose checkpoint, thresholds and temperature.
        test: Rows to report on.
        selects_on_test: Whether validation and test are the same rows, as in the paper's protocol. Scores of
            such a split are too good, and have to be marked.

    Raises:
        SettingError: If a part is empty, or a row is in two parts or twice in one.
    """

    train: Rows
    validation: Rows
    test: Rows
    selects_on_test: bool = False

    def __post_init__(self) -> None:
        for name, rows in self.parts().items():
            object.__setattr__(self, name, np.asarray(rows, dtype=np.int64))
            if len(rows) == 0:
                raise SettingError(
                    f"{name} part of the split",
                    "no records",
                    "at least one",
                    "Change the folds or fractions, or use more records.",
                )
        if self.selects_on_test and not np.array_equal(self.validation, self.test):
            raise SettingError("split", "two sets", "validation on the test set", "Unset `selects_on_test`.")
        separate = (
            [self.train, self.test] if self.selects_on_test else [self.train, self.validation, self.test]
        )
        together = np.concatenate(separate)
        if len(np.unique(together)) < len(together):
            raise SettingError("split", "rows in two parts", "each row in one", "Correct the split.")

    def parts(self) -> dict[str, Rows]:
        """Return the three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def at(self, rows: Rows) -> Split:
        """Translate positions in a selection into rows of the whole: row `i` becomes `rows[i]`."""
        return replace(self, train=rows[self.train], validation=rows[self.validation], test=rows[self.test])


@dataclass(frozen=True)
class Leaks:
    """Records that were removed because a part that judges holds the same recording.

    Attributes:
        train: Rows removed from training.
        validation: Rows removed from validation.
    """

    train: int
    validation: int


def split_hash(split: Split, record_ids: Sequence[str]) -> str:
    """Return a SHA-256 over each part's record ids, whatever their order: 64 hex digits.

    Equal hashes mean that two runs trained, chose and tested on the same records.

    Args:
        split: Its rows index `record_ids`.
        record_ids: Of all records.
    """
    digest = sha256()
    for name, rows in split.parts().items():
        ids = sorted(str(record_ids[row]) for row in rows)
        # Lengths first, so that no id can pose as the end of another.
        digest.update(f"{name}:{len(ids)}\n".encode())
        for record_id in ids:
            encoded = record_id.encode("utf-8", "surrogateescape")
            digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def check_patients(split: Split, patient_ids: Sequence[Hashable]) -> None:
    """Check that no patient is in two parts; patients that are not known (None, NaN) are each on their own.

    Patients whose identifiers look alike (`P7` and `p7`, `007` and `7`) may be one, and must be in one part.

    Raises:
        SettingError: If one is.
    """
    sets = _known_patients(split, patient_ids)
    for one, other in combinations(sets, 2):
        if split.selects_on_test and (one, other) == ("validation", "test"):
            continue
        shared = sorted(
            " = ".join(sorted(sets[one][key] | sets[other][key]))
            for key in sets[one].keys() & sets[other].keys()
        )
        if shared:
            alike = any(" = " in names for names in shared)
            raise SettingError(
                "split",
                f"{len(shared)} patient(s) in both {one} and {other}: {', '.join(shared[:5])}",
                "each patient in one part",
                "Split by patient, or correct the folds."
                + (
                    " If they are different patients, give them names that differ in more than spelling."
                    * alike
                ),
            )


def patients_trained_and_tested(split: Split, patient_ids: Sequence[Hashable]) -> int:
    """Count the known patients that a split by record put into training and test alike."""
    sets = _known_patients(split, patient_ids)
    return len(sets["train"].keys() & sets["test"].keys())


def _known_patients(split: Split, patient_ids: Sequence[Hashable]) -> dict[str, dict[str, set[str]]]:
    """Return the known patients of each part: by `look_alike_key`, the ways in which each is written."""
    patients: dict[str, dict[str, set[str]]] = {}
    for name, rows in split.parts().items():
        spellings = patients.setdefault(name, {})
        for row in rows:
            if not _is_unknown(patient_ids[row]):
                spellings.setdefault(look_alike_key(patient_ids[row]), set()).add(str(patient_ids[row]))
    return patients


def official_folds(
    records: pd.DataFrame, validation_folds: Iterable[int], test_folds: Iterable[int]
) -> Split:
    """Split by the folds that the dataset publishes; whatever is in neither list trains.

    PTB-XL recommends fold 9 to validate and fold 10 to test (Wagner et al., Scientific Data 7, 154, 2020).

    Args:
        records: A record table with the column `fold`.
        validation_folds: Folds that choose the model.
        test_folds: Folds that test it.

    Raises:
        SettingError: If a record has no fold, a fold is in both lists or does not occur, or a part is empty.
    """
    validation, test = set(validation_folds), set(test_folds)
    folds = pd.to_numeric(records["fold"].astype(object), errors="coerce").to_numpy(dtype=float)
    without = int(np.isnan(folds).sum())
    if without:
        raise SettingError(
            "official folds",
            f"{without} of {len(records)} records without a fold",
            "a fold for every record",
            "Split by patient instead.",
        )
    if validation & test:
        raise SettingError(
            "folds",
            f"fold {min(validation & test)} to validate and to test",
            "separate folds",
            "Correct the folds.",
        )
    absent = (validation | test) - set(folds.tolist())
    if absent:
        there = ", ".join(f"{fold:g}" for fold in np.unique(folds))
        raise SettingError(
            "folds",
            f"fold(s) {', '.join(map(str, sorted(absent)))}",
            f"some of {there}",
            "Correct the folds.",
        )
    in_validation, in_test = np.isin(folds, list(validation)), np.isin(folds, list(test))
    return Split(
        train=np.flatnonzero(~in_validation & ~in_test),
        validation=np.flatnonzero(in_validation),
        test=np.flatnonzero(in_test),
    )


def patient_split(
    targets: NDArray[np.floating],
    patient_ids: Sequence[Hashable],
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Split:
    """Split by patient so that every class has the same share in each part, as far as patients allow.

    Args:
        targets: `(records, classes)` of zeros and ones.
        patient_ids: Of each record; unknown ones (None, NaN) are each a patient of their own.
        fractions: Shares of records to train, validate and test; together 1.
        seed: The same seed gives the same split.

    Raises:
        SettingError: If the fractions are not three shares of 1, or there are fewer than three patients.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SettingError(
            "fractions",
            str(tuple(fractions)),
            "three positive shares that add up to 1",
            "Correct the fractions.",
        )
    groups = patient_groups(patient_ids)
    patients = int(groups.max(initial=-1)) + 1
    if patients < 3:
        raise SettingError(
            "split by patient",
            f"{patients} patient(s)",
            "three at least",
            "Use more records or another split.",
        )
    sizes, positives = group_counts(targets, groups)
    part_of = assign_groups(sizes, positives, fractions, np.random.default_rng(seed))[groups]
    train, validation, test = (np.flatnonzero(part_of == part) for part in range(3))
    return Split(train, validation, test)


def patient_fold(
    targets: NDArray[np.floating],
    patient_ids: Sequence[Hashable],
    folds: int,
    fold: int,
    seed: int = 0,
) -> Split:
    """Divide the patients into folds with the same label mix; one tests, the next validates, the rest trains.

    Over all folds of one seed each patient is tested once, and validates once.

    Args:
        targets: `(records, classes)` of zeros and ones.
        patient_ids: Of each record; unknown ones (None, NaN) are each a patient of their own.
        folds: How many, three at least.
        fold: Which of them tests, from 0.
        seed: The same seed gives the same folds.

    Raises:
        SettingError: If there are fewer patients than folds.
    """
    groups = patient_groups(patient_ids)
    patients = int(groups.max(initial=-1)) + 1
    if patients < folds:
        raise SettingError(
            "split.folds",
            f"{folds} folds of {patients} patient(s)",
            "a patient for each fold at least",
            "Use more records or fewer folds.",
        )
    sizes, positives = group_counts(targets, groups)
    fold_of = assign_groups(sizes, positives, [1 / folds] * folds, np.random.default_rng(seed))[groups]
    tests, validates = fold_of == fold, fold_of == (fold + 1) % folds
    return Split(np.flatnonzero(~tests & ~validates), np.flatnonzero(validates), np.flatnonzero(tests))


def paper_split(records: int, stratify: NDArray[Any] | None = None) -> Split:
    """Split 67/33 by record, and choose the model on the test set: the protocol of arXiv 2402.02021.

    It is scikit-learn's `train_test_split(test_size=0.33, random_state=1)`, in that function's order, on
    which `first_subset` builds. Patients with several records are on both sides. Kept to reproduce the paper
    only.

    Args:
        records: How many there are.
        stratify: None, or targets `(records, classes)`; combinations of classes that occur once are put
            together, since scikit-learn refuses them.

    Raises:
        SettingError: If there are too few records.
    """
    from sklearn.model_selection import train_test_split  # half a second to import, for this split alone

    strata = None if stratify is None else _strata(np.asarray(stratify))
    try:
        train, test = train_test_split(np.arange(records), test_size=0.33, random_state=1, stratify=strata)
    except ValueError as error:
        raise SettingError("paper split", str(error), "more records", "Use another split.") from error
    return Split(train=train, validation=test, test=test, selects_on_test=True)


def training_subset(
    split: Split, targets: NDArray[np.floating], patient_ids: Sequence[Hashable], size: int, seed: int = 0
) -> Split:
    """Keep `size` training records with the label mix of all; validation and test stay as they are.

    Nested: with the same split and seed a smaller subset is part of every larger one. Patients are taken
    whole, but for the last one where the size falls among its records.

    Args:
        split: Its rows index `targets` and `patient_ids`.
        targets: `(records, classes)` of zeros and ones, of all records.
        patient_ids: Of all records.
        size: How many training records to keep.
        seed: Another seed takes other records.

    Raises:
        SettingError: If there are not that many.
    """
    _check_size(size, split)
    rows = np.sort(split.train)
    groups = patient_groups([patient_ids[row] for row in rows])
    sizes, positives = group_counts(targets[rows], groups)
    rank = np.empty(len(positives), dtype=np.int64)
    rank[spread_order(sizes, positives, np.random.default_rng(seed))] = np.arange(len(positives))
    taken = np.argsort(rank[groups], kind="stable")[:size]
    return replace(split, train=np.sort(rows[taken]))


def first_subset(split: Split, size: int) -> Split:
    """Keep the first `size` training rows, in the split's own order: the paper's sweep over sizes.

    Raises:
        SettingError: If there are not that many.
    """
    return replace(split, train=split.train[: _check_size(size, split)])


def remove_leaks(split: Split, recordings: Sequence[Hashable]) -> tuple[Split, Leaks]:
    """Remove rows whose recording is in a part that judges them.

    Datasets publish some recordings twice, under other ids and even other patients (PTB-XL's 145 and 463, in
    two folds). The test set stays as it is; validation loses what is in test, training what is in either.

    Args:
        split: Its rows index `recordings`.
        recordings: What is the same for rows of the same recording, of all records: `first_row` of a store's
            table.

    Raises:
        SettingError: If nothing is left of a part.
    """
    keys = np.empty(len(recordings), dtype=object)
    keys[:] = recordings
    in_test = set(keys[split.test])
    judged = in_test | set(keys[split.validation])
    train = split.train[[keys[row] not in judged for row in split.train]]
    validation = split.validation
    if not split.selects_on_test:
        validation = validation[[keys[row] not in in_test for row in validation]]
    leaks = Leaks(len(split.train) - len(train), len(split.validation) - len(validation))
    return replace(split, train=train, validation=validation), leaks


def patient_groups(patient_ids: Sequence[Hashable]) -> Rows:
    """Number the patients from 0 in order of appearance; an unknown one (None, NaN) is a patient of its own.

    Identifiers that look alike are one patient here, so that a split cannot divide it.

    Returns:
        The number of each record's patient.
    """
    numbers: dict[Hashable, int] = {}
    return np.fromiter(
        (
            numbers.setdefault(
                ("unknown", row) if _is_unknown(patient) else ("known", look_alike_key(patient)), len(numbers)
            )
            for row, patient in enumerate(patient_ids)
        ),
        dtype=np.int64,
        count=len(patient_ids),
    )


def _is_unknown(patient: Hashable) -> bool:
    return patient is None or patient is pd.NA or patient != patient


def _strata(targets: NDArray[Any]) -> Rows:
    """Number the combinations of classes, with those that occur once as one."""
    rows = np.nan_to_num(targets.reshape(len(targets), -1), nan=-1)  # no answer is equal to no answer
    _, combination, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    strata = combination.reshape(-1).astype(np.int64)
    rare = counts[strata] < 2
    if rare.any():
        # A single record alone joins the commonest combination.
        strata[rare] = len(counts) if rare.sum() > 1 else int(np.argmax(counts))
    return strata


def _check_size(size: int, split: Split) -> int:
    if not 1 <= size <= len(split.train):
        raise SettingError(
            "size of the training subset",
            str(size),
            f"1 to {len(split.train)}",
            "Choose a size in this range.",
        )
    return size
