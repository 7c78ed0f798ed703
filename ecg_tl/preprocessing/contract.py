"""What a network asks of its input, and how a recording is brought there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg_tl.errors import SettingError
from ecg_tl.preprocessing.chain import Chain


@dataclass(frozen=True)
class Contract:
    """What an upstream asks of its input.

    Attributes:
        leads: Names of the leads, in the order of the input's rows.
        sampling_rate: Of the input, in Hz.
        num_samples: Of the input.
        chain: From a recording in millivolts to the input.
        longer: What the authors do with records that are longer.
    """

    leads: tuple[str, ...]
    sampling_rate: float
    num_samples: int
    chain: Chain
    longer: str = "the first window"

    @property
    def seconds(self) -> float:
        """Duration of the input."""
        return self.num_samples / self.sampling_rate

    def prepare(
        self, values: ArrayLike, sampling_rate: float, lead_names: Sequence[str]
    ) -> NDArray[np.float64]:
        """Take a recording through the chain.

        Args:
            values: `(leads, samples)` in millivolts.
            sampling_rate: In Hz.
            lead_names: Name of each row.

        Returns:
            `float64 (leads, num_samples)`, the network's input.

        Raises:
            SettingError: If the recording cannot be taken, or is too short.
        """
        signal = self.chain(values, sampling_rate, lead_names)
        if signal.values.shape != (len(self.leads), self.num_samples):
            samples = np.shape(values)[1]
            raise SettingError(
                "recording to prepare",
                f"{samples / sampling_rate:g} s",
                f"at least {self.seconds:g} s",
                "Take longer recordings.",
            )
        return signal.values

    def fit(self, recordings: Sequence[tuple[ArrayLike, float, Sequence[str]]]) -> Contract:
        """Return the contract with what its chain learns from the training records; see `Chain.fit`."""
        return Contract(
            self.leads, self.sampling_rate, self.num_samples, self.chain.fit(recordings), self.longer
        )
