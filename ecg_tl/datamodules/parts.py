"""Which records train, validate and test, and what was left out on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datamodules.query import select
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets.base import UNANSWERED, LabelRule
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.splits import (
    Leaks,
    Split,
    check_patients,
    first_subset,
    official_folds,
    paper_split,
    patient_fold,
    patient_split,
    patients_trained_and_tested,
    remove_leaks,
    split_hash,
    training_subset,
)

CLASSES_SHOWN = 12
"""More are not listed with their counts in a log; results have all."""


@dataclass(frozen=True)
class Parts:
    """A store's records, labelled and divided.

    Attributes:
        split: Rows of each part.
        targets: `float32 (records, classes)` for every stored row; NaN where a question was not answered.
        record_ids: Of every stored row.
        kind: The split's kind: `official`, `patient` or `paper`.
        hash: Of the parts' record ids: equal for equal splits.
        selected: Rows that the query keeps; all without one.
        unlabelled: How many of these have answers, and none of the classes.
        unlabelled_dropped: Whether those were left out.
        leaks: Training and validation records removed, as a part that judges holds the same recording.
        patients_unknown: Selected records that do not say whose they are, in a table that says it of others;
            each counts as a patient of its own.
        patients_shared: Patients that are trained and tested on; only the `paper` split has any.
        class_names: Of the targets' columns.
        unanswered: Selected records without an answer to any class; they are in no part.
        single_choice: Whether each record has one of the classes and no other.
    """

    split: Split
    targets: NDArray[np.float32]
    record_ids: NDArray[np.object_]
    kind: str
    hash: str
    selected: NDArray[np.int64]
    unlabelled: int
    unlabelled_dropped: bool
    leaks: Leaks
    patients_shared: int
    class_names: tuple[str, ...]
    patients_unknown: int = 0
    unanswered: int = 0
    single_choice: bool = False

    @cached_property
    def answers(self) -> dict[str, NDArray[np.int64]] | None:
        """How many records of each part have an answer, `(classes,)`; None where all have all."""
        counts = {part: (~np.isnan(self.targets[rows])).sum(axis=0) for part, rows in self._part_rows()}
        whole = all((counts[part] == len(rows)).all() for part, rows in self._part_rows())
        return None if whole else counts

    def _part_rows(self) -> Iterable[tuple[str, NDArray[np.int64]]]:
        return self.split.parts().items()

    @property
    def filtered(self) -> int:
        """How many records the query left out."""
        return len(self.record_ids) - len(self.selected)

    def summary(self) -> list[str]:
        """Say it in lines for a log."""
        sizes = ", ".join(f"{len(rows)} {part}" for part, rows in self.split.parts().items())
        lines = [f"{sizes} records ({self.kind} split {self.hash[:12]})"]
        lines.append(f"positives in {', '.join(self.split.parts())}: {self._positives()}")
        if self.patients_unknown:
            lines.append(f"{self.patients_unknown} records do not say whose they are: a patient each")
        if self.filtered:
            lines.append(f"{self.filtered} records left out by the query")
        if self.unanswered:
            without = "none of the classes, or no answer" if self.single_choice else "no answer to any class"
            lines.append(f"{self.unanswered} records have {without}: left out")
        lines += [f"no answer in {part}: {', '.join(names)}" for part, names in self.without_answer().items()]
        if self.unlabelled:
            what = "left out" if self.unlabelled_dropped else "kept as all-zero rows"
            lines.append(f"{self.unlabelled} records have none of the classes: {what}")
        if self.leaks.train or self.leaks.validation:
            lines.append(
                f"{self.leaks.train} training and {self.leaks.validation} validation records removed: "
                "the same recording is validated or tested on"
            )
        if self.split.selects_on_test:
            lines.append("validation is the test set (protocol `paper`): scores select on test data")
        return lines

    def _positives(self) -> str:
        """Name every class with its positives in each part; of many classes the first."""
        counts = np.stack([self._support(rows) for _, rows in self._part_rows()], axis=1).tolist()
        listed = [
            f"{name} {'/'.join(map(str, column))}"
            for name, column in zip(self.class_names, counts, strict=True)
        ]
        if self.answers is not None:
            answers = np.stack(list(self.answers.values()), axis=1).tolist()
            listed = [
                f"{one} of {'/'.join(map(str, column))}" for one, column in zip(listed, answers, strict=True)
            ]
        rest = len(listed) - CLASSES_SHOWN
        return ", ".join(listed[:CLASSES_SHOWN]) + (f" and {rest} classes more" if rest > 0 else "")

    def _support(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count each class's positives among rows."""
        return np.asarray(np.nansum(self.targets[rows], axis=0).astype(np.int64))

    def without_answer(self) -> dict[str, list[str]]:
        """Name the classes that no record of a part has an answer to, by part; parts without any are not in.

        Such a class is not trained there, gets no threshold, or no score.
        """
        found = {
            part: [name for name, count in zip(self.class_names, counts, strict=True) if not count]
            for part, counts in (self.answers or {}).items()
        }
        return {part: names for part, names in found.items() if names}

    def describe(self) -> dict[str, Any]:
        """Give the same in primitives, for checkpoints and results."""
        answers = self.answers
        masked: dict[str, Any] = (  # with all answers there, nothing: what it was before there were others
            {}
            if answers is None and not self.unanswered
            else {
                "answered": {
                    part: dict(zip(self.class_names, counts.tolist(), strict=True))
                    for part, counts in (answers or {}).items()
                },
                "unanswered": self.unanswered,
            }
        )
        return {
            "split": self.kind,
            "split_hash": self.hash,
            "selects_on_test": self.split.selects_on_test,
            "records": {part: len(rows) for part, rows in self.split.parts().items()},
            "support": {
                part: dict(zip(self.class_names, self._support(rows).tolist(), strict=True))
                for part, rows in self._part_rows()
            },
            "filtered": self.filtered,
            "unlabelled": self.unlabelled,
            "unlabelled_dropped": self.unlabelled_dropped,
            "leaks_removed": {"train": self.leaks.train, "validation": self.leaks.validation},
            "patients_shared": self.patients_shared,
            **masked,
        }


