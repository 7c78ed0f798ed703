"""What to do for one downstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecg_tl.statistics.intervals import Interval


@dataclass(frozen=True)
class Candidate:
    """What could be recommended for a downstream.

    Attributes:
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it; None for scratch.
        validation: Mean over the seeds of the validation score that the choice is made by.
        test: Mean macro AUROC on the test set; never used to choose.
        chosen: Whether it is the recommended one.
        best_scratch: Whether it is the best of scratch by validation, which the gain is measured against.
    """

    network: str
    arm: str
    upstream: str | None
    validation: float
    test: float | None
    chosen: bool
    best_scratch: bool


@dataclass(frozen=True)
class Answer:
    """What to do for one downstream, at the default of all axes and its largest training size.

    The configuration is chosen on validation scores alone; its gain over the scratch configuration that
    validation scores prefer is then measured on the test set.

    Attributes:
        downstream: Name of it.
        action: `fine-tune`, `scratch`, or `either` where no difference could be shown.
        headline: The answer in one sentence, without the numbers of `effect`.
        explanation: One to three sentences with the numbers.
        network: Of what is recommended.
        arm: Of what is recommended.
        upstream: Of what is recommended; None for scratch.
        scratch_network: Of the scratch training that it is compared with.
        effect: Macro AUROC of the best pretrained candidate less that of the best scratch candidate, both
            chosen on validation scores.
        p_holm: Of `effect`, corrected for the number of downstreams.
        score: Macro AUROC of what is recommended, on the test set.
        certainty: `sure`, `likely` or `not sure`.
        train_records: Training records of this downstream.
        patients: Test patients.
        caveats: Sentences.
        candidates: All, best validation score first.
    """

    downstream: str
    action: Literal["fine-tune", "scratch", "either"]
    headline: str
    explanation: str
    network: str
    arm: str
    upstream: str | None
    scratch_network: str
    effect: Interval
    p_holm: float | None
    score: Interval
    certainty: Literal["sure", "likely", "not sure"]
    train_records: int
    patients: int
    caveats: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
