"""Which disturbances records are scored under, and at which levels: those that their signals can meet."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ecg_tl.disturbances import (
    CHEST_LEADS,
    LIMB_LEADS,
    SWAPS,
    baseline_wander,
    electrode_motion,
    first_seconds,
    lose_leads,
    mains_interference,
    muscle_noise,
    recorded_at,
    swap_electrodes,
    swap_sources,
    without_leads,
    wrong_gain,
)
from ecg_tl.errors import SettingError
from ecg_tl.store.settings import Resampling

Disturb = Callable[[Tensor, Sequence[torch.Generator]], Tensor]

WANDER_MV = (0.05, 0.1, 0.2, 0.5, 1.0)
MAINS_MV = (0.02, 0.05, 0.1, 0.2, 0.5)
MUSCLE_MV = (0.02, 0.05, 0.1, 0.2, 0.5)
MOTION_MV = (0.1, 0.2, 0.5, 1.0, 2.0)
LOST_LEADS = (1, 2, 3, 6, 9, 11)
GAINS = (0.1, 0.5, 0.8, 1.25, 2.0, 10.0)
RATES_HZ = (250.0, 125.0, 80.0, 60.0, 40.0, 30.0, 20.0)
LENGTHS_S = (8.0, 6.0, 4.0, 2.0, 1.0)

NAMED_LOSSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("limb leads lost", LIMB_LEADS),
    ("chest leads lost", CHEST_LEADS),
    ("I and II alone", LIMB_LEADS[2:] + CHEST_LEADS),
    ("II alone", tuple(lead for lead in LIMB_LEADS + CHEST_LEADS if lead != "II")),
    ("I alone", LIMB_LEADS[1:] + CHEST_LEADS),
)
"""Six electrodes that come off with a cable, and what a monitor, a rhythm strip and a watch record."""

AT_ELECTRODES = "RMS at each electrode, mV"


@dataclass(frozen=True)
class Recorder:
    """What decides which disturbances there can be.

    Attributes:
        leads: Name of each row of a signal.
        sampling_rate: In Hz.
        num_samples: Length of a signal.
        resampling: How the store came to that rate.
        mains_frequency: 50 or 60 Hz.
    """

    leads: tuple[str, ...]
    sampling_rate: float
    num_samples: int
    resampling: Resampling = "polyphase"
    mains_frequency: float = 50.0


@dataclass(frozen=True)
class Condition:
    """One disturbance at one level.

    Attributes:
        label: The level with its unit, or the name of what is done.
        level: On the kind's scale; None where there is none.
        disturb: Takes signals `(batch, leads, samples)` in mV and one generator a record.
    """

    label: str
    level: float | None
    disturb: Disturb

    @property
    def tick(self) -> str:
        """What stands below an axis."""
        return self.label if self.level is None else f"{self.level:g}"


@dataclass(frozen=True)
class Disturbance:
    """One kind of disturbance.

    Attributes:
        name: On the command line and in tables.
        title: In words.
        scale: What the levels are, with their unit.
        conditions: At least one.
        is_noise: Whether something is added, so that there is a signal-to-noise ratio.
    """

    name: str
    title: str
    scale: str
    conditions: tuple[Condition, ...]
    is_noise: bool = False

    @property
    def number(self) -> int:
        """What its random numbers depend on: not on which other kinds there are."""
        return zlib.crc32(self.name.encode())

    @property
    def is_ordered(self) -> bool:
        """Whether its conditions lie on a scale."""
        return all(condition.level is not None for condition in self.conditions)


def make_kinds(recorder: Recorder, names: Sequence[str] | None = None) -> tuple[list[Disturbance], list[str]]:
    """Make all kinds of disturbances that such signals can meet.

    Args:
        recorder: Of the signals.
        names: Those of `KINDS` that are wanted; all if None.

    Returns:
        The kinds in the order of `KINDS`, and a sentence on each that was left out.

    Raises:
        SettingError: If a name is unknown, or nothing is left.
    """
    unknown = [name for name in names or () if name not in KINDS]
    if unknown:
        raise SettingError(
            "kinds", ", ".join(unknown), f"some of {', '.join(KINDS)}", "Correct the names of the kinds."
        )
    made, remarks = [], []
    for name, make in KINDS.items():
        if names is None or name in names:
            result = make(recorder)
            if isinstance(result, str):
                remarks.append(f"{name} left out: {result}")
            else:
                made.append(result)
    if not made:
        raise SettingError(
            "kinds",
            "; ".join(remarks) or "none",
            "at least one disturbance that these signals can meet",
            "Name other kinds, or none for all.",
        )
    return made, remarks


def _noise(
    name: str, title: str, add: Callable[..., Tensor], levels: Sequence[float], scale: str = AT_ELECTRODES
) -> Callable[[Recorder], Disturbance | str]:
    def make(recorder: Recorder) -> Disturbance:
        known = partial(add, leads=recorder.leads, sampling_rate=recorder.sampling_rate)

        def at(level: float) -> Disturb:
            return lambda signal, generators: known(signal, level, generators)

        conditions = tuple(Condition(f"{level:g} mV", level, at(level)) for level in levels)
        return Disturbance(name, title, scale, conditions, is_noise=True)

    return make


def _mains(recorder: Recorder) -> Disturbance | str:
    nyquist = recorder.sampling_rate / 2
    if recorder.mains_frequency >= nyquist and recorder.resampling == "polyphase":
        return (
            f"{recorder.mains_frequency:g} Hz are not below {nyquist:g} Hz, half the sampling rate, so that "
            "the store's filter takes them out of every record."
        )
    add = partial(mains_interference, frequency=recorder.mains_frequency)
    return _noise("mains", f"mains, {recorder.mains_frequency:g} Hz", add, MAINS_MV)(recorder)


def _leads_lost(recorder: Recorder) -> Disturbance | str:
    counts = [count for count in LOST_LEADS if count < len(recorder.leads)]
    if not counts:
        return "there is one lead alone."

    def at(count: int) -> Disturb:
        return lambda signal, generators: lose_leads(signal, count, generators)

    conditions = tuple(Condition(f"{n} lead{'s' * (n > 1)}", float(n), at(n)) for n in counts)
    scale = f"random leads of {len(recorder.leads)} at zero"
    return Disturbance("leads_lost", "leads lost at random", scale, conditions)


def _leads_kept(recorder: Recorder) -> Disturbance | str:
    def at(lost: tuple[str, ...]) -> Disturb:
        return lambda signal, _: without_leads(signal, lost, leads=recorder.leads)

    conditions = []
    for label, names in NAMED_LOSSES:
        lost = tuple(lead for lead in recorder.leads if lead in names)
        promised = [lead for lead in LIMB_LEADS + CHEST_LEADS if lead not in names]
        # "I and II alone" is not what happens where II is not among the leads to begin with.
        if lost and set(promised) <= set(recorder.leads):
            conditions.append(Condition(label, None, at(lost)))
    if not conditions:
        return f"none of {', '.join(label for label, _ in NAMED_LOSSES)} can happen to these leads."
    return Disturbance("leads_kept", "cables off, fewer leads", "other leads at zero", tuple(conditions))


def _swaps(recorder: Recorder) -> Disturbance | str:
    def at(swap: str) -> Disturb:
        return lambda signal, _: swap_electrodes(signal, swap, leads=recorder.leads)

    conditions = []
    for swap in SWAPS:
        try:
            sources = swap_sources(swap, recorder.leads)
        except SettingError:  # a lead that would take another's place is not among these
            continue
        if sources != [(1.0, row) for row in range(len(recorder.leads))]:
            conditions.append(Condition(swap, None, at(swap)))
    if not conditions:
        return "no swap exchanges leads that are all there."
    return Disturbance("swap", "electrodes exchanged", "electrodes in each other's place", tuple(conditions))


def _gains(recorder: Recorder) -> Disturbance | str:
    def at(factor: float) -> Disturb:
        return lambda signal, _: wrong_gain(signal, factor)

    conditions = tuple(Condition(f"× {factor:g}", factor, at(factor)) for factor in GAINS)
    return Disturbance("gain", "wrong gain", "factor of the amplitude", conditions)


def _rates(recorder: Recorder) -> Disturbance | str:
    rates = [rate for rate in RATES_HZ if rate < recorder.sampling_rate]
    if not rates:
        return f"{recorder.sampling_rate:g} Hz is not above {min(RATES_HZ):g} Hz, the lowest rate here."

    def at(rate: float) -> Disturb:
        return lambda signal, _: recorded_at(signal, rate, sampling_rate=recorder.sampling_rate)

    conditions = tuple(Condition(f"{rate:g} Hz", rate, at(rate)) for rate in rates)
    return Disturbance("sampling_rate", "slower recorder", "sampling rate before resampling, Hz", conditions)


def _lengths(recorder: Recorder) -> Disturbance | str:
    duration = recorder.num_samples / recorder.sampling_rate
    lengths = [seconds for seconds in LENGTHS_S if seconds < duration]
    if not lengths:
        return f"{duration:g} s is not above {min(LENGTHS_S):g} s, the shortest length here."

    def at(seconds: float) -> Disturb:
        return lambda signal, _: first_seconds(signal, seconds, sampling_rate=recorder.sampling_rate)

    conditions = tuple(Condition(f"{seconds:g} s", seconds, at(seconds)) for seconds in lengths)
    return Disturbance(
        "length", "shorter recording", f"first seconds of {duration:g}, the rest zero", conditions
    )


KINDS: dict[str, Callable[[Recorder], Disturbance | str]] = {
    "wander": _noise("wander", "baseline wander", baseline_wander, WANDER_MV),
    "mains": _mains,
    "muscle": _noise("muscle", "muscle noise", muscle_noise, MUSCLE_MV),
    "motion": _noise(
        "motion", "electrode motion", electrode_motion, MOTION_MV, "RMS at one electrode a record, mV"
    ),
    "leads_lost": _leads_lost,
    "leads_kept": _leads_kept,
    "swap": _swaps,
    "gain": _gains,
    "sampling_rate": _rates,
    "length": _lengths,
}
"""By name: makes a kind for signals of a recorder, or says why they cannot meet it."""
