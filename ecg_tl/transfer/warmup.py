"""A warm-up of each group's learning rate, on top of whatever schedule the optimizer follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

from ecg_tl.errors import SettingError
from ecg_tl.models import EcgNetwork


def groups_of_optimizer(network: EcgNetwork, optimizer: Optimizer) -> list[frozenset[str]]:
    """Return the layer groups whose parameters each of an optimizer's groups holds."""
    parameters = dict(network.named_parameters())
    layer_of = {id(parameters[n]): group for group, names in network.layer_groups().items() for n in names}
    return [
        frozenset(layer_of[id(p)] for p in group["params"] if id(p) in layer_of)
        for group in optimizer.param_groups
    ]


def scale_steps(
    network: EcgNetwork, optimizer: Optimizer, factor: Callable[[str], float]
) -> Callable[[], None]:
    """Multiply the learning rates by a factor while the optimizer steps, and only then.

    Schedules that compute a rate from the one before (cosine, plateau) never see the factor, and a checkpoint
    does not hold it.

    Args:
        network: Whose layer groups `factor` knows.
        optimizer: To hook into.
        factor: Of a layer group, at the moment.

    Returns:
        What takes the hooks away again.

    Raises:
        SettingError: If one of the optimizer's groups holds several layer groups.
    """
    layers = groups_of_optimizer(network, optimizer)
    mixed = next((names for names in layers if len(names) > 1), None)
    if mixed is not None:
        raise SettingError(
            "warmup_steps",
            f"an optimizer that keeps {', '.join(sorted(mixed))} in one group",
            "a group of the optimizer for each group of layers",
            "Use `ecg_tl.tasks.optimization.parameter_groups`, or no warm-up.",
        )
    rates: list[Any] = []

    def before(*_: Any) -> None:
        rates[:] = [group["lr"] for group in optimizer.param_groups]
        for group, names in zip(optimizer.param_groups, layers, strict=True):
            for name in names:
                group["lr"] = group["lr"] * factor(name)

    def after(*_: Any) -> None:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    handles = [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove


def warm_up(steps_trained: int, warmup_steps: int) -> float:
    """Return the factor of a group's learning rate, rising in equal steps to 1.

    Args:
        steps_trained: Optimizer steps that the group has been trained for.
        warmup_steps: In how many the whole rate is reached; 0 for at once.
    """
    return min(1.0, (steps_trained + 1) / (warmup_steps + 1))
