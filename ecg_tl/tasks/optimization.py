"""Optimizers and learning-rate schedules over named parameter groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypedDict

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from ecg_tl.acceleration import Auto, choose_fused_optimizer
from ecg_tl.errors import SettingError
from ecg_tl.models import EcgNetwork

OptimizerName = Literal["adamw", "adam", "sgd"]
ScheduleName = Literal["one_cycle", "cosine", "constant"]

MIN_STEPS = 2
"""A one-cycle schedule divides by the length of its phases, which vanish in fewer steps."""


class ParameterGroup(TypedDict):
    """What PyTorch's optimizers take, with a name: `layer1.decay`, `layer1.no_decay`, `head.decay`, ..."""

    name: str
    params: list[nn.Parameter]
    lr: float
    weight_decay: float


def parameter_groups(
    network: EcgNetwork,
    learning_rate: float,
    weight_decay: float,
    lr_decay: float = 1.0,
    lr_by_depth: Sequence[float] = (),
) -> list[ParameterGroup]:
    """Put every parameter of a network into exactly one named group, frozen or not.

    All groups are there from the first step, because schedulers cannot take groups later; freezing is done
    elsewhere, by `requires_grad`. Biases and the affine parameters of norms (everything with one axis) get no
    weight decay, as is usual for networks with batch norm.

    Args:
        network: Its `layer_groups()` name the groups, from input to output.
        learning_rate: Of the head.
        weight_decay: Of matrices and kernels.
        lr_decay: Factor by which each group learns slower than the one after it; 1 for equal rates.
        lr_by_depth: In its place the rates of equal parts of the groups below the head, from the input on:
            `[1e-5, 1e-4]` for the earlier half and the later one.
    """
    parameters = dict(network.named_parameters())
    layer_groups = network.layer_groups()
    groups: list[ParameterGroup] = []
    below_head = len(layer_groups) - 1
    for depth, (group, names) in enumerate(reversed(layer_groups.items())):
        rate = learning_rate * lr_decay**depth
        if lr_by_depth and depth:
            rate = lr_by_depth[(below_head - depth) * len(lr_by_depth) // below_head]
        matrices = [parameters[name] for name in names if parameters[name].ndim > 1]
        vectors = [parameters[name] for name in names if parameters[name].ndim <= 1]
        for suffix, members, decay in (("decay", matrices, weight_decay), ("no_decay", vectors, 0.0)):
            if members:
                groups.append(
                    {"name": f"{group}.{suffix}", "params": members, "lr": rate, "weight_decay": decay}
                )
    return groups[::-1]


def make_optimizer(
    name: OptimizerName, groups: Iterable[ParameterGroup], *, fused: bool = False
) -> Optimizer:
    """Make an optimizer over `parameter_groups`.

    Args:
        name: `adamw`, `adam` or `sgd`.
        groups: What it optimizes.
        fused: Whether a step is one kernel; equal to the other way but for rounding.
    """
    param_groups: list[dict[str, Any]] = [dict(group) for group in groups]
    if name == "sgd":
        return SGD(param_groups, lr=1e-3, momentum=0.9, nesterov=True, fused=fused or None)
    return (AdamW if name == "adamw" else Adam)(param_groups, fused=fused or None)


def make_schedule(name: ScheduleName, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
    """Make a schedule that is stepped after every optimizer step; None for a constant rate.

    Args:
        name: `one_cycle` rises over 30 % of the steps to each group's rate and falls to nearly zero; `cosine`
            falls from it to zero.
        optimizer: With every group's own rate set.
        total_steps: Optimizer steps of the whole training.
    """
    if name == "one_cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, max_lr=rates, total_steps=max(total_steps, MIN_STEPS))
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=max(total_steps, MIN_STEPS))
    return None


def scheduled_optimizer(
    trainer: Trainer,
    network: nn.Module,
    groups: Iterable[ParameterGroup],
    *,
    optimizer: OptimizerName,
    schedule: ScheduleName,
    fused: bool | Auto,
) -> OptimizerLRScheduler:
    """Make what `configure_optimizers` returns: the schedule is stepped after every optimizer step.

    Args:
        trainer: Whose steps are planned.
        network: On its device, which decides whether a step is one kernel where `fused` leaves it open.
        groups: What is optimized.
        optimizer: As of `make_optimizer`.
        schedule: As of `make_schedule`.
        fused: As of `choose_fused_optimizer`.
    """
    choice = choose_fused_optimizer(fused, network, trainer.precision)
    rank_zero_info(f"fused_optimizer: {choice}")
    made = make_optimizer(optimizer, groups, fused=choice.value)
    rates = make_schedule(schedule, made, int(trainer.estimated_stepping_batches))
    if rates is None:
        return made
    return {"optimizer": made, "lr_scheduler": {"scheduler": rates, "interval": "step"}}


def planned_steps(schedule: object) -> int | None:
    """Return for how many steps a schedule of `make_schedule` was planned; None for any other."""
    if isinstance(schedule, OneCycleLR):
        return int(schedule.total_steps)
    if isinstance(schedule, CosineAnnealingLR):
        return int(schedule.T_max)
    return None


def require_planned_steps(trainer: Trainer) -> None:
    """Refuse to go on with a schedule that was planned for another number of steps.

    Raises:
        SettingError: If it was.
    """
    steps = int(trainer.estimated_stepping_batches)
    for scheduler in (config.scheduler for config in trainer.lr_scheduler_configs):
        planned = planned_steps(scheduler)
        if planned is not None and planned != max(steps, MIN_STEPS):
            raise SettingError(
                "max_epochs",
                f"{steps} optimizer steps",
                f"{planned}, for which the checkpoint's schedule was planned",
                "Go on with the same max_epochs, batch size and data, or use `schedule: constant`.",
            )
