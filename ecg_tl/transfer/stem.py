"""Fitting an upstream's first layer to other leads and another sampling rate.

Its weights have the leads as their second axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import EcgNetwork
from ecg_tl.transfer.adapted import Adapted
from ecg_tl.transfer.groups import Matching


def adapt_stem(
    upstream: Upstream, network: EcgNetwork, settings: Matching, downstream: Mapping[str, Any] | None
) -> dict[str, Adapted]:
    """Fit the weights that meet the leads.

    Raises:
        CheckpointError: If the leads differ and no policy says what to do, or the upstream does not say which
            leads it has.
        SettingError: If kernels are to be resampled where there are none, or rates are not known.
    """
    theirs, ours = upstream.data or {}, downstream or {}
    adapted: dict[str, Adapted] = {}
    for name in network.input_weight_names:
        weight = upstream.weights.get(name)
        wanted = network.get_parameter(name)
        if weight is None or weight.ndim != wanted.ndim or weight.shape[0] != wanted.shape[0]:
            continue  # reported as missing or of another shape
        result = Adapted(weight, weight.numel(), "", exact=True)
        if settings.resample_stem and theirs.get("sampling_rate") != ours.get("sampling_rate"):
            result = _resampled(weight, theirs.get("sampling_rate"), ours.get("sampling_rate"), upstream)
        if settings.stem == "select":
            result = _joined(
                result, _selected(result.tensor, theirs.get("leads"), ours.get("leads"), upstream)
            )
        elif settings.stem == "mean" and weight.shape[1] != wanted.shape[1]:
            result = _joined(result, mean_leads(result.tensor, wanted.shape[1]))
        elif weight.shape[1] != wanted.shape[1]:
            raise CheckpointError(
                upstream.path,
                f"{name} for {weight.shape[1]} leads",
                f"{wanted.shape[1]} leads",
                "Choose `stem: select` (by the leads' names) or `stem: mean`.",
            )
        if not result.exact and result.tensor.shape == wanted.shape:
            adapted[name] = result
    return adapted


def _resampled(weight: Tensor, theirs: float | None, ours: float | None, upstream: Upstream) -> Adapted:
    if weight.ndim != 3:
        raise SettingError(
            "resample_stem",
            "a network without kernels over time in its first layer",
            "a convolutional network",
            "Prepare the store at the upstream's sampling rate.",
        )
    if theirs is None or ours is None:
        raise CheckpointError(
            upstream.path,
            "no sampling rate",
            "one to resample the kernels from",
            "Remove resample_stem, and prepare the store at the upstream's rate.",
        )
    return Adapted(
        resample_kernel(weight, theirs, ours), weight.numel(), f"kernels from {theirs:g} to {ours:g} Hz"
    )


def _selected(
    weight: Tensor, theirs: list[str] | None, ours: list[str] | None, upstream: Upstream
) -> Adapted:
    if theirs is None or ours is None or len(theirs) != weight.shape[1]:
        raise CheckpointError(
            upstream.path,
            "no names of its leads",
            "names to select leads by",
            "Choose `stem: mean`, or prepare the data with the upstream's leads in its order.",
        )
    if not set(theirs) & set(ours):
        raise CheckpointError(
            upstream.path,
            f"leads {', '.join(theirs)}",
            f"some of {', '.join(ours)}",
            "Choose `stem: mean`.",
        )
    return select_lead_weights(weight, theirs, ours)


def _joined(first: Adapted, then: Adapted) -> Adapted:
    """Tell of two adaptations of one tensor."""
    notes = [step.note for step in (first, then) if not step.exact]
    return Adapted(then.tensor, then.taken, "; ".join(notes), first.exact and then.exact)


def select_lead_weights(weight: Tensor, upstream_leads: Sequence[str], leads: Sequence[str]) -> Adapted:
    """Take each lead's weights by the lead's name.

    A lead that the upstream has not seen starts with weights of zero: the network then begins with what the
    upstream made of the other leads, and learns the new one.

    Args:
        weight: `(channels, upstream leads, ...)`: a convolution's kernel, or a recurrent input weight.
        upstream_leads: Names along its second axis.
        leads: Names wanted.
    """
    position = {lead: number for number, lead in enumerate(upstream_leads)}
    new = [lead for lead in leads if lead not in position]
    selected = weight.new_zeros((weight.shape[0], len(leads), *weight.shape[2:]))
    for number, lead in enumerate(leads):
        if lead in position:
            selected[:, number] = weight[:, position[lead]]
    known = len(leads) - len(new)
    note = f"{known} of {len(upstream_leads)} leads selected by name"
    if new:
        note += f"; zero for {', '.join(new)}"
    return Adapted(selected, known * weight[:, 0].numel(), note, exact=list(leads) == list(upstream_leads))


def mean_leads(weight: Tensor, num_leads: int) -> Adapted:
    """Give every lead the mean of the upstream's weights over leads.

    The mean is scaled by the quotient of the numbers of leads, so that leads which agree sum to what they
    summed to upstream.

    Args:
        weight: `(channels, upstream leads, ...)`.
        num_leads: Leads wanted.
    """
    upstream_leads = weight.shape[1]
    mean = weight.mean(dim=1, keepdim=True) * (upstream_leads / num_leads)
    adapted = mean.expand(-1, num_leads, *weight.shape[2:]).clone()
    return Adapted(adapted, adapted.numel(), f"mean of {upstream_leads} leads for each of {num_leads}")


def resample_kernel(weight: Tensor, upstream_rate: float, rate: float) -> Tensor:
    """Interpolate convolution kernels, so that they answer a signal at another rate as they did before.

    Taps are joined by straight lines about the kernel's middle, which keeps a kernel's sum as far as its
    length allows: at a higher rate the same kernel would need more taps than there are, and is cut off.

    Args:
        weight: `(channels, leads, taps)`.
        upstream_rate: In Hz, for which the kernels were trained.
        rate: In Hz, wanted.

    Returns:
        `(channels, leads, taps)`.
    """
    taps = weight.shape[-1]
    steps = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    before, after = steps / upstream_rate, steps / rate  # seconds from the middle
    slower = min(upstream_rate, rate)
    hats = (1 - (before[:, None] - after[None, :]).abs() * slower).clamp(min=0)
    kernel = weight.double() @ hats * min(1.0, upstream_rate / rate)
    return kernel.to(weight.dtype)
