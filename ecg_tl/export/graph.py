"""The network as it is exported: everything from millivolts to probabilities in one graph."""

from __future__ import annotations

from copy import deepcopy

from torch import Tensor, nn

from ecg_tl.single_choice import probabilities_of
from ecg_tl.tasks.base import EcgClassifier


class ExportedGraph(nn.Module):
    """Normalisation, network, temperature, and sigmoid or, of a choice, softmax.

    Args:
        task: The trained task; it is not changed.
        temperature: That makes its probabilities calibrated.
    """

    def __init__(self, task: EcgClassifier, temperature: float) -> None:
        super().__init__()
        self.normalization = task.normalization
        self.network = deepcopy(task.network)
        self.temperature = temperature
        self.single_choice = task.single_choice
        self.eval()
        self.network.prepare_for_export()

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Turn signals `(batch, leads, samples)` in mV into what the exported file gives.

        Returns:
            Calibrated probabilities and uncalibrated logits, both `(batch, classes)`.
        """
        logits: Tensor = self.network(self.normalization(signal))
        return probabilities_of(logits / self.temperature, self.single_choice), logits
