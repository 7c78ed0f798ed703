"""Upstreams that a study's runs would refuse: seen before the first of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.contamination.overlap import find_overlap, overlap_words
from ecg_tl.contamination.training_sets import TrainingSet, read_training_sets, training_set
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.published import find_upstream
from ecg_tl.study.design.measured import KnownOverlap
from ecg_tl.study.design.pretraining import is_pretrained_here
from ecg_tl.study.design.runs import Plan, Run
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.transfer.words import is_transfer
from ecg_tl.upstreams.loading import declared_sets

PARTS = ("train", "validation", "test")


def known_overlaps(
    settings: StudySettings,
    plan: Plan,
    data: Mapping[str, EcgDataModule],
    on_pair: Callable[[str], None] = lambda words: None,
) -> tuple[KnownOverlap, ...]:
    """Find the upstreams that were, or will be, trained on records of a downstream that does not allow it.

    Each pair of an upstream and a downstream is looked at once, in the first split. What is pre-trained
    without labels leaves out validation and test records by itself.

    Args:
        settings: The study.
        plan: Its runs.
        data: The datamodule of each run whose data are there, by id.
        on_pair: Called with each pair's names before it is looked at, which takes a while for large datasets.

    Raises:
        CheckpointError: If a checkpoint does not say readably what it was trained on.
    """
    found: dict[tuple[str, str], KnownOverlap | None] = {}
    for run in plan.runs:
        if run.upstream is None or run.id not in data or (run.upstream, run.dataset) in found:
            continue
        if is_pretrained_here(settings.upstreams[run.upstream]) or _is_allowed(run):
            continue
        sets = _sets_of(run, settings, data)
        if sets is None:
            continue
        on_pair(f"{run.upstream} and {run.dataset}")
        report = find_overlap(sets, data[run.id], PARTS)
        words = overlap_words(report, data[run.id].dataset.name) if report.is_any else None
        found[run.upstream, run.dataset] = (
            None if words is None else KnownOverlap(run.upstream, run.dataset, words)
        )
    return tuple(one for one in found.values() if one is not None)


def _is_allowed(run: Run) -> bool:
    callbacks: list[dict[str, Any]] = run.config.get("trainer", {}).get("callbacks", [])
    return any(
        bool((one.get("init_args", {}).get("match") or {}).get("allow_overlap"))
        for one in callbacks
        if is_transfer(one.get("class_path", ""))
    )


def _sets_of(
    run: Run, settings: StudySettings, data: Mapping[str, EcgDataModule]
) -> tuple[TrainingSet, ...] | None:
    """Return what a run's upstream is trained on; None if its data are not there."""
    assert run.upstream is not None
    if run.needs is not None:
        return (training_set(data[run.needs]),) if run.needs in data else None
    given = settings.upstreams[run.upstream]
    if "published" in given:
        return declared_sets(find_upstream(given["published"]))
    path = Path(given["checkpoint"])
    return read_training_sets(read_checkpoint(path), path)