DIVIDED_BY = ("record_id", "patient_id", "fold", "codes", UNANSWERED, "first_row")
"""Columns of a record table that `divide` reads, those of its query beside them."""


def divide(
    records: pd.DataFrame,
    rule: LabelRule,
    settings: SplitSettings,
    *,
    query: str | None = None,
    drop_unlabelled: bool,
    single_choice: bool = False,
    where: Path,
) -> Parts:
    """Label a store's records and divide them.

    Args:
        records: A store's table, or its columns `DIVIDED_BY` where there is no query.
        rule: Turns codes into targets.
        settings: How to divide.
        query: Which records there are at all; see `ecg_tl.datamodules.query`.
        drop_unlabelled: Whether records without any class are left out.
        single_choice: Whether each record has one of the classes and no other; those with none are left out.
        where: The store, for errors.

    Raises:
        DatasetError: If no record has any of the classes, or one has several of which it should have one.
        SettingError: If the query cannot be answered or keeps nothing, or the split cannot be made (folds
            that do not exist, a part without records).
    """
    targets = rule.targets_of(records)
    kept = np.ones(len(records), dtype=bool) if query is None else select(records, query)
    if single_choice:
        targets = _choices(targets, records, rule, kept, where)
    labelled: NDArray[np.bool_] = np.asarray((targets > 0).any(axis=1))
    answered: NDArray[np.bool_] = np.asarray(~np.isnan(targets).all(axis=1))
    if not labelled[kept].any():
        raise DatasetError(
            where,
            f"none of the {kept.sum()} records labelled",
            f"some of the classes {', '.join(rule.class_names)}",
            "Check the task and the files' codes.",
        )
    selected = np.flatnonzero(kept)
    usable = np.flatnonzero(kept & (labelled if drop_unlabelled else answered))
    patients = records["patient_id"].tolist()
    kind, split = _split(records.iloc[usable], targets[usable], settings, where)
    split, leaks = split.at(usable), Leaks(0, 0)
    if kind != "paper":  # which is repeated with its faults
        check_patients(split, patients)
        split, leaks = remove_leaks(split, records["first_row"].tolist())
    if settings.train_records is not None:
        split = (
            first_subset(split, settings.train_records)
            if settings.subset == "first"
            else training_subset(split, targets, patients, settings.train_records, settings.seed)
        )
    record_ids = records["record_id"].to_numpy()
    return Parts(
        split=split,
        targets=targets,
        record_ids=record_ids,
        kind=kind,
        hash=split_hash(split, record_ids.tolist()),
        selected=selected,
        unlabelled=int((answered & ~labelled)[kept].sum()),
        unanswered=int((~answered[kept]).sum()),
        unlabelled_dropped=drop_unlabelled,
        leaks=leaks,
        patients_shared=patients_trained_and_tested(split, patients),
        class_names=rule.class_names,
        patients_unknown=_unknown_patients(patients, selected),
        single_choice=single_choice,
    )


