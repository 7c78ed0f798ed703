"""The runs of a study: what one is, and what it depends on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ecg_tl.study.design.settings import Overlay

RunKind = Literal["upstream", "scratch", "fine-tuned", "control"]
DEFAULT_THREADS = 1
"""Runs at once on a core each are done sooner than one after the other on all; see `docs/performance.md`."""

ADDED = ("split", "upstream_seed")
"""Attributes of a run that are written down where they are not the usual, so that results of a study without
them stay as they were."""

Selection = Literal["strict", "paper", "fm_benchmark", "second_opinion"]


@dataclass(frozen=True)
class PlannedRun:
    """What a run is called, without the config that it is carried out by.

    Attributes:
        id: Stable: words that say what it is, and a hash of all that decides its numbers.
        kind: `control` is an arm on a network as initialised.
        dataset: Name of the upstream or downstream that it trains on.
        upstream: Name of the upstream that it starts from, or None.
        network: Name of the network, as the study names it.
        arm: Name of the arm; `upstream` for an upstream run.
        size: Training records asked for; None for all.
        seed: Of the training.
        axes: Value of each axis, by name.
        protocol: `second_opinion` is the paper's split and selection inside a strict study.
        needs: Id of the upstream run whose checkpoint it starts from, or None.
        after: Id of the scratch run that it is compared with, or None; that runs before, so that a study
            that is looked at on its way has whole comparisons; should it fail, this one runs all the same.
        split: Of the patients; 0 is the dataset's own.
        upstream_seed: Of the training of the upstream that it starts from, in a study that has several; else
            None.
    """

    id: str
    kind: RunKind
    dataset: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    seed: int
    axes: dict[str, str]
    protocol: Selection
    needs: str | None
    after: str | None
    split: int = field(default=0, kw_only=True)
    upstream_seed: int | None = field(default=None, kw_only=True)

    def describe(self) -> dict[str, Any]:
        """Give it in primitives, for `result.json`; a config is no part of it."""
        described = {one.name: getattr(self, one.name) for one in fields(PlannedRun)}
        for one in fields(PlannedRun):
            if one.name in ADDED and described[one.name] == one.default:
                del described[one.name]
        return described | {"axes": dict(self.axes)}


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training with its test.

    Attributes:
        config: Complete config for `ecg-tl fit`, without folders and without the path of an upstream that the
            study trains.
        file: Path and SHA-256 of the file that it starts from; None if it starts from a run, or from nothing.
    """

    config: Overlay
    file: tuple[str, str] | None = None

    @property
    def threads(self) -> int:
        """Of its process on the CPU: as set, else 1; see `ecg_tl.acceleration.Speed.threads`."""
        threads = self.config.get("speed", {}).get("threads", "auto")
        return DEFAULT_THREADS if threads == "auto" else int(threads)


@dataclass(frozen=True)
class Plan:
    """All runs of a study, in an order in which each comes after what it depends on.

    Attributes:
        runs: The runs.
    """

    runs: tuple[Run, ...]

    def __getitem__(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.id == run_id)
