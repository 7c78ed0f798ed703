"""Freezing and unfreezing layers, exactly: in one process and in several, at first and resumed.

Freezing never touches the optimizer: every parameter is in it from the first step, and one without a gradient
is passed over. Everything is found by name, because strategies replace modules (SyncBatchNorm).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from ecg_tl.errors import SettingError
from ecg_tl.models import EcgNetwork
from ecg_tl.models.stochastic_depth import StochasticDepth
from ecg_tl.transfer.report import HEAD


def trained_parameters(
    network: EcgNetwork, trained: frozenset[str], trains: Callable[[str], bool]
) -> frozenset[str]:
    """Name the parameters that are trained: of trained groups those that a recipe trains, and the head's.

    Args:
        network: Its `layer_groups()` name the parameters.
        trained: The groups that are trained.
        trains: Whether a parameter of the backbone is trained while its group is.
    """
    return frozenset(
        name
        for group, names in network.layer_groups().items()
        if group in trained
        for name in names
        if group == HEAD or trains(name)
    )


def set_trained(network: EcgNetwork, trained: frozenset[str]) -> bool:
    """Let gradients reach the parameters that are trained, and no others.

    Returns:
        Whether that changed anything.
    """
    changed = False
    for name, parameter in network.named_parameters():
        changed |= parameter.requires_grad != (name in trained)
        parameter.requires_grad = name in trained
        if name not in trained:
            # A gradient of zero would let weight decay, and an optimizer's moments, go on moving it.
            parameter.grad = None
    return changed


def freeze_batch_norm(network: EcgNetwork, trained: frozenset[str]) -> None:
    """Let batch norms that are frozen use the statistics that they came with, and not change them.

    Only batch norms are put in evaluation mode: cuDNN cannot run backward through a recurrent layer that is.
    """
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and module.affine:
            module.train(f"{name}.weight" in trained)


def rest_dropout(network: EcgNetwork, trained: frozenset[str]) -> None:
    """Let what drops values at random in frozen layers pass them all: dropout, and stochastic depth.

    A layer that is not trained learns nothing from it, and what is trained above would see other features of
    a record in training than in use.

    Args:
        network: Its `layer_groups()` say which layers belong together.
        trained: Names of the parameters that are trained; a group that has one is.
    """
    groups = network.layer_groups()
    group_of = {name: group for group, names in groups.items() for name in names}
    of_trained = {group_of[name] for name in trained}
    group = next(iter(groups))
    for path, module in network.named_modules():
        if isinstance(module, _DropoutNd | StochasticDepth):
            module.train(group in of_trained)
        for name, _ in module.named_parameters(prefix=path, recurse=False):
            group = group_of[name]  # what follows without parameters of its own belongs to it


def require_all_optimized(network: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Refuse an optimizer that lacks parameters: what is unfrozen later would never be trained.

    Raises:
        SettingError: Names the parameters.
    """
    optimized = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
    lacking = [name for name, parameter in network.named_parameters() if id(parameter) not in optimized]
    if lacking:
        raise SettingError(
            "configure_optimizers",
            f"an optimizer without {', '.join(lacking[:5])}" + (", ..." if len(lacking) > 5 else ""),
            "every parameter, frozen or not, from the first step",
            "Use `ecg_tl.tasks.optimization.parameter_groups`.",
        )
