"""A plan for people: its runs in groups, what they depend on, and how long they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import get_args

from ecg_tl.study.design.plan import default_axes
from ecg_tl.study.design.runs import Plan, Run, RunKind
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.terminal import SIMPLE_HEAD, Table, Text

MANY = 3
"""Names that are listed; more are counted."""


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ by network, size and seed alone, in all combinations of these.

    Attributes:
        runs: The runs.
        networks: Their networks.
        sizes: Their training records; None for all.
        seeds: Their seeds.
    """

    runs: tuple[Run, ...]
    networks: tuple[str, ...]
    sizes: tuple[int | None, ...]
    seeds: tuple[int, ...]

    @property
    def first(self) -> Run:
        """One of them."""
        return self.runs[0]


def group_runs(plan: Plan) -> list[RunGroup]:
    """Put a plan's runs into groups: upstreams first, the second opinion last."""
    by_size: dict[tuple[object, ...], list[Run]] = {}
    for run in plan.runs:
        by_size.setdefault((*_kind(run), run.network, run.size), []).append(run)
    by_network: dict[tuple[object, ...], list[Run]] = {}
    for runs in by_size.values():
        seeds = frozenset(run.seed for run in runs)
        by_network.setdefault((*_kind(runs[0]), runs[0].network, seeds), []).extend(runs)
    together: dict[tuple[object, ...], list[Run]] = {}
    for runs in by_network.values():
        reach = frozenset((run.size, run.seed) for run in runs)
        together.setdefault((*_kind(runs[0]), reach), []).extend(runs)
    groups = [
        RunGroup(
            tuple(runs),
            networks=tuple(dict.fromkeys(run.network for run in runs)),
            sizes=tuple(sorted({run.size for run in runs}, key=lambda size: size or 10**12)),
            seeds=tuple(sorted({run.seed for run in runs})),
        )
        for runs in together.values()
    ]
    return sorted(groups, key=_section)


def plan_table(
    plan: Plan, settings: StudySettings, seconds: Mapping[str, float], finished: AbstractSet[str]
) -> Table:
    """Show a plan's runs in groups.

    Args:
        plan: The plan.
        settings: The study.
        seconds: Estimated, of each run as far as known.
        finished: Ids of the runs that are finished.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=settings.title, title_justify="left")
    for column in ("arm", "on", "from", "networks", "records", "seeds"):
        table.add_column(column, overflow="fold")
    for column in ("runs", "done", "each", "together"):
        table.add_column(column, justify="right", no_wrap=True)
    groups = group_runs(plan)
    usual = default_axes(settings)
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        run = group.first
        changed = [value for axis, value in run.axes.items() if value != usual[axis]]
        arm = run.arm + (f" ({', '.join(changed)})" if changed else "")
        arm += ", judged as the paper does" if run.protocol == "second_opinion" else ""
        known = [seconds[one.id] for one in group.runs if one.id in seconds]
        table.add_row(
            Text(arm),
            Text(run.dataset),
            Text(run.upstream or ""),
            Text(_listed(group.networks, "networks")),
            ", ".join("all" if size is None else f"{size:,}" for size in group.sizes),
            _ranges(group.seeds),
            str(len(group.runs)),
            str(sum(one.id in finished for one in group.runs) or ""),
            _span(known),
            rough_duration(sum(known)) if known else "",
            end_section=following is not None and _section(following) != _section(group),
        )
    return table


def run_table(plan: Plan, seconds: Mapping[str, float], finished: AbstractSet[str]) -> Table:
    """Show every run with what it starts from and what it comes after."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("starts from", overflow="fold")
    table.add_column("after", overflow="fold")
    table.add_column("seconds", justify="right")
    table.add_column("")
    for run in plan.runs:
        table.add_row(
            Text(run.id),
            Text(run.needs or ""),
            Text(run.after or ""),
            f"{seconds[run.id]:.0f}" if run.id in seconds else "",
            "finished" if run.id in finished else "",
        )
    return table


def dependencies(plan: Plan) -> str:
    """Say what depends on what, in a sentence."""
    upstreams = sum(run.kind == "upstream" for run in plan.runs)
    tuned = sum(run.needs is not None for run in plan.runs)
    from_files = sum(run.file is not None for run in plan.runs)
    said = f"{len(plan.runs)} runs"
    parts = [f"{upstreams} train an upstream, from which {tuned} start"] if tuned else []
    parts += [f"{from_files} start from a file"] if from_files else []
    if parts:
        rest = len(plan.runs) - upstreams - tuned - from_files
        said += f": {'; '.join(parts)}; the other {rest} start from nothing"
    return said + "."


def rough_duration(seconds: float) -> str:
    """Say a duration in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _section(group: RunGroup) -> tuple[bool, int]:
    return group.first.protocol == "second_opinion", get_args(RunKind).index(group.first.kind)


def _kind(run: Run) -> tuple[object, ...]:
    return (run.kind, run.protocol, run.arm, run.dataset, run.upstream, tuple(run.axes.items()))


def _listed(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= MANY else f"{len(names)} {what}"


def _ranges(numbers: Iterable[int]) -> str:
    """Write 0, 1, 2, 5 as `0-2, 5`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _span(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    least, most = rough_duration(min(seconds)), rough_duration(max(seconds))
    return least if least == most else f"{least} - {most}"
