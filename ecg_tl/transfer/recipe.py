"""What a recipe is: all that its name stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ecg_tl.errors import SettingError
from ecg_tl.transfer.phases import Phase

if TYPE_CHECKING:  # a recipe's phases are arithmetic, which does without PyTorch
    from ecg_tl.models import EcgNetwork
    from ecg_tl.transfer.settling import AtHand


def _leave(network: EcgNetwork, options: Any) -> None:
    """Leave a network as it is."""


def _all(parameter_name: str) -> bool:
    """Train every parameter of a group that is trained."""
    return True


@dataclass(frozen=True)
class Settles:
    """What a recipe does in the epoch in which it sets the weights itself; see `ecg_tl.transfer.settling`.

    Attributes:
        set_weights: Sets them by what is at hand and the recipe's options, and returns in primitives what was
            chosen. Every process calls it.
        at_end: Whether that is the last epoch, whatever ends the training; else it is the first and only one.
    """

    set_weights: Callable[[AtHand, Any], dict[str, Any]]
    at_end: bool


@dataclass(frozen=True)
class Recipe:
    """How a network that starts from an upstream is trained.

    What is saved is the network as `prepare` leaves it, and with it a training goes on exactly. Whoever opens
    the checkpoint for anything else gets plain weights (`ecg_tl.models.low_rank.merged_state`).

    Attributes:
        summary: What it does, in a line.
        phases: From which epoch on which groups of layers are trained: a function of the network's groups
            (from input to output) and of the epochs of a phase.
        prepare: Changes the network once the upstream is loaded; in a training that goes on, before its
            checkpoint is. Takes the recipe's options.
        options: Dataclass of the settings that this recipe has and others do not; None for none.
        trains: Whether a parameter of the backbone, by its name, is trained while its group is. The head's
            always are.
        new_head: Whether `prepare` gives the network another head, for which nothing can be taken over.
        l2_sp: Strength of the penalty on what was loaded, where the settings name none; None for a recipe
            that leaves what was loaded as it is, so that there is nothing to penalise.
        settles: How it sets weights itself; None for a recipe whose weights are all trained.
    """

    summary: str
    phases: Callable[[Sequence[str], int], list[Phase]]
    prepare: Callable[[EcgNetwork, Any], None] = _leave
    options: type[Any] | None = None
    trains: Callable[[str], bool] = _all
    new_head: bool = False
    l2_sp: float | None = 0.0
    settles: Settles | None = None

    @property
    def trains_all(self) -> bool:
        """Whether every parameter of a group is trained while the group is."""
        return self.trains is _all

    def read_options(self, name: str, given: Mapping[str, Any] | None) -> Any:
        """Make the recipe's options from settings.

        Args:
            name: The recipe's, for errors.
            given: By name; what is left out has its default.

        Raises:
            SettingError: If the recipe has no such option, or a value is out of range.
        """
        known = () if self.options is None else tuple(one.name for one in fields(self.options))
        unknown = [one for one in given or {} if one not in known]
        if unknown:
            raise SettingError(
                "transfer.options",
                ", ".join(map(str, unknown)),
                f"{', '.join(known)}, which `{name}` has" if known else f"none, for `{name}` has none",
                "Correct the option, or choose another recipe.",
            )
        return None if self.options is None else self.options(**(given or {}))
