"""The vocabulary of signals: lead names and their order, units, and what a record and a batch are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError, SettingError

if TYPE_CHECKING:
    from torch import Tensor

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard leads, in the order that every array of this package uses."""

LIMB_LEADS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""As sums of I and II: Einthoven's law, and Goldberger's augmented leads."""

MICROVOLTS_PER_STEP = 1.0
"""Resolution of stored signals; int16 at 1 µV reaches ±32.767 mV, far beyond any surface ECG."""

SMALLEST_PEAK, LARGEST_PEAK = 0.1, 20.0
"""mV, the median over leads: a gain of 4880 or 200 instead of 1000 per mV leads out of this range."""

MILLIVOLTS = "mV"
RELATIVE = "relative"
"""Units of signals: the second of those that a chain has scaled by what they are themselves."""

_STANDARD_SPELLING = {lead.lower(): lead for lead in LEADS}

_LEAD_PREFIX = re.compile(r"^(?:(?:ecg|ekg|lead|channel)[\s_:.]*)+(?=\S)", re.IGNORECASE)

_MILLIVOLTS_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}


@dataclass(frozen=True)
class Recording:
    """One ECG as it was read.

    Attributes:
        values: `float32 (leads, samples)` in millivolts; NaN where the file says that no value was measured.
        leads: Name of each row, in standard spelling where the lead is a standard one.
        sampling_rate: In Hz.
    """

    values: NDArray[np.float32]
    leads: tuple[str, ...]
    sampling_rate: float


class Batch(TypedDict):
    """What a dataloader yields and every network's task consumes.

    `signal (batch, leads, samples)` float32, `target (batch, classes)` float32, `index (batch,)` int64: the
    row in the store. Where records are judged by windows there is `windows (batch,)` int64 as well: how many
    consecutive rows of `signal (all windows, leads, samples)` each record has.
    """

    signal: Tensor
    target: Tensor
    index: Tensor
    windows: NotRequired[Tensor]


def standard_lead(name: str) -> str:
    """Spell a lead's name as `LEADS` does: `avr`, `Lead aVR` and `ECG_AVR` are `aVR`.

    Other names come back as they are, `-aVR` among them, which is another lead. This is the one rule for
    names in headers, tables and options.
    """
    stripped = name.strip()
    return _STANDARD_SPELLING.get(_LEAD_PREFIX.sub("", stripped).lower(), stripped)


def check_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """Return lead names in standard spelling.

    Raises:
        SettingError: If the list is empty, or a lead is unknown or named twice.
    """
    names = tuple(standard_lead(lead) for lead in leads)
    unknown = [lead for lead in names if lead not in LEADS]
    if unknown or not names or len(set(names)) < len(names):
        raise SettingError(
            "leads",
            ", ".join(leads) or "an empty list",
            f"names out of {' '.join(LEADS)}, each once",
            "Correct the list of leads.",
        )
    return names


def millivolts_per(unit: str, where: object) -> float:
    """Return how many millivolts one `unit` is.

    Args:
        unit: As written in a file: `mV`, `mv`, `uV`, `µV`, `V`, `nV`.
        where: The file that says so, for the error.

    Raises:
        RecordError: If the unit is none of voltage; nothing is guessed.
    """
    try:
        return _MILLIVOLTS_PER_UNIT[unit.strip().lower()]
    except KeyError:
        raise RecordError(
            where, f"the unit {unit!r}", "a unit of voltage: V, mV, uV or nV", "Correct the header."
        ) from None


def select_leads(recording: Recording, leads: Sequence[str], where: object) -> NDArray[np.float32]:
    """Return the rows of `recording` named in `leads`, in that order: `float32 (len(leads), samples)`.

    Raises:
        RecordError: If a lead is missing, or is there twice.
    """
    missing = [lead for lead in leads if lead not in recording.leads]
    repeated = [lead for lead in leads if recording.leads.count(lead) > 1]
    if missing or repeated:
        fault = f"no lead {', '.join(missing)}" if missing else f"lead {', '.join(repeated)} more than once"
        raise RecordError(
            where,
            f"{fault} among {' '.join(recording.leads)}",
            f"each of {' '.join(leads)} once",
            "Leave the record out, or ask for leads that it has.",
        )
    return recording.values[[recording.leads.index(lead) for lead in leads]]
