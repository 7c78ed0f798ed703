"""Stochastic depth: in training a record passes a residual block by its shortcut alone, at random.

Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016. Each residual branch of a network ends in one
of these modules; none of them does anything until it is given a rate.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_tl.limits import Limit, require_settings

RATE = Limit("stochastic_depth", 0.0, 0.95)
"""Where nothing is kept, nothing is learned."""


class StochasticDepth(nn.Module):
    """Drops what a residual branch adds, record by record, and scales up what it keeps.

    It draws from PyTorch's own generator, as dropout does: so a training that goes on draws what would have
    come next.

    Attributes:
        rate: Share of records for which the branch is dropped in training.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = 0.0

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"rate={self.rate:g}"

    def forward(self, branch: Tensor) -> Tensor:
        """Map what is added, `(batch, ...)`, to as much."""
        if not self.training or self.rate == 0:
            return branch
        kept = branch.new_empty((len(branch), *[1] * (branch.ndim - 1))).bernoulli_(1 - self.rate)
        return branch * kept.div_(1 - self.rate)


def has_residual_blocks(network: nn.Module) -> bool:
    """Say whether a network has branches that can be dropped."""
    return any(isinstance(module, StochasticDepth) for module in network.modules())


def set_stochastic_depth(network: nn.Module, rate: float) -> None:
    """Give each residual branch its rate: rising in equal steps from nearly 0 to `rate` at the last one.

    Args:
        network: Changed in place.
        rate: Share of records for which the last branch is dropped; 0 drops none.

    Raises:
        SettingError: If the rate is out of range.
    """
    require_settings(stochastic_depth=(RATE, rate))
    branches = [module for module in network.modules() if isinstance(module, StochasticDepth)]
    for number, branch in enumerate(branches, start=1):
        branch.rate = rate * number / len(branches)
