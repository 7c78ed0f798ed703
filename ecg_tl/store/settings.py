"""What a prepared store is asked to hold: leads, rate, length, and how records are brought there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from ecg_tl.errors import SettingError
from ecg_tl.limits import NETWORK_SAMPLES, SAMPLING_RATE, require
from ecg_tl.signals import LEADS, check_leads

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

    Raises:
        SettingError: If a value is not one of the above.
    """

    leads: tuple[str, ...] = LEADS
    sampling_rate: float = 100.0
    num_samples: int = 1000
    resampling: Resampling = "polyphase"
    short: Short = "pad"
    crop: Crop | None = None

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

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {**asdict(self), "leads": list(self.leads)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StoreSettings:
        """Read what `to_json` wrote.

        Raises:
            SettingError: If a key is missing or unknown, or a value is not allowed.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            found = ", ".join(sorted(set(values) ^ names))
            raise SettingError(
                "store settings",
                f"missing or unknown keys: {found}",
                ", ".join(sorted(names)),
                "Correct the keys.",
            )
        return cls(**{**values, "leads": tuple(values["leads"])})
