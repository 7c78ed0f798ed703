"""How long a study takes on this machine: from measured speeds, corrected by what runs have taken."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ecg_tl.study.design.runs import Run

if TYPE_CHECKING:  # they import PyTorch, which arithmetic does without
    from ecg_tl.study.design.sizes import PartSizes, StudySizes
    from ecg_tl.study.design.speed import Speed, SpeedBook

DEFAULT_EPOCHS = 20
"""Of `ecg-tl fit`."""

START_SECONDS = 4.0
"""Of a run: making data, network and trainer, reading an upstream, the test, writing the result."""

EPOCH_SECONDS = 0.4
"""Of an epoch beyond its records: two checkpoints, scores and thresholds."""

Measured = Callable[[str, int, int], None]
"""Told a network's name, how many are measured and how many there are to measure."""


def estimate(
    runs: Sequence[Run], sizes: StudySizes, speeds: SpeedBook, on_measure: Measured | None = None
) -> dict[str, float]:
    """Estimate the seconds of each run whose data are there, measuring networks that are not known yet.

    Early stopping is not foreseen: a run that has it takes at most that long.

    Args:
        runs: The runs.
        sizes: Of their data.
        speeds: What has been measured; it grows.
        on_measure: Told before each measurement, and after the last.
    """
    known = [run for run in runs if run.id in sizes.parts]
    found = {run.id: speeds.find(run, sizes.data[run.id]) for run in known}
    unknown = [run for run in known if found[run.id] is None]
    distinct = {(run.network, sizes.data[run.id].batch_size): run for run in unknown}
    for number, run in enumerate(distinct.values()):
        if on_measure is not None:
            on_measure(run.network, number, len(distinct))
        speeds.measure(run, sizes.data[run.id])
    if distinct and on_measure is not None:
        on_measure("", len(distinct), len(distinct))
    for run in unknown:
        # Two names of networks may be one network; one name may be several, where an axis changes it.
        found[run.id] = speeds.find(run, sizes.data[run.id]) or speeds.measure(run, sizes.data[run.id])
    seconds = {}
    for run in known:
        speed = found[run.id]
        assert speed is not None
        seconds[run.id] = run_seconds(run, sizes.parts[run.id], speed)
    return seconds


def run_seconds(run: Run, sizes: PartSizes, speed: Speed) -> float:
    """Estimate the seconds of one run."""
    trainer = run.config.get("trainer", {})
    epochs = int(trainer.get("max_epochs") or DEFAULT_EPOCHS)
    frozen = min(frozen_epochs(run), epochs)
    judged = sizes.validation + (sizes.test if run.kind != "upstream" else 0)
    # Behind a frozen encoder only the head has a backward pass.
    training = (epochs - frozen) / speed.train + frozen / speed.evaluate
    return (
        START_SECONDS
        + epochs * EPOCH_SECONDS
        + sizes.train * training
        + (epochs * judged + sizes.test) / speed.evaluate
    )


def frozen_epochs(run: Run) -> int:
    """Return how many epochs train the head alone; a great number if all do."""
    for callback in run.config.get("trainer", {}).get("callbacks") or []:
        if callback["class_path"].rpartition(".")[2] == "TransferLearning":
            transfer = callback.get("init_args", {})
            if transfer.get("schedule") == "linear_probe":
                return 10**9
            if transfer.get("schedule") == "lp_ft":
                return int(transfer.get("phase_epochs", 1))
    return 0


def correction(estimated: Mapping[str, float], taken: Mapping[str, float]) -> float:
    """Return by how much runs took longer than estimated, over those that are finished; 1 without any."""
    both = estimated.keys() & taken.keys()
    if not both:
        return 1.0
    return sum(taken[run] for run in both) / sum(estimated[run] for run in both)


def makespan(runs: Iterable[Run], seconds: Mapping[str, float], concurrent: int) -> float:
    """Return the seconds that runs take together, each started as soon as it can be and a place is free.

    Args:
        runs: In the order in which they are considered; one that is not in `seconds` takes no time.
        seconds: Of each run.
        concurrent: How many run at once.
    """
    waiting = {run.id: run for run in runs}
    working: list[tuple[float, str]] = []
    now = 0.0
    while waiting or working:
        busy = {run_id for _, run_id in working}
        for run in list(waiting.values()):
            if len(working) >= max(1, concurrent):
                break
            if not any(other in waiting or other in busy for other in (run.needs, run.after)):
                heapq.heappush(working, (now + seconds.get(run.id, 0.0), run.id))
                busy.add(run.id)
                del waiting[run.id]
        now, _ = heapq.heappop(working)
    return now
