"""What a checkpoint says about itself, under its key `ecg_tl`, in primitives."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from ecg_tl.acceleration import MOST_THREADS
from ecg_tl.checkpoints.names import LAST
from ecg_tl.errors import CheckpointError
from ecg_tl.limits import fits_type, shown

FORMAT = 1
"""Raised when an older reader could no longer make sense of the description."""

WITH_CHAIN = 2
"""Of one whose signals go through a chain: a reader that knows none would give the network other signals."""

WITH_CHOICE = 3
"""Of one that chooses one of its classes: a reader that knows no such thing would decide each by itself."""

READ = (FORMAT, WITH_CHAIN, WITH_CHOICE)
"""Formats that this version reads."""

THREADS = "threads"
"""A checkpoint's key: with how many threads a process it was trained."""

_MUST_AGREE = (
    "class_names",
    "leads",
    "sampling_rate",
    "num_samples",
    "units",
    "normalization",
    "preprocessing",
    "single_choice",
)


@dataclass(frozen=True)
class CheckpointDescription:
    """Everything but weights.

    Attributes:
        versions: Of the packages that decide the numbers.
        class_names: In the order of the logits.
        data: What it was trained on: `EcgDataModule.describe()`.
        calibration: Thresholds, which of them were tuned, temperature or why there is none.
        transfer: Report of the transfer that it began with, if any.
        format: Of this description.
    """

    versions: dict[str, str]
    class_names: tuple[str, ...]
    data: dict[str, Any] | None
    calibration: dict[str, Any] | None
    transfer: dict[str, Any] | None
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives."""
        # What is read out of a file may be anything.
        data = self.data if isinstance(self.data, Mapping) else {}
        format = WITH_CHAIN if data.get("preprocessing") is not None else FORMAT
        format = WITH_CHOICE if data.get("single_choice") else format
        return asdict(self) | {"class_names": list(self.class_names), "format": format}


def describe_versions() -> dict[str, str]:
    """Name the versions of Python and of the packages that decide the numbers."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **dict(_installed())}


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    # Read from the disk once: each epoch's checkpoint says it.
    packages = ("ecg-tl", "torch", "lightning", "torchmetrics", "numpy", "scipy")
    return tuple((name, version(name)) for name in packages)


def read_description(checkpoint: Mapping[str, Any], where: object) -> CheckpointDescription:
    """Read a checkpoint's description of itself.

    Args:
        checkpoint: As loaded.
        where: Its file, for errors.

    Raises:
        CheckpointError: If there is none, or it is of a later format.
    """
    description = checkpoint.get("ecg_tl")
    if not isinstance(description, Mapping):
        raise CheckpointError(
            where, "no description of itself", "a checkpoint written by ecg_tl", "Give one of this project's."
        )
    if description.get("format") not in READ:
        raise CheckpointError(
            where,
            f"a description of format {description.get('format')}",
            f"a format up to {READ[-1]}",
            "Use the version of ecg_tl that wrote it.",
        )
    try:
        if not fits_type(description["class_names"], list[str]):
            raise TypeError(f"class_names {shown(description['class_names'])}")
        return CheckpointDescription(**{**description, "class_names": tuple(description["class_names"])})
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            where, f"a malformed description ({error})", "one written by ecg_tl", "Give an intact checkpoint."
        ) from error


def threads_of(checkpoint: Mapping[str, Any]) -> int | None:
    """Return with how many threads a process a checkpoint was trained; None if it does not say."""
    threads = checkpoint.get(THREADS)
    known = isinstance(threads, int) and not isinstance(threads, bool) and 1 <= threads <= MOST_THREADS
    return threads if known else None


def require_epoch_end(checkpoint: Mapping[str, Any], where: object, *, validated_is_enough: bool) -> None:
    """Refuse to go on from the middle of an epoch: which of its records are left is not known.

    Args:
        checkpoint: As loaded.
        where: Its file, for the error.
        validated_is_enough: Whether the validation at the epoch's end will do, after which the weights are
            those of the epoch, but its row of scores is not written.

    Raises:
        CheckpointError: If it is of the middle of one.
    """
    try:
        loop = checkpoint["loops"]["fit_loop"]
        epoch, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]
        over = epoch["processed"] == epoch["ready"]
        validated = (
            batches["is_last_batch"] and batches["current"]["completed"] == batches["current"]["ready"]
        )
    except (KeyError, TypeError):  # no checkpoint of a training; Lightning says what is missing
        return
    if not (over or (validated_is_enough and validated)):
        raise CheckpointError(
            where,
            f"a checkpoint of the middle of epoch {epoch['ready']}",
            "one of an epoch's end: which records of the epoch are left is not known",
            f"Go on from the run's `{LAST}`.",
        )


def check_fits(
    trained_on: Mapping[str, Any], at_hand: Mapping[str, Any], where: object = "checkpoint"
) -> None:
    """Refuse data that a checkpoint was not made for.

    Args:
        trained_on: The `data` of its description.
        at_hand: `EcgDataModule.describe()` of the data at hand.
        where: The checkpoint, for the error.

    Raises:
        CheckpointError: If classes, leads, rate, length, units or normalisation differ; names both sides.
    """
    for field in _MUST_AGREE:
        if trained_on.get(field) != at_hand.get(field):
            raise CheckpointError(
                where,
                f"{field} {at_hand.get(field)} in {at_hand.get('dataset')}",
                f"{field} {trained_on.get(field)}, on which it was trained ({trained_on.get('dataset')})",
                "Set the data as the checkpoint has it; for another task, use the transfer callback.",
            )
