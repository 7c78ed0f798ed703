"""What a layout is: whose records are simulated, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg_tl.synthesis.cohort import Case, PatientGroup

ONE_RECORD = (1.0,)


@dataclass(frozen=True)
class Layout:
    """One dataset's records as they are simulated and laid out on disk.

    Attributes:
        groups: The patients, by what they came for.
        write: Writes the cases into a folder, with the tables that name them; yields after each record, and
            is finished when it is exhausted.
        records_per_patient: Probabilities that a patient has 1, 2, ... records.
    """

    groups: Mapping[str, PatientGroup]
    write: Callable[[Path, Sequence[Case]], Iterator[None]]
    records_per_patient: tuple[float, ...] = ONE_RECORD
