"""Settings of a datamodule that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.errors import SettingError
from ecg_tl.limits import RECORDS, SEED, Limit, require

SplitKind = Literal["auto", "official", "patient", "paper"]
SubsetKind = Literal["stratified", "first"]

MOST_FOLDS = 100
_FOLDS = Limit("folds", 0, MOST_FOLDS, whole=True)


@dataclass(frozen=True)
class SplitSettings:
    """How records are divided into training, validation and test.

    Attributes:
        kind: `official` uses the folds that the dataset publishes; `patient` draws a stratified split where
            no patient is in two parts; `paper` repeats the study's 67/33 split by record, in which validation
            *is* the test set; `auto` is `official` where there are folds, else `patient`.
        validation_folds: Under `official`; the last but one fold if empty.
        test_folds: Under `official`; the last fold if empty.
        stratify: Under `paper`, whether the split keeps the label mix, as it did for CPSC2018 only.
        fractions: Of training, validation and test under `patient`.
        folds: Under `patient`, divide the patients into so many folds in place of `fractions`, three at
            least: `fold` tests, the next one validates, the rest trains. 0 for fractions.
        fold: Which fold tests, from 0.
        seed: Of the drawn split and of the training subset.
        train_records: Keep only about that many training records (whole patients); all if None. Smaller
            subsets are contained in larger ones of the same seed.
        subset: How they are chosen: `stratified`, or the `first` ones in the split's order, as the paper.

    Raises:
        SettingError: If the seed, the number of records, or the fold is none.
    """

    kind: SplitKind = "auto"
    validation_folds: tuple[int, ...] = ()
    test_folds: tuple[int, ...] = ()
    stratify: bool = False
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0
    train_records: int | None = None
    subset: SubsetKind = "stratified"
    folds: int = 0
    fold: int = 0

    def __post_init__(self) -> None:
        require(SEED, self.seed, "split.seed", remedy="Correct the setting.")
        for name in ("folds", "fold"):
            require(_FOLDS, getattr(self, name), f"split.{name}", remedy="Correct the setting.")
        if self.folds and not 3 <= self.folds <= MOST_FOLDS:
            raise SettingError(
                "split.folds", str(self.folds), f"0, or 3 to {MOST_FOLDS}", "Correct the setting."
            )
        if not 0 <= self.fold < max(self.folds, 1):
            raise SettingError(
                "split.fold", str(self.fold), f"0 to {max(self.folds, 1) - 1}", "Correct the setting."
            )
        if self.folds and self.kind in ("official", "paper"):
            raise SettingError(
                "split.folds",
                f"{self.folds} of a split of the kind {self.kind}",
                "the kind `patient`",
                "Set `split.kind: patient`, or leave the folds out.",
            )
        if self.train_records is not None:
            require(RECORDS, self.train_records, "split.train_records", remedy="Correct the setting.")
