"""The recipes, by name.

To add one: an entry here; where it needs more than a line, a file beside this one, as `lora.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ecg_tl.errors import SettingError
from ecg_tl.transfer.attention_probe import ATTENTION_PROBE
from ecg_tl.transfer.exact_probe import EXACT_PROBE
from ecg_tl.transfer.lora import LORA
from ecg_tl.transfer.phases import (
    Phases,
    everything,
    group_by_group,
    head_alone,
    head_then_everything,
    read_phases,
    resolve_phases,
)
from ecg_tl.transfer.recipe import Recipe
from ecg_tl.transfer.wise_ft import WISE_FT
from ecg_tl.transfer.words import flat


@dataclass(frozen=True)
class LinearProbeOptions:
    """How the head is found.

    Attributes:
        solver: `epochs` trains it as any other; `exact` is the recipe `exact_probe`, with its options.

    Raises:
        SettingError: If it is neither.
    """

    solver: str = "epochs"

    def __post_init__(self) -> None:
        if self.solver != "epochs":
            raise SettingError(
                "transfer.options.solver", repr(self.solver), "epochs or exact", "Choose one of these."
            )


RECIPES: dict[str, Recipe] = {
    "full": Recipe("all layers from the start", everything),
    "linear_probe": Recipe(
        "a new head on features that stay as they are", head_alone, options=LinearProbeOptions
    ),
    "exact_probe": EXACT_PROBE,
    # Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
    # Out-of-Distribution", ICLR 2022.
    "lp_ft": Recipe("the head alone for `phase_epochs`, then all layers", head_then_everything),
    # Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018.
    "gradual": Recipe(
        "one more group of layers every `phase_epochs`, from the head to the input", group_by_group
    ),
    # Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018.
    "l2_sp": Recipe("all layers, with weights pulled towards the upstream's", everything, l2_sp=0.01),
    "lora": LORA,
    "attention_probe": ATTENTION_PROBE,
    "wise_ft": WISE_FT,
}

if TYPE_CHECKING:
    RecipeName = str
else:  # the parser's choices
    RecipeName = Literal[tuple(RECIPES)]


def get_recipe(name: object) -> Recipe:
    """Return a recipe.

    Raises:
        SettingError: If there is none of that name.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise SettingError("recipe", repr(name), f"one of {', '.join(RECIPES)}", "Choose one of these.")
    return RECIPES[name]


def as_named(recipe: str, options: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any] | None]:
    """Give `linear_probe` with `solver: exact` the name that it is reported by; others have theirs."""
    given = dict(options or {})
    if recipe == "linear_probe" and given.get("solver") == "exact":
        del given["solver"]
        return "exact_probe", given
    return recipe, options


def planned_epochs(settings: Mapping[str, Any], epochs: int) -> int:
    """Say how many of a training's epochs a transfer has, from its settings alone."""
    given = flat(settings)
    recipe = get_recipe(as_named(given.get("recipe", "full"), given.get("options"))[0])
    return epochs if recipe.settles is None or recipe.settles.at_end else min(1, epochs)


def planned_phases(settings: Mapping[str, Any], groups: Sequence[str]) -> Phases:
    """Say which groups of layers a transfer trains in which epoch, from its settings alone.

    Args:
        settings: Of `TransferLearning`, as a config has them.
        groups: Of the network, from input to output.

    Raises:
        SettingError: If there is no such recipe, or phases name other groups.
    """
    given = flat(settings)
    phases = given.get("phases")
    if phases is not None:
        return resolve_phases(read_phases(phases), groups)
    recipe = get_recipe(given.get("recipe", "full"))
    return resolve_phases(recipe.phases(groups, int(given.get("phase_epochs", 1))), groups)
