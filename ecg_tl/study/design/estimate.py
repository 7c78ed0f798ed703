"""How long a study takes on this machine: from measured speeds, corrected by what runs have taken."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ecg_tl.errors import SettingError
from ecg_tl.study.design.measured import MeasuredSpeed, PartSizes
from ecg_tl.study.design.pretraining import COST, PRETRAINING
from ecg_tl.study.design.runs import Run
from ecg_tl.transfer.words import is_transfer

if TYPE_CHECKING:  # they import PyTorch, which arithmetic does without
    from ecg_tl.study.design.sizes import StudySizes
    from ecg_tl.study.design.speed import SpeedBook

DEFAULT_EPOCHS = 20
"""Of `ecg-tl fit`."""

START_SECONDS = 4.0
"""Of a run: making data, network and trainer, reading an upstream, the test, writing the result."""

EPOCH_SECONDS = 0.4
"""Of an epoch beyond its records: two checkpoints, scores and thresholds."""

Measured = Callable[[str, int, int], None]
"""Called with a network's name, how many are measured and how many there are to measure."""


def estimate(
    runs: Sequence[Run], sizes: StudySizes, speeds: SpeedBook, on_measure: Measured | None = None
) -> dict[str, float]:
    """Estimate the seconds of each run whose data are there, measuring networks that are not known yet.

    Early stopping is not foreseen: a run that has it takes at most that long.

    Args:
        runs: The runs.
        sizes: Of their data.
        speeds: What has been measured; it grows.
        on_measure: Called before each measurement, and after the last.
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


def run_seconds(run: Run, sizes: PartSizes, speed: MeasuredSpeed) -> float:
    """Estimate the seconds of one run."""
    trainer = run.config.get("trainer", {})
    epochs = _epochs(run, int(trainer.get("max_epochs") or DEFAULT_EPOCHS))
    backward = backward_epochs(run, epochs)
    judged = sizes.validation + (sizes.test if run.kind != "upstream" else 0)
    # Behind layers that are frozen there is no backward pass.
    training = backward / speed.train + (epochs - backward) / speed.evaluate
    if PRETRAINING in run.config:
        training *= COST[run.config[PRETRAINING]["method"]]
    return (
        START_SECONDS
        + epochs * EPOCH_SECONDS
        + sizes.train * training
        + (epochs * judged + sizes.test) / speed.evaluate
    )


def backward_epochs(run: Run, epochs: int) -> float:
    """Return in how many of a run's epochs there is a backward pass, one through some layers counted in part.

    It goes back to the first group of layers that is trained. How much of it that is, is taken from the
    number of groups, none for the head alone.
    """
    transfer = _transfer(run)
    if transfer is None:
        return epochs
    from ecg_tl.transfer.recipes import planned_phases

    groups = _layer_groups(run.config["model"].get("init_args", {}))
    try:
        phases = planned_phases(transfer, groups)
    except SettingError:  # groups of a network that is not of this project
        return epochs
    backward = 0.0
    firsts = [first for first, _ in phases.phases if first < epochs]
    for first, end in pairwise([*firsts, epochs]):
        reached = min(groups.index(group) for group in phases.trained(first))
        backward += (end - first) * (len(groups) - 1 - reached) / (len(groups) - 1)
    return backward


def _epochs(run: Run, epochs: int) -> int:
    """Return how many epochs a run has: fewer than its trainer allows where its recipe solves for weights."""
    transfer = _transfer(run)
    if transfer is None:
        return epochs
    from ecg_tl.transfer.recipes import planned_epochs

    return planned_epochs(transfer, epochs)


def _transfer(run: Run) -> Mapping[str, Any] | None:
    """Return the settings of a run's transfer; None for a run without one."""
    listed = run.config.get("trainer", {}).get("callbacks") or []
    return next((one.get("init_args", {}) for one in listed if is_transfer(one["class_path"])), None)


def _layer_groups(model: Mapping[str, Any]) -> list[str]:
    """Name the groups of layers of a network, from input to output; two for one that is not registered."""
    import torch

    from ecg_tl.models import NETWORKS, create_network

    entry = NETWORKS.get(model.get("network", ""))
    if entry is None:
        return ["backbone", "head"]
    given = {**model, **(model.get("network_options") or {})}
    options = {name: given[name] for name in entry.options if name in given}
    with torch.device("meta"):  # names alone
        return list(create_network(model["network"], num_classes=1, **options).layer_groups())


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
