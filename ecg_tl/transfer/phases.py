"""Which groups of layers are trained in which epoch: pure functions of the settings and the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from ecg_tl.errors import SettingError


@dataclass(frozen=True)
class Phase:
    """From an epoch on, train these groups too.

    Attributes:
        epoch: Counted from 0.
        train: Names of layer groups, or patterns (`layer*`, `rnn.[12]`, `*`). Groups that are trained already
            stay so.
    """

    epoch: int
    train: list[str]


@dataclass(frozen=True)
class Phases:
    """Phases with the groups that are trained in each, all patterns resolved.

    Attributes:
        groups: All groups, from input to output.
        phases: First epoch of each phase, rising from 0, and all groups that are trained in it.
    """

    groups: tuple[str, ...]
    phases: tuple[tuple[int, frozenset[str]], ...]

    def trained(self, epoch: int) -> frozenset[str]:
        """Return the groups that are trained in an epoch."""
        return [trained for first, trained in self.phases if first <= epoch][-1]

    @property
    def last_epoch(self) -> int:
        """The epoch in which the last phase begins."""
        return self.phases[-1][0]

    @property
    def freezes(self) -> bool:
        """Whether any group is ever frozen."""
        return len(self.phases[0][1]) < len(self.groups)


def everything(groups: Sequence[str], phase_epochs: int) -> list[Phase]:
    """Train all groups from the start."""
    return [Phase(0, list(groups))]


def head_alone(groups: Sequence[str], phase_epochs: int) -> list[Phase]:
    """Train the last group, the head."""
    return [Phase(0, [groups[-1]])]


def head_then_everything(groups: Sequence[str], phase_epochs: int) -> list[Phase]:
    """Train the head for `phase_epochs`, then all groups."""
    return [Phase(0, [groups[-1]]), Phase(phase_epochs, list(groups))]


def group_by_group(groups: Sequence[str], phase_epochs: int) -> list[Phase]:
    """Train one more group every `phase_epochs`, from the head to the input."""
    return [Phase(number * phase_epochs, [group]) for number, group in enumerate(reversed(groups))]


def read_phases(written: Iterable[Phase | Mapping[str, Any]]) -> list[Phase]:
    """Make phases of tables, as a config has them.

    Raises:
        SettingError: If a table is none of a phase.
    """
    phases = []
    for one in written:
        table = one if isinstance(one, Phase | Mapping) else vars(one)  # the parser's namespaces
        if isinstance(table, Mapping) and set(table) != {"epoch", "train"}:
            raise SettingError(
                "transfer.train.phases",
                f"a phase of {', '.join(map(str, table)) or 'nothing'}",
                "epoch and train",
                "Write each as `{epoch: 0, train: [head]}`.",
            )
        phases.append(Phase(**table) if isinstance(table, Mapping) else table)
    return phases


def resolve_phases(phases: Sequence[Phase], groups: Sequence[str]) -> Phases:
    """Match the patterns of phases with the groups that there are.

    Raises:
        SettingError: If the first phase is not at epoch 0, epochs do not rise, or a name or pattern matches
            no group; names the groups that exist.
    """
    epochs = [phase.epoch for phase in phases]
    if not epochs or epochs[0] != 0 or any(b <= a for a, b in pairwise(epochs)):
        raise SettingError(
            "transfer.train.phases",
            f"epochs {epochs}",
            "epochs that begin with 0 and rise",
            "Say what is trained from epoch 0 on, and order the phases.",
        )
    trained: frozenset[str] = frozenset()
    resolved: list[tuple[int, frozenset[str]]] = []
    for phase in phases:
        matched = [frozenset(g for g in groups if fnmatchcase(g, pattern)) for pattern in phase.train]
        unknown = [pattern for pattern, found in zip(phase.train, matched, strict=True) if not found]
        if unknown or not matched:
            raise SettingError(
                f"phase of epoch {phase.epoch}",
                ", ".join(unknown) or "no groups",
                f"groups out of {', '.join(groups)}, or patterns that match some",
                "Correct the names.",
            )
        trained = trained.union(*matched)
        resolved.append((phase.epoch, trained))
    return Phases(tuple(groups), tuple(resolved))


def phase_warnings(
    phases: Phases, max_epochs: int | None, min_epochs: int | None, earliest_stop: int | None
) -> list[str]:
    """Say which phases may never come.

    Args:
        phases: All of them.
        max_epochs: Of the trainer; None or -1 for no limit.
        min_epochs: Before which nothing stops early.
        earliest_stop: Number of epochs after which early stopping may end the training; None if it cannot.
    """
    warnings = []
    last = phases.last_epoch
    limit = float("inf") if max_epochs is None or max_epochs == -1 else max_epochs
    late = [epoch for epoch, _ in phases.phases[1:] if epoch >= limit]
    if late:
        warnings.append(
            f"The phases of epochs {', '.join(map(str, late))} will never come: training ends after "
            f"{max_epochs} epochs (max_epochs)."
        )
    if earliest_stop is not None and not late and max(earliest_stop, min_epochs or 0) <= last > 0:
        warnings.append(
            f"Early stopping may end the training after {max(earliest_stop, min_epochs or 0)} epochs, before "
            f"the last phase begins in epoch {last}; `min_epochs: {last + 1}` would prevent it."
        )
    return warnings
