"""What a prepared store is asked to hold: leads, rate, length, and how records are brought there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from ecg_tl.errors import SettingError
from ecg_tl.limits import NETWORK_SAMPLES, SAMPLING_RATE, require
from ecg_tl.preprocessing import Chain, Contract
from ecg_tl.signals import LEADS, MICROVOLTS_PER_STEP, MILLIVOLTS, RELATIVE, check_leads

Resampling = Literal["polyphase", "stride"]
Short = Literal["pad", "drop"]
Crop = Literal["start", "center"]


@dataclass(frozen=True)
class StoreSettings:
    """Settings that decide, with the dataset and its files, every byte of a store.

    Attributes:
        leads: Names of the rows, in this order.
        sampling_rate: In Hz.
        num_samples: Length of every stored record.
        resampling: `"polyphase"` filters out what the lower rate cannot carry; `"stride"` keeps every k-th
            sample and lets it alias, as the paper's protocol does.
        short: What happens to a record of fewer samples: `"pad"` with zeros at the end, or `"drop"`.
        crop: Which part of a longer record is kept; None leaves it to the dataset.
        chain: Steps that bring a recording there in place of this project's own; leads, rate and length are
            then those of what they give. See `under`.
        shortest: Samples that a record must have behind a chain; all if None. Others get zeros at the end.

    Raises:
        SettingError: If a value is not one of the above.
    """

    leads: tuple[str, ...] = LEADS
    sampling_rate: float = 100.0
    num_samples: int = 1000
    resampling: Resampling = "polyphase"
    short: Short = "pad"
    crop: Crop | None = None
    chain: Chain | None = None
    shortest: int | None = None

    def __post_init__(self) -> None:
        # One spelling a meaning: the settings are hashed, and 100 and 100.0 must give one store.
        object.__setattr__(self, "leads", check_leads(self.leads))
        require(SAMPLING_RATE, self.sampling_rate, "sampling_rate", remedy="Correct the setting.")
        object.__setattr__(self, "sampling_rate", float(self.sampling_rate))
        # 1000.0 is 1000, as in JSON and YAML.
        given: object = self.num_samples
        samples = int(given) if isinstance(given, float) and given.is_integer() else given
        require(NETWORK_SAMPLES, samples, "num_samples", remedy="Correct the setting.")
        object.__setattr__(self, "num_samples", int(self.num_samples))
        choices: tuple[tuple[str, object, tuple[object, ...]], ...] = (
            ("resampling", self.resampling, get_args(Resampling)),
            ("short", self.short, get_args(Short)),
            ("crop", self.crop, (*get_args(Crop), None)),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                expected = f"one of {', '.join(map(str, allowed))}"
                raise SettingError(name, repr(value), expected, "Choose one of these.")

    def resolved(self, dataset_crop: str) -> StoreSettings:
        """Return these settings with `crop` filled in from the dataset's where it is None."""
        if self.crop is not None:
            return self
        return replace(self, crop=dataset_crop)  # type: ignore[arg-type]  # checked by `__post_init__`

    @classmethod
    def under(cls, contract: Contract, shortest: int | None = None) -> StoreSettings:
        """Return the settings of a store of which a contract's scaling makes the network's input.

        Args:
            contract: Of the records that are stored.
            shortest: Samples that a record must have, or else is left out; all if None.
        """
        return cls(
            leads=contract.leads,
            sampling_rate=contract.sampling_rate,
            num_samples=contract.num_samples,
            short="drop",
            crop="start",
            chain=contract.stored,
            shortest=shortest or contract.num_samples,
        )

    @property
    def resolution(self) -> float:
        """What a stored step of 1 stands for: 0.001 mV, or what a chain that leaves millivolts asks for."""
        return MICROVOLTS_PER_STEP / 1000.0 if self.chain is None else self.chain.resolution

    @property
    def units(self) -> str:
        """Of what is stored."""
        return MILLIVOLTS if self.chain is None or self.chain.in_millivolts else RELATIVE

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values; without a chain, those that there were before there was any."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"leads": list(self.leads)}
        chain, shortest = values.pop("chain"), values.pop("shortest")
        return values if chain is None else {**values, "chain": chain.to_json(), "shortest": shortest}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StoreSettings:
        """Read what `to_json` wrote.

        Raises:
            SettingError: If a key is missing or unknown, or a value is not allowed.
        """
        names = {field.name for field in fields(cls)}
        if "chain" not in values:
            names -= {"chain", "shortest"}
        if set(values) != names:
            found = ", ".join(sorted(set(values) ^ names))
            raise SettingError(
                "store settings",
                f"missing or unknown keys: {found}",
                ", ".join(sorted(names)),
                "Correct the keys.",
            )
        chain = {"chain": Chain.from_json(values["chain"])} if "chain" in values else {}
        return cls(**{**values, "leads": tuple(values["leads"]), **chain})
