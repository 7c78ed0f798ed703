"""Fitting an upstream's first and last layer to other leads, another sampling rate and other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.diagnoses import class_concept
from ecg_tl.errors import CheckpointError


@dataclass(frozen=True, eq=False)
class Adapted:
    """A tensor that was made from an upstream's.

    Attributes:
        tensor: In the downstream network's shape.
        taken: Number of its values that come from the upstream.
        note: How, for the report.
        exact: Whether it is the upstream's tensor as it was.
    """

    tensor: Tensor
    taken: int
    note: str
    exact: bool = False


# The stem: weights whose second axis is the leads -------------------------------------------------------


def select_leads(weight: Tensor, upstream_leads: Sequence[str], leads: Sequence[str]) -> Adapted:
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


# The head: rows of weights, one a class -----------------------------------------------------------------


def rows_by_diagnosis(
    upstream: Mapping[str, Any], downstream: Mapping[str, Any], where: object
) -> dict[int, int]:
    """Find the classes of two label sets that stand for the same diagnosis.

    Args:
        upstream: What the upstream was trained on (`class_names`, `class_codes`, `code_system`).
        downstream: The same of the data at hand.
        where: The upstream's file, for the error.

    Returns:
        Downstream's row to upstream's row. A diagnosis that the upstream has twice is left out.

    Raises:
        CheckpointError: If one of them does not say its codes, or they share no diagnosis.
    """
    theirs, ours = _concepts(upstream, where), _concepts(downstream, downstream.get("dataset"))
    rows = {
        row: theirs.index(concept)
        for row, concept in enumerate(ours)
        if concept is not None and theirs.count(concept) == 1
    }
    if not rows:
        raise CheckpointError(
            where,
            f"classes {', '.join(upstream['class_names'])}",
            f"some of the diagnoses of {', '.join(downstream['class_names'])}",
            "Use `head: reset`.",
        )
    return rows


def _concepts(data: Mapping[str, Any], where: object) -> list[str | None]:
    """Return the diagnosis of each class."""
    try:
        return [
            class_concept(data["code_system"], LabelClass(name, frozenset(data["class_codes"][name])))
            for name in data["class_names"]
        ]
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            where,
            f"classes without codes of a known vocabulary ({error})",
            "class_names, class_codes and code_system",
            "Use `head: reset`.",
        ) from None


def rows_by_name(upstream: Sequence[str], downstream: Sequence[str], where: object) -> dict[int, int]:
    """Find each class of a label set in the same set, in whatever order.

    Raises:
        CheckpointError: If the sets are not the same.
    """
    if sorted(upstream) != sorted(downstream):
        raise CheckpointError(
            where,
            f"classes {', '.join(upstream)}",
            f"classes {', '.join(downstream)}, for `head: keep`",
            "Use `head: by_diagnosis` or `head: reset`.",
        )
    return {row: list(upstream).index(name) for row, name in enumerate(downstream)}


def copy_rows(fresh: Tensor, upstream: Tensor, rows: Mapping[int, int], note: str) -> Adapted:
    """Put rows of an upstream's head into a fresh one.

    Args:
        fresh: `(classes, ...)`, left as it is.
        upstream: `(upstream classes, ...)`, with the same features.
        rows: Row of `fresh` to row of `upstream`.
        note: For the report.
    """
    copied = fresh.clone()
    copied[list(rows)] = upstream[list(rows.values())].to(fresh.dtype)
    exact = len(upstream) == len(fresh) and all(rows.get(row) == row for row in range(len(fresh)))
    return Adapted(copied, len(rows) * fresh[0].numel(), note, exact)
