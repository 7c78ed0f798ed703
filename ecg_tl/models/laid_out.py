"""What networks have in common that choose how signals lie in memory."""

from __future__ import annotations

from typing import get_args

from torch import Tensor

from ecg_tl.models.base import EcgNetwork, require_one_of
from ecg_tl.models.layout import MemoryFormat, MemoryFormatChoice, choose_memory_format, to_channels_last


class LaidOutNetwork(EcgNetwork):
    """A network of the layers of `ecg_tl.models.layout`, in either memory layout.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    def __init__(
        self, num_classes: int, num_leads: int, num_samples: int, memory_format: MemoryFormat = "auto"
    ) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        require_one_of("memory_format", memory_format, get_args(MemoryFormat))
        self.memory_format: MemoryFormat = memory_format

    def chosen_memory_format(self) -> MemoryFormatChoice:
        """Say how signals lie in memory where this network is now."""
        weight = self.head.weight
        return choose_memory_format(self.memory_format, weight.device, weight.dtype)

    def hardware_choices(self) -> dict[str, str]:
        """Say how signals lie in memory, and why."""
        return {"memory_format": str(self.chosen_memory_format())}

    def prepare_for_export(self) -> None:
        """Leave to what runs the graph how tensors lie in memory."""
        self.memory_format = "contiguous"

    def _laid_out(self, signal: Tensor) -> Tensor:
        """Lay the input out as the chosen memory format wants it."""
        return to_channels_last(signal) if self.chosen_memory_format().channels_last else signal
