"""How far a network has moved from where it started: its weights, and what it makes of the same signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile

import torch
from torch import Tensor, nn

from ecg_tl.models import EcgNetwork
from ecg_tl.models.low_rank import has_low_rank, merged_copy
from ecg_tl.transfer.report import HEAD


def l2_by_group(network: EcgNetwork, start: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, float]:
    """Measure the Euclidean distance of each layer group's parameters from where they started.

    Args:
        network: As it is.
        start: Its tensors as they were, weights in parts as sums.
        names: Parameters to count; groups without any are left out.
    """
    network = merged_copy(network) if has_low_rank(network) else network
    counted = set(names)
    parameters = dict(network.named_parameters())
    squares: dict[str, float] = {}
    for group, members in network.layer_groups().items():
        for name in counted.intersection(members):
            now = parameters[name].detach()
            moved = now.double() - start[name].to(now.device).double()
            squares[group] = squares.get(group, 0.0) + float(moved.square().sum())
    return {group: squares[group] ** 0.5 for group in network.layer_groups() if group in squares}


def cka_by_group(
    network: EcgNetwork,
    start: Mapping[str, Tensor],
    signals: Tensor,
    features: Mapping[str, Tensor] | None = None,
) -> dict[str, float]:
    """Compare what each layer group makes of signals with what it made of them at the start.

    Args:
        network: As it is; left as it is.
        start: Its tensors as they were.
        signals: `(records, leads, samples)`, normalised.
        features: What `features_by_group` gave for the start, if that is known already.
    """
    now = features_by_group(network, signals)
    before = features_by_group(network, signals, start) if features is None else features
    compared = {group: linear_cka(now[group], before[group]) for group in now}
    return {group: value for group, value in compared.items() if value is not None}


def features_by_group(
    network: EcgNetwork, signals: Tensor, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return the output of each layer group but the head, averaged over time, `(records, features)`.

    It is the output of the module that holds all the group's parameters, or of the one that holds its last.
    Layers that one module computes together (a recurrent network's) have one output, under the last's name.

    Args:
        network: Left as it is.
        signals: `(records, leads, samples)`, normalised.
        state: The network's tensors, where others are meant than those that it has; weights in parts as sums.
    """
    # A copy, so that no hook is left behind; of one that is compiled, the copy is not.
    network = merged_copy(network)
    if state is not None:
        ours = network.state_dict()
        # What a recipe has put in place since, such as another head, is no part of it.
        same = {name: x for name, x in state.items() if name in ours and ours[name].shape == x.shape}
        network.load_state_dict(ours | same)
    network.eval()
    group_at = {
        _module_of(names, network): group for group, names in network.layer_groups().items() if group != HEAD
    }
    found: dict[str, Tensor] = {}

    def keep(path: str, group: str) -> None:
        def hook(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            if isinstance(module, nn.RNNBase):
                tensor = tensor.mean(dim=1)  # (records, time, features)
            elif tensor.ndim > 2:
                tensor = tensor.flatten(start_dim=2).mean(dim=2)  # (records, features, [1,] time)
            found[group] = tensor.float()

        network.get_submodule(path).register_forward_hook(hook)

    for path, group in group_at.items():
        keep(path, group)
    with torch.no_grad():
        network.forward_features(signals)
    return found


def _module_of(names: tuple[str, ...], network: nn.Module) -> str:
    """Return the path of the module that holds all these parameters, or of the last one's."""
    owners = [name.rpartition(".")[0].split(".") for name in names]
    shared = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*owners, strict=False))]
    return ".".join(shared or owners[-1])


def linear_cka(one: Tensor, other: Tensor) -> float | None:
    """Compare two sets of features of the same records: centred kernel alignment with linear kernels.

    Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, equation 3, by the
    records' Gram matrices. 1 if they are the same up to rotation and one scale; near 0 if unrelated.

    Args:
        one: `(records, features)`.
        other: `(records, other features)`.

    Returns:
        From 0 to 1, or None if one of the sets is the same for all records.
    """
    grams = []
    for features in (one.double(), other.double()):
        centred = features - features.mean(dim=0)
        grams.append(centred @ centred.T)
    norm = float(grams[0].norm() * grams[1].norm())
    return None if norm == 0 else float((grams[0] * grams[1]).sum()) / norm
