"""What a network said of the validation records after each validation of a training, in one file.

Everything that a training chooses on validation records follows from this file: thresholds and temperature
(`ecg_tl.calibration.calibrate`), the monitored score (`ecg_tl.metrics.multilabel_scores`), and so the epoch.
Logits are kept, not probabilities, because the temperature divides logits; in single precision, in which
they are scored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import StoreError
from ecg_tl.files import written_whole
from ecg_tl.limits import ARCHIVE_FAULTS

VALIDATION_FILE = "validation.npz"

_FAULTS: tuple[type[Exception], ...] = (OSError, *ARCHIVE_FAULTS)


@dataclass(frozen=True, eq=False)
class ValidationPredictions:
    """The validations of one training, in their order.

    Attributes:
        epochs: `int64 (validations,)`, counted from 1: within which epoch each was.
        steps: `int64 (validations,)`: optimizer steps before it, as in `metrics.csv`.
        record_ids: `(records,)`, as published.
        patient_ids: `(records,)`; empty where the patient is not known.
        class_names: `(classes,)`.
        targets: `float32 (records, classes)`.
        logits: `float32 (validations, records, classes)`.
    """

    epochs: NDArray[np.int64]
    steps: NDArray[np.int64]
    record_ids: NDArray[np.str_]
    patient_ids: NDArray[np.str_]
    class_names: NDArray[np.str_]
    targets: NDArray[np.float32]
    logits: NDArray[np.float32]

    def digests(self) -> list[str]:
        """Return a SHA-256 of each validation with what it is about."""
        of_all = sha256()
        for shared in (self.record_ids, self.patient_ids, self.class_names, self.targets):
            of_all.update(f"{shared.dtype.str} {shared.shape} ".encode() + shared.tobytes())
        digests = []
        for epoch, step, logits in zip(self.epochs, self.steps, self.logits, strict=True):
            one = of_all.copy()
            one.update(f"{epoch} {step} ".encode() + logits.tobytes())
            digests.append(one.hexdigest())
        return digests

    def first(self, number: int) -> ValidationPredictions:
        """Return the first validations."""
        return replace(
            self, epochs=self.epochs[:number], steps=self.steps[:number], logits=self.logits[:number]
        )

    def followed_by(self, other: ValidationPredictions) -> ValidationPredictions:
        """Add validations of the same records."""
        return replace(
            other,
            epochs=np.concatenate([self.epochs, other.epochs]),
            steps=np.concatenate([self.steps, other.steps]),
            logits=np.concatenate([self.logits, other.logits]),
        )

    def write(self, path: Path) -> None:
        """Write a NumPy archive with an array for each attribute; see `written_whole`."""
        with written_whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))


def read_validation(path: str | Path) -> ValidationPredictions:
    """Read what a training has written.

    Raises:
        StoreError: If the file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
            if strange := [name for name, array in held.items() if not isinstance(array, np.ndarray)]:
                raise ValueError(f"{strange[0]}, which is no array")
            read = ValidationPredictions(**held)
    except _FAULTS as error:
        raise _damaged(Path(path), " ".join(str(error).split())) from error
    shape = (len(read.epochs), len(read.record_ids), len(read.class_names))
    if read.logits.shape != shape or read.targets.shape != shape[1:]:
        raise _damaged(Path(path), f"logits {read.logits.shape} and targets {read.targets.shape}")
    return read


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(
        path,
        found,
        "validation predictions that a training has written",
        "Train again, or do without what is computed from them.",
    )
