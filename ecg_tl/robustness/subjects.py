"""Checkpoints that are tried on test records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.calibration import DEFAULT_THRESHOLD, Calibration
from ecg_tl.checkpoints.description import check_fits, read_description
from ecg_tl.contamination.overlap import require_no_overlap
from ecg_tl.contamination.report import OverlapReport
from ecg_tl.contamination.training_sets import read_training_sets
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import CheckpointError
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.restoring import restore_task


@dataclass(frozen=True, eq=False)
class Subject:
    """A checkpoint that is tried.

    Attributes:
        name: In tables and figures.
        path: The file.
        task: Its network with its normalisation, in eval mode.
        thresholds: `(classes,)`, chosen on validation data; 0.5 where none were; None of a choice.
        overlap: Of its training records with the test records.
    """

    name: str
    path: Path
    task: EcgClassifier
    thresholds: NDArray[np.float64] | None
    overlap: OverlapReport


def make_subject(
    name: str, path: Path, checkpoint: Mapping[str, object], datamodule: EcgDataModule
) -> Subject:
    """Rebuild a checkpoint's network, after the checks that `ecg-tl test` makes.

    Args:
        name: What to call it.
        path: The file.
        checkpoint: Its content.
        datamodule: After `setup`.

    Raises:
        CheckpointError: If it does not fit the data, was trained on test records while the datamodule does
            not allow it, or makes no network.
    """
    said = read_description(checkpoint, path)
    settings = checkpoint.get("hyper_parameters")
    if said.data is None or not isinstance(settings, Mapping):
        raise CheckpointError(
            path,
            "nothing on the data that it was trained on, or no settings",
            "both, as a fit of ecg_tl writes them",
            "Give a checkpoint of a fit with a datamodule.",
        )
    # A task normalises by itself: checkpoints that differ in this can be compared on the same millivolts.
    check_fits(said.data, {**datamodule.describe(), "normalization": said.data.get("normalization")}, path)
    overlap = require_no_overlap(
        read_training_sets(checkpoint, path),
        datamodule,
        ["test"],
        allow=datamodule.allow_overlap,
        where=path,
        setting="--data.allow_overlap true",
    )
    task = restore_task(path, checkpoint)
    thresholds = None if task.single_choice else np.full(datamodule.num_classes, DEFAULT_THRESHOLD)
    if said.calibration is not None:
        cuts = Calibration.from_dict(said.calibration, datamodule.class_names, path).cuts
        thresholds = None if cuts is None else np.array(cuts, dtype=np.float64)
    return Subject(name, path, task, thresholds, overlap)
