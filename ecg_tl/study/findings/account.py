"""Data, cost, what is missing, and what is needed to repeat the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ecg_tl.study.findings.values import Axes


@dataclass(frozen=True)
class ClassSupport:
    """Positives of one class in each part.

    Attributes:
        name: Of the class.
        train: Positives.
        validation: Positives.
        test: Positives.
    """

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class DataRow:
    """One dataset as the study used it, at all its training records.

    Attributes:
        name: As the study names it.
        role: `upstream`, `downstream` or `both`.
        dataset: Name of the dataset.
        title: Its full name.
        licence: Of the dataset.
        citation: Whom to cite.
        split: `official`, `patient` or `record`.
        split_hash: Of the split.
        train: Records.
        validation: Records.
        test: Records.
        patients: In the test set.
        left_out: Records that could not be used.
        unlabelled: Records without any class of the task.
        unlabelled_dropped: Whether these were left out.
        query: Filter on the record table; empty if none.
        sampling_rate: In Hz.
        num_samples: A lead.
        normalization: In words.
        selects_on_test: Whether the epoch is chosen on test records.
        classes: Support of each.
        warnings: Sentences.
        axes: The axis values that this row holds for.
        filtered: Records that `query` left out.
    """

    name: str
    role: Literal["upstream", "downstream", "both"]
    dataset: str
    title: str
    licence: str
    citation: str
    split: str
    split_hash: str
    train: int
    validation: int
    test: int
    patients: int
    left_out: int
    unlabelled: int
    unlabelled_dropped: bool
    query: str
    sampling_rate: float | None
    num_samples: int | None
    normalization: str
    selects_on_test: bool
    classes: tuple[ClassSupport, ...]
    warnings: tuple[str, ...]
    axes: Axes
    filtered: int = 0


@dataclass(frozen=True)
class CostRow:
    """What one kind of run cost.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned`, `control`, `second opinion` or `all`.
        network: As the study names it; empty in the row of all.
        runs: How many.
        wall_seconds: Sum.
        device_seconds: Sum; seconds of processor, or of GPU times its share.
        mean_seconds: Of training, a run.
        mean_epochs: A run.
        peak_memory_bytes: Greatest of a run; None if not known.
        peak_device_memory_bytes: Greatest of a run; None without GPU.
    """

    kind: str
    network: str
    runs: int
    wall_seconds: float
    device_seconds: float
    mean_seconds: float
    mean_epochs: float
    peak_memory_bytes: int | None
    peak_device_memory_bytes: int | None


@dataclass(frozen=True)
class Missing:
    """A run of the plan without a result.

    Attributes:
        id: Of the run.
        state: `failed` or `not finished`.
        error: One line; empty if it did not fail.
    """

    id: str
    state: Literal["failed", "not finished"]
    error: str


@dataclass(frozen=True)
class StudyRecord:
    """Every setting needed to repeat the study.

    Attributes:
        config: The study's settings as YAML.
        versions: Of each package, as the runs say; several where they differ.
        hardware: One line for each machine.
        seeds: Of downstream trainings.
        first_finished: ISO time of the first result; empty without results.
        last_finished: ISO time of the last.
        resamples: Of each bootstrap.
        methods: How the numbers come about: paragraphs of plain text.
    """

    config: str
    versions: Mapping[str, tuple[str, ...]]
    hardware: tuple[str, ...]
    seeds: tuple[int, ...]
    first_finished: str
    last_finished: str
    resamples: int
    methods: tuple[str, ...]