def _choices(
    targets: NDArray[np.float32],
    records: pd.DataFrame,
    rule: LabelRule,
    kept: NDArray[np.bool_],
    where: Path,
) -> NDArray[np.float32]:
    """Make each record's answers those of one question: its one class, or no answer at all.

    A record that has its class has all answers, those that are missing among them; one without a class has
    none, even if all but one class are ruled out.

    Raises:
        DatasetError: If a record that is kept has several classes.
    """
    if len(rule.classes) < 2:
        raise DatasetError(
            where,
            f"{len(rule.classes)} class ({', '.join(rule.class_names)})",
            "several, of which each record has one (single_choice)",
            "Leave single_choice out, or name a class for the records without this one.",
        )
    has = targets > 0
    number = has.sum(axis=1)
    several = np.flatnonzero(kept & (number > 1))
    if len(several):
        first = int(several[0])
        name_of_first = records["record_id"].iloc[first]
        both = " and ".join(name for name, one in zip(rule.class_names, has[first], strict=True) if one)
        raise DatasetError(
            where,
            f"{len(several)} record(s) with several classes; the first, {name_of_first}: {both}",
            "one of the classes in each record (single_choice)",
            "Correct the labels, leave these records out by `query`, or leave single_choice out.",
        )
    return np.where((number == 1)[:, None], has, np.nan).astype(np.float32)


def _unknown_patients(patients: Sequence[str | None], selected: NDArray[np.int64]) -> int:
    """Count the selected records without a patient; a dataset that never says it is not counted."""
    unknown = sum(patients[row] is None for row in selected)
    return 0 if unknown == len(selected) else unknown


def _split(
    records: pd.DataFrame, targets: NDArray[np.float32], settings: SplitSettings, where: Path
) -> tuple[str, Split]:
    """Divide the given records; returns the kind that was meant, and positions among them."""
    if settings.kind == "paper":
        return "paper", paper_split(len(records), targets if settings.stratify else None)
    if settings.folds:
        own = records["patient_id"].tolist()
        return "patient", patient_fold(targets, own, settings.folds, settings.fold, settings.seed)
    has_folds = bool(records["fold"].notna().all())
    if settings.kind == "official" or (settings.kind == "auto" and has_folds):
        if not has_folds:
            raise SettingError(
                "split.kind",
                f"official, but the records of {where} carry no folds",
                "a dataset that publishes folds",
                "Use `patient`.",
            )
        folds = sorted({int(fold) for fold in records["fold"]})
        validation = settings.validation_folds or tuple(folds[-2:-1])
        test = settings.test_folds or tuple(folds[-1:])
        return "official", official_folds(records, validation, test)
    patients = records["patient_id"].tolist()
    return "patient", patient_split(targets, patients, settings.fractions, settings.seed)
