"""What is made of an upstream's tensor to fit another network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
