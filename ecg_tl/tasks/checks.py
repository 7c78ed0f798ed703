"""What a task refuses: settings that make no sense, and checkpoints and data of another task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecg_tl.calibration import Calibration, ThresholdRule
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import LEARNING_RATE, require_settings, shown
from ecg_tl.models import EcgNetwork
from ecg_tl.models.attention_pool import attend_as_stored


def check_class_names(class_names: Sequence[str], num_classes: int) -> None:
    """Refuse names that are not one a class, each another.

    Raises:
        SettingError: If they are not.
    """
    are_names = not isinstance(class_names, str) and all(isinstance(name, str) for name in class_names)
    if not are_names or len(set(class_names)) < len(class_names):
        raise SettingError(
            "class_names", shown(class_names), "a list of different names, one a class", "Correct it."
        )
    if len(class_names) != num_classes:
        raise SettingError(
            "class_names",
            f"{len(class_names)} names",
            f"{num_classes} names",
            "Give one name a class.",
        )


def check_rates(lr_by_depth: Sequence[float] | None, lr_decay: float) -> None:
    """Refuse rates by depth that make no sense, or stand beside another rule.

    Raises:
        SettingError: If they do.
    """
    for rate in lr_by_depth or ():
        require_settings(lr_by_depth=(LEARNING_RATE, rate))
    if lr_by_depth and lr_decay != 1:
        raise SettingError(
            "lr_by_depth", f"it beside lr_decay {lr_decay:g}", "one of them", "Leave lr_decay at 1."
        )


def check_choice(num_classes: int, thresholds: ThresholdRule) -> None:
    """Refuse a choice between fewer than two classes, and thresholds for one.

    Raises:
        SettingError: If it is one of these.
    """
    if num_classes < 2:
        raise SettingError("single_choice", "one class", "several, of which one is chosen", "Leave it out.")
    if thresholds != "f1":  # which is what stands there if nothing is said
        raise SettingError(
            "thresholds",
            f"{thresholds} beside single_choice",
            "none: the most probable class is chosen",
            "Leave thresholds out.",
        )


def require_data_of_its_kind(single_choice: bool, datamodule: object) -> None:
    """Refuse data of the other kind of task.

    Raises:
        SettingError: If one class is chosen of the one, and each is a question of the other.
    """
    of_data = getattr(datamodule, "single_choice", single_choice)
    if of_data != single_choice:
        raise SettingError(
            "single_choice",
            f"{_said(single_choice)} of the task, {_said(of_data)} of its data",
            "the same of both",
            "Make the task with `for_data`, or let it take the setting; or set the data as the task.",
        )


def _said(single_choice: bool) -> str:
    return "true" if single_choice else "false"


def require_same_kind(calibration: Calibration, single_choice: bool, where: object) -> None:
    """Refuse a checkpoint that decides otherwise than the task.

    Raises:
        CheckpointError: If one class is chosen by the one, and each decided by the other.
    """
    if calibration.single_choice != single_choice:
        raise CheckpointError(
            where,
            f"decisions by {calibration.rule} of a network with single_choice {_said(single_choice)}",
            "thresholds, or the most probable class of a choice",
            "Set the data as the checkpoint has it, or give an intact checkpoint.",
        )


def attend_as_trained(network: EcgNetwork, state: Mapping[str, Any], where: object) -> None:
    """Give a network the attention that a checkpoint's tensors are of.

    Raises:
        CheckpointError: If they are of none that a training wrote.
    """
    try:
        attend_as_stored(network, state, "network.")
    except ValueError as error:
        raise CheckpointError(
            where, str(error), "tensors that a training wrote", "Give an intact checkpoint."
        ) from error


def require_same_tensors(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: object) -> None:
    """Refuse a checkpoint that lacks tensors of the network, or has others: torch says so in many lines.

    Raises:
        CheckpointError: Names the first of them.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in ours.items()}
    others = {name: tuple(getattr(tensor, "shape", ())) for name, tensor in theirs.items()}
    wrong = sorted(name for name in {*shapes, *others} if shapes.get(name) != others.get(name))
    if wrong:
        name = wrong[0]
        found = f"{name} of shape {others[name]}" if name in others else f"no {name}"
        expected = f"shape {shapes[name]}" if name in shapes else "the tensors of the network, and no others"
        raise CheckpointError(
            where,
            found if len(wrong) == 1 else f"{found}, and {len(wrong) - 1} more tensors that do not fit",
            expected,
            "Set the model as the checkpoint has it, or give an intact checkpoint.",
        )
