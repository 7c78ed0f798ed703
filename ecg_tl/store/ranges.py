"""Where the signals lie that a network was trained on, so that others can be told apart.

Two numbers a lead: the standard deviation, which a wrong gain or unit changes, and the root mean square
frequency (Hjorth's mobility, Electroencephalogr. Clin. Neurophysiol. 29, 1970, in Hz), which noise, strong
baseline wander, heavy filters and a wrong sampling rate change. Of each the range is kept in which 99 % of
the training records lie, and a record is unfamiliar if a third of its leads are outside of it.

On PTB-XL (1,542 training records) that is said of 1.8 % of held-out records and of 2.5 % of LUDB's; of all
whose gain is wrong by a factor of 10, half of those wrong by 3, all with wander of 1 mV, 97 % with noise of
0.2 mV, and 78 % that are played twice as fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.store.encoding import decode
from ecg_tl.store.reader import Store

QUANTILES = (0.005, 0.995)
MOST_RECORDS = 2000
"""Training records that are looked at, evenly spaced: more would not move the quantiles much."""

_AT_ONCE = 200
_TINY = 1e-9  # below any range: a lead that was flat in all training records has the range from 0 to 0
_QUANTITIES = {"deviation_mv": ("standard deviation", "mV"), "frequency_hz": ("mean frequency", "Hz")}


@dataclass(frozen=True)
class SignalRanges:
    """What is usual for each lead.

    Attributes:
        deviation_mv: Least and greatest usual standard deviation of each lead, in mV.
        frequency_hz: Least and greatest usual root mean square frequency of each lead.
        records: How many records that was found in.
    """

    deviation_mv: tuple[tuple[float, float], ...]
    frequency_hz: tuple[tuple[float, float], ...]
    records: int

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint."""
        return {
            "records": self.records,
            **{name: [list(pair) for pair in getattr(self, name)] for name in _QUANTITIES},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], leads: int) -> SignalRanges:
        """Take what `as_dict` gave for so many leads.

        Raises:
            ValueError: If it is malformed.
        """
        try:
            deviation, frequency = (
                tuple((float(low), float(high)) for low, high in content[name]) for name in _QUANTITIES
            )
            records = int(content["records"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"malformed: {error!r}") from error
        if not len(deviation) == len(frequency) == leads or not np.isfinite([*deviation, *frequency]).all():
            raise ValueError(f"malformed: of {len(deviation)} and {len(frequency)} leads")
        return cls(deviation, frequency, records)


def training_ranges(store: Store, rows: NDArray[np.int64]) -> SignalRanges | None:
    """Find the ranges of a store's signals; the zeros that were appended to short records do not count.

    Args:
        store: The store.
        rows: Which of its rows.

    Returns:
        None if there is no row.
    """
    if len(rows) == 0:
        return None
    rows = np.sort(rows)
    if len(rows) > MOST_RECORDS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_RECORDS).round().astype(np.int64)]
    signals = store.signals()
    settings = store.manifest.settings
    padded = store.column("padded_samples").to_numpy()[rows]
    spreads = []
    for padding in np.unique(padded).tolist():
        alike = rows[padded == padding]
        for start in range(0, len(alike), _AT_ONCE):
            steps = signals[alike[start : start + _AT_ONCE], :, : settings.num_samples - padding]
            values = decode(np.array(steps), settings.resolution)
            spreads.append(_spreads(values, settings.sampling_rate))
    deviation, frequency = (np.concatenate(parts) for parts in zip(*spreads, strict=True))
    return SignalRanges(_ranges(deviation), _ranges(frequency), len(rows))


def unfamiliar(
    ranges: SignalRanges, signals: Sequence[NDArray[np.float32]], leads: Sequence[str], sampling_rate: float
) -> list[str]:
    """Say in what a record is unlike those that a network was trained on; nothing if it is like them.

    Args:
        ranges: What is usual.
        signals: Windows of the record, `(leads, samples)` in mV each, without padding.
        leads: Names of the rows.
        sampling_rate: In Hz, the one that the ranges were found at.
    """
    spreads = [_spreads(signal[None], sampling_rate) for signal in signals if signal.shape[1] > 1]
    if not spreads:
        return []
    said = []
    for (quantity, (name, unit)), parts in zip(_QUANTITIES.items(), zip(*spreads, strict=True), strict=True):
        values = _median(np.concatenate(parts))
        low, high = np.array(getattr(ranges, quantity)).T
        outside = [lead for lead, value in enumerate(values) if value < low[lead] or value > high[lead]]
        if len(outside) < math.ceil(len(leads) / 3):
            continue
        worst = max(
            outside, key=lambda lead: max(low[lead] / values[lead], values[lead] / max(high[lead], _TINY))
        )
        named = "all leads" if len(outside) == len(leads) else ", ".join(leads[lead] for lead in outside)
        said.append(
            f"{name} of {named}; {leads[worst]}, for one, has {values[worst]:.3g} {unit}, and usual are "
            f"{low[worst]:.3g} to {high[worst]:.3g} {unit}"
        )
    return said


def _spreads(
    signals: NDArray[np.float32], sampling_rate: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return deviation and frequency of each lead of `(records, leads, samples)`; NaN of flat leads."""
    values = signals.astype(np.float64)
    deviation = values.std(axis=2)
    deviation[np.ptp(signals, axis=2) == 0] = np.nan
    # The derivative of a sine of frequency f is 2 pi f times as large.
    slope = np.diff(values, axis=2).std(axis=2) * sampling_rate / (2 * np.pi)
    return deviation, slope / deviation


def _ranges(values: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Return the quantiles of each column; a lead that is flat in all records has no range."""
    ranges = []
    for column in values.T:
        present = column[np.isfinite(column)]
        low, high = np.quantile(present, QUANTILES).tolist() if len(present) else (0.0, 0.0)
        ranges.append((float(f"{low:.6g}"), float(f"{high:.6g}")))
    return tuple(ranges)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's median of what is not NaN; NaN, which is outside of no range, if nothing is."""
    known = np.isfinite(values).any(axis=0)
    median = np.full(values.shape[1], np.nan)
    median[known] = np.nanmedian(values[:, known], axis=0)
    return median
