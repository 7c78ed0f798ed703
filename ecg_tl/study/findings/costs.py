"""What the runs cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

from ecg_tl.study.findings.grid import SECOND_OPINION, Grid
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.wording import (
    count,
    duration,
    memory,
    number,
    significant,
)
from ecg_tl.study.run.results import RunResult


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
        kwh: Device time at the study's `watts`; None where no power is stated.
        price: Of these kWh; None where no price is stated.
        currency: Of `price`.
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
    kwh: float | None = None
    price: float | None = None
    currency: str = ""


def cost_rows(grid: Grid) -> tuple[CostRow, ...]:
    """Sum up what runs cost, by kind and network; the last row is of all."""
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for cell, runs in grid.cells.items():
        kind = "second opinion" if cell.protocol == SECOND_OPINION else cell.kind
        groups.setdefault((kind, cell.network), []).extend(runs.values())
    kinds = ("upstream", "scratch", "fine-tuned", "control", "second opinion")
    order = sorted(groups, key=lambda g: (kinds.index(g[0]) if g[0] in kinds else len(kinds), g[1]))
    rows = [_cost(kind, network, groups[kind, network]) for kind, network in order]
    every = [run for runs in groups.values() for run in runs]
    settings = grid.settings
    return tuple(
        with_energy(row, settings.watts, settings.kwh_price, settings.currency)
        for row in ((*rows, _cost("all", "", every)) if every else ())
    )


def with_energy(row: CostRow, watts: float | None, kwh_price: float | None, currency: str) -> CostRow:
    """Say what device time took at a power: 1 kWh is 1,000 W for 3,600 s."""
    if watts is None:
        return row
    kwh = row.device_seconds * watts / 3.6e6
    if kwh_price is None:
        return replace(row, kwh=kwh)
    return replace(row, kwh=kwh, price=kwh * kwh_price, currency=currency)


def _cost(kind: str, network: str, runs: Sequence[RunResult]) -> CostRow:
    def values(key: str) -> list[float]:
        return [float(run.result[key]) for run in runs if run.result.get(key) is not None]

    memory, device_memory = values("peak_memory_bytes"), values("peak_device_memory_bytes")
    return CostRow(
        kind=kind,
        network=network,
        runs=len(runs),
        wall_seconds=sum(values("wall_seconds")),
        device_seconds=sum(values("device_seconds")),
        mean_seconds=mean(values("seconds") or [0.0]),
        mean_epochs=mean(values("epochs") or [0.0]),
        peak_memory_bytes=int(max(memory)) if memory else None,
        peak_device_memory_bytes=int(max(device_memory)) if device_memory else None,
    )


def costs_table(found: Sequence[CostRow]) -> Table | None:
    """What the runs cost."""
    rows: list[Line] = [
        {
            "Runs": one.kind,
            "Network": one.network,
            "#How many": count(one.runs),
            "#Time, sum": duration(one.wall_seconds),
            "#Device time, sum": duration(one.device_seconds),
            "#Training, mean": duration(one.mean_seconds),
            "#Epochs, mean": number(one.mean_epochs, 1),
            "#Memory, most": memory(one.peak_memory_bytes),
            "#GPU memory, most": memory(one.peak_device_memory_bytes),
            "#Energy": f"{significant(one.kwh)} kWh" if one.kwh is not None else "not stated",
            "#Cost of it": f"{significant(one.price)} {one.currency}" if one.price is not None else "",
        }
        for one in found
    ]
    return make_table(
        "What the study cost",
        rows,
        "Device time: seconds of processor, or of GPU times the share that a run holds. Energy: "
        "device time at the power that the study states (`watts`: of a core of the processor in use, or of a "
        "GPU), and nothing of the rest of the machine; not stated where it states none.",
    )


register_topic(
    Topic(
        "costs",
        lambda study: cost_rows(study.grid),
        one_file("costs"),
        lambda found, default: {"costs": costs_table(found)},
    )
)
