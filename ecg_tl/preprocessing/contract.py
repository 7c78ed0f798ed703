"""What a network asks of its input, and how a recording is brought there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg_tl.errors import SettingError
from ecg_tl.limits import LEADS as NUMBER_OF_LEADS
from ecg_tl.limits import NETWORK_SAMPLES, SAMPLING_RATE, fits_type, in_words, require, shown
from ecg_tl.preprocessing.chain import Chain
from ecg_tl.preprocessing.layout import Crop, Pad
from ecg_tl.signals import check_leads

_TYPES: Mapping[str, Any] = {
    "leads": list[str],
    "sampling_rate": float,
    "num_samples": int,
    "chain": list[dict[str, Any]],
    "longer": str,
}


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

    @property
    def stored(self) -> Chain:
        """What runs once, when a dataset is prepared: all but the scaling at the chain's end."""
        return self.chain.divided()[0]

    @property
    def scaling(self) -> Chain:
        """The scaling at the chain's end, which belongs to the network: each window by itself."""
        return self.chain.divided()[1]

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
        return replace(self, chain=self.chain.fit(recordings))

    def for_leads(self, leads: Sequence[str]) -> Contract:
        """Return the contract for some of its leads; where it has one lead, any other may stand for it.

        Raises:
            SettingError: If a lead is none of the contract's.
        """
        names = check_leads(leads)
        if names == self.leads:
            return self
        unknown = [name for name in names if name not in self.leads]
        if unknown and not len(names) == len(self.leads) == 1:
            raise SettingError(
                "leads",
                ", ".join(unknown),
                f"some of {' '.join(self.leads)}, which the contract has",
                "Choose among these, or leave the leads to the contract.",
            )
        rows = [0] if unknown else [self.leads.index(name) for name in names]
        chain = Chain(tuple(step.of_leads(rows, names) for step in self.chain.steps))
        return replace(self, leads=names, chain=chain)

    def for_records(self, num_samples: int) -> Contract:
        """Return the contract for whole records that a network is given in windows.

        The filters then run over the record, and windows are cut from what they leave.

        Args:
            num_samples: Of a record, at the contract's rate.

        Raises:
            SettingError: If that is less than a window, or no multiple of a sample at the rate of the crop.
        """
        require(NETWORK_SAMPLES, num_samples, "num_samples", remedy="Correct the setting.")
        steps = []
        for step in self.chain.steps:
            if isinstance(step, Crop | Pad):
                samples, rest = divmod(step.samples * num_samples, self.num_samples)
                if rest or num_samples < self.num_samples:
                    raise SettingError(
                        "num_samples",
                        f"records of {num_samples} samples",
                        f"at least {self.num_samples}, the window of the contract, and whole samples where "
                        f"the chain has {step.samples}",
                        "Take a multiple of the window, or leave num_samples to the contract.",
                    )
                step = replace(step, samples=samples)
            steps.append(step)
        return replace(self, num_samples=num_samples, chain=Chain(tuple(steps)))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "leads": list(self.leads),
            "sampling_rate": self.sampling_rate,
            "num_samples": self.num_samples,
            "chain": self.chain.to_json(),
            "longer": self.longer,
        }

    @classmethod
    def from_json(cls, content: object, where: object = "contract") -> Contract:
        """Make a contract of what `to_json` gave, or of what somebody wrote.

        Args:
            content: As read.
            where: What is named in errors.

        Raises:
            SettingError: If it is no contract; names the entry, and of the chain the step.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(content, Mapping) or {*names} - {"longer"} - {*content} or {*content} - {*names}:
            expected = f"a table with {', '.join(names)}"
            raise SettingError(where, shown(content), expected, "Correct it.")
        for name, value in content.items():
            if not fits_type(value, _TYPES[name]):
                raise SettingError(
                    f"{where}: {name}", shown(value), in_words(_TYPES[name]), f"Correct {name}."
                )
        require(NUMBER_OF_LEADS, len(content["leads"]), f"{where}: leads", remedy="Correct leads.")
        require(SAMPLING_RATE, content["sampling_rate"], f"{where}: sampling_rate", remedy="Correct it.")
        require(NETWORK_SAMPLES, content["num_samples"], f"{where}: num_samples", remedy="Correct it.")
        leads = check_leads(content["leads"])
        chain = Chain.from_json(content["chain"])
        return cls(
            leads,
            float(content["sampling_rate"]),
            content["num_samples"],
            chain,
            *([content["longer"]] if "longer" in content else []),
        )
