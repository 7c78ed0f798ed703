"""Settings of a datamodule that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.limits import RECORDS, SEED, require

SplitKind = Literal["auto", "official", "patient", "paper"]
SubsetKind = Literal["stratified", "first"]


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
        seed: Of the drawn split and of the training subset.
        train_records: Keep only about that many training records (whole patients); all if None. Smaller
            subsets are contained in larger ones of the same seed.
        subset: How they are chosen: `stratified`, or the `first` ones in the split's order, as the paper.

    Raises:
        SettingError: If the seed or the number of records is none.
    """

    kind: SplitKind = "auto"
    validation_folds: tuple[int, ...] = ()
    test_folds: tuple[int, ...] = ()
    stratify: bool = False
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0
    train_records: int | None = None
    subset: SubsetKind = "stratified"

    def __post_init__(self) -> None:
        require(SEED, self.seed, "split.seed", remedy="Correct the setting.")
        if self.train_records is not None:
            require(RECORDS, self.train_records, "split.train_records", remedy="Correct the setting.")
