"""What may go wrong between a patient and a network, done to ECGs on purpose.

Noise, lost leads, exchanged electrodes, wrong gains, slow recorders and short recordings. Every function
takes signals `(batch, leads, samples)` in millivolts and returns new ones of the same shape; what is random
comes from one generator a record, so that a record is disturbed the same whatever batch it is in.

Noise arises at electrodes, as in `ecg_tl.synthesis.noise`, so that it keeps the lead relations. Its level is
the root mean square at an electrode over the record: the six chest leads see 1.15 times as much, aVR, aVL and
aVF 1.22 times and I, II and III 1.41 times, where all electrodes are disturbed independently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.preprocessing.polyphase import rate_ratio
from ecg_tl.signals import LEADS
from ecg_tl.store.resample import resample
from ecg_tl.synthesis.leads import ELECTRODE_MATRIX, ELECTRODES, twelve_leads
from ecg_tl.transforms import WANDER_BAND_HZ

WANDER_TONES = 5
MUSCLE_BAND_HZ = (20.0, 120.0)
"""Muscle noise rises up to the first and falls off from the second, as in `ecg_tl.synthesis.noise`."""

MOTION_JUMPS_PER_SECOND = 0.5
MOTION_DECAY_SECONDS = (0.2, 1.0)
"""An electrode's potential jumps when the skin is stretched; the amplifier's AC coupling lets it decay."""

LIMB_LEADS, CHEST_LEADS = LEADS[:6], LEADS[6:]

_AT_ELECTRODES = twelve_leads(ELECTRODE_MATRIX.astype(np.float32))  # (12 leads, 9 electrodes)

_Draw = Callable[[torch.Generator], Tensor]
_Sources = dict[str, tuple[float, str]]

SWAPS: MappingProxyType[str, _Sources] = MappingProxyType(
    {
        "LA–RA": {
            "I": (-1.0, "I"),
            "II": (1.0, "III"),
            "III": (1.0, "II"),
            "aVR": (1.0, "aVL"),
            "aVL": (1.0, "aVR"),
        },
        "LA–LL": {
            "I": (1.0, "II"),
            "II": (1.0, "I"),
            "III": (-1.0, "III"),
            "aVL": (1.0, "aVF"),
            "aVF": (1.0, "aVL"),
        },
        "RA–LL": {
            "I": (-1.0, "III"),
            "II": (-1.0, "II"),
            "III": (-1.0, "I"),
            "aVR": (1.0, "aVF"),
            "aVF": (1.0, "aVR"),
        },
        "V1–V2": {"V1": (1.0, "V2"), "V2": (1.0, "V1")},
        "V1–V3": {"V1": (1.0, "V3"), "V3": (1.0, "V1")},
        "V1–V6 reversed": {
            lead: (1.0, source) for lead, source in zip(CHEST_LEADS, reversed(CHEST_LEADS), strict=True)
        },
    }
)
"""Electrodes put in each other's place: which lead then shows which, with which sign; others stay.

Einthoven's and Goldberger's definitions with the electrodes renamed. Wilson's central terminal is the mean of
the three limb electrodes and does not notice, so that limb swaps leave the chest leads alone. Swaps with the
right leg's electrode, the ground, are no permutation of leads and are not here.
"""


def record_generators(seed: int, kind: int, rows: Sequence[int]) -> list[torch.Generator]:
    """Make one generator a record, on the CPU: the same for a record in every batch.

    Args:
        seed: Of the user.
        kind: A number of the kind of disturbance, so that kinds are drawn independently.
        rows: Which records.
    """
    states = (np.random.SeedSequence((seed, kind, row)).generate_state(1, np.uint64)[0] for row in rows)
    return [
        torch.Generator().manual_seed(int(state) >> 1) for state in states
    ]  # 63 bits, as torch takes them


# Noise --------------------------------------------------------------------------------------------------


def baseline_wander(
    signal: Tensor,
    level: float,
    generators: Sequence[torch.Generator],
    *,
    leads: Sequence[str],
    sampling_rate: float,
) -> Tensor:
    """Add a slow wander, of breathing and sweat: five sines of 0.05 to 0.5 Hz, mixed anew at each electrode.

    Args:
        signal: `(batch, leads, samples)` in mV.
        level: Root mean square at each electrode, in mV.
        generators: One a record.
        leads: Name of each row.
        sampling_rate: In Hz.
    """
    low, high = WANDER_BAND_HZ
    draws = _draw(generators, lambda g: torch.rand(WANDER_TONES, generator=g))
    frequencies = low + (high - low) * draws
    return signal + _in_leads(level * _tones(signal, frequencies, generators, sampling_rate), signal, leads)


def mains_interference(
    signal: Tensor,
    level: float,
    generators: Sequence[torch.Generator],
    *,
    leads: Sequence[str],
    sampling_rate: float,
    frequency: float = 50.0,
) -> Tensor:
    """Add the mains: one sine, with a phase of its own at each electrode.

    It is sampled as it is: from half the sampling rate on it turns up at another frequency, as in a signal
    that was decimated without a filter.

    Args:
        signal: `(batch, leads, samples)` in mV.
        level: Root mean square at each electrode, in mV.
        generators: One a record.
        leads: Name of each row.
        sampling_rate: In Hz.
        frequency: In Hz; 50 or 60.
    """
    frequencies = torch.full((len(signal), 1), frequency)
    return signal + _in_leads(level * _tones(signal, frequencies, generators, sampling_rate), signal, leads)


def muscle_noise(
    signal: Tensor,
    level: float,
    generators: Sequence[torch.Generator],
    *,
    leads: Sequence[str],
    sampling_rate: float,
) -> Tensor:
    """Add the noise of tense muscles: Gaussian, mostly from 20 Hz on, independent at each electrode.

    Args:
        signal: `(batch, leads, samples)` in mV.
        level: Root mean square at each electrode, in mV, of what the sampling rate holds of it.
        generators: One a record.
        leads: Name of each row.
        sampling_rate: In Hz.
    """
    samples = signal.shape[-1]
    white = _draw(generators, lambda g: torch.randn((len(ELECTRODES), samples), generator=g))
    frequency = torch.fft.rfftfreq(samples, 1 / sampling_rate)
    rise, fall = ((frequency / corner) ** 2 for corner in MUSCLE_BAND_HZ)
    shaped = torch.fft.irfft(torch.fft.rfft(white) * rise / (1 + rise) / (1 + fall), n=samples)
    return signal + _in_leads(level * _to_unit(shaped), signal, leads)


def electrode_motion(
    signal: Tensor,
    level: float,
    generators: Sequence[torch.Generator],
    *,
    leads: Sequence[str],
    sampling_rate: float,
) -> Tensor:
    """Let one electrode of each record move: its potential jumps every other second, and decays.

    Jumps reach into the frequencies of the QRS complex, which no filter takes out.

    Args:
        signal: `(batch, leads, samples)` in mV.
        level: Root mean square at that electrode, in mV.
        generators: One a record.
        leads: Name of each row.
        sampling_rate: In Hz.
    """
    samples = signal.shape[-1]
    seconds = torch.arange(samples) / sampling_rate
    jumps = max(1, round(MOTION_JUMPS_PER_SECOND * samples / sampling_rate))
    shortest, longest = MOTION_DECAY_SECONDS
    begin, decay, choice = _draw(generators, lambda g: torch.rand((3, jumps), generator=g)).unbind(dim=1)
    height = _draw(generators, lambda g: torch.randn(jumps, generator=g))
    # One in the first half at least: a lone jump at the very end would be scaled up beyond all measure.
    begin = begin * samples / sampling_rate * torch.where(torch.arange(jumps) == 0, 0.5, 1.0)
    since = seconds - begin[..., None]  # (batch, jumps, samples)
    constant = (shortest + (longest - shortest) * decay)[..., None]
    course = (height[..., None] * torch.exp(-since.clamp(min=0) / constant) * (since >= 0)).sum(dim=1)
    matrix = _electrode_matrix(leads)
    seen = torch.nonzero(
        matrix.abs().sum(dim=0)
    ).flatten()  # no chest electrode where there are limb leads alone
    electrode = seen[(choice[:, 0] * len(seen)).long().clamp(max=len(seen) - 1)]
    potentials = torch.zeros(len(signal), len(ELECTRODES), samples)
    potentials[torch.arange(len(signal)), electrode] = level * _to_unit(course)
    return signal + _in_leads(potentials, signal, leads)


def signal_to_noise(clean: Tensor, disturbed: Tensor) -> Tensor:
    """Give each record's signal-to-noise ratio in dB, `(batch,)`; infinite where nothing was added.

    The clean signal's power about each lead's mean over the power of what was added, both over all leads.
    """
    power = (clean - clean.mean(dim=-1, keepdim=True)).double().square().mean(dim=(1, 2))
    noise = (disturbed - clean).double().square().mean(dim=(1, 2))
    return 10 * torch.log10(power / noise)


# Leads --------------------------------------------------------------------------------------------------


def lose_leads(signal: Tensor, count: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Set `count` leads of each record to zero, drawn at random; those lost at a lower count are among them.

    Args:
        signal: `(batch, leads, samples)` in mV.
        count: How many.
        generators: One a record.

    Raises:
        SettingError: If there are not so many.
    """
    leads = signal.shape[1]
    if not 0 <= count <= leads:
        raise SettingError("lost leads", str(count), f"from 0 to {leads}", "Correct the number.")
    order = _draw(generators, lambda g: torch.randperm(leads, generator=g))
    lost = torch.zeros(order.shape, dtype=torch.bool).scatter(1, order[:, :count], value=True)
    return signal.masked_fill(lost[..., None].to(signal.device), 0.0)


def without_leads(signal: Tensor, lost: Sequence[str], *, leads: Sequence[str]) -> Tensor:
    """Set the leads named in `lost` to zero.

    Args:
        signal: `(batch, leads, samples)` in mV.
        lost: Names.
        leads: Name of each row.
    """
    rows = torch.tensor([lead in lost for lead in leads], device=signal.device)
    return signal.masked_fill(rows[:, None], 0.0)


def swap_sources(swap: str, leads: Sequence[str]) -> list[tuple[float, int]]:
    """Say which row, with which sign, each lead shows after a swap of electrodes.

    Args:
        swap: One of `SWAPS`.
        leads: Name of each row.

    Raises:
        SettingError: If there is no such swap, or a lead would show one that is not among `leads`.
    """
    if swap not in SWAPS:
        raise SettingError("swap", repr(swap), f"one of {', '.join(SWAPS)}", "Choose one of these.")
    sources = [SWAPS[swap].get(lead, (1.0, lead)) for lead in leads]
    absent = [source for _, source in sources if source not in leads]
    if absent:
        raise SettingError(
            f"swap {swap}",
            f"signals without {', '.join(absent)}",
            "the leads that would take each other's place",
            "Use data with these leads, or leave the swap out.",
        )
    return [(sign, leads.index(source)) for sign, source in sources]


def swap_electrodes(signal: Tensor, swap: str, *, leads: Sequence[str]) -> Tensor:
    """Put electrodes in each other's place.

    Args:
        signal: `(batch, leads, samples)` in mV.
        swap: One of `SWAPS`.
        leads: Name of each row.

    Raises:
        SettingError: As `swap_sources`.
    """
    signs, rows = zip(*swap_sources(swap, leads), strict=True)
    return signal[:, list(rows)] * torch.tensor(signs, device=signal.device, dtype=signal.dtype)[:, None]


# The recorder -------------------------------------------------------------------------------------------


def wrong_gain(signal: Tensor, factor: float) -> Tensor:
    """Multiply all leads by a factor: 0.1 is a header that says ten times too many steps a millivolt."""
    return signal * factor


def recorded_at(signal: Tensor, rate: float, *, sampling_rate: float) -> Tensor:
    """Resample to a lower rate and back, both with the store's filter: frequencies above are gone.

    Args:
        signal: `(batch, leads, samples)` in mV.
        rate: Of the slower recorder, in Hz. Up to 0.8 of its half passes unchanged.
        sampling_rate: Of the signal, in Hz.

    Raises:
        SettingError: If `rate` is not below `sampling_rate`.
    """
    if not 0 < rate < sampling_rate:
        raise SettingError(
            "sampling rate of a slower recorder",
            f"{rate:g} Hz",
            f"over 0 and below {sampling_rate:g} Hz, the signal's own",
            "Correct the rate.",
        )
    batch, leads, samples = signal.shape
    ratio = rate_ratio(sampling_rate, rate)
    flat = signal.detach().cpu().float().reshape(batch * leads, samples).numpy()
    there_and_back = resample(resample(flat, ratio, "polyphase"), 1 / ratio, "polyphase")[:, :samples]
    return torch.from_numpy(np.ascontiguousarray(there_and_back)).reshape(signal.shape).to(signal)


def first_seconds(signal: Tensor, seconds: float, *, sampling_rate: float) -> Tensor:
    """Keep the beginning and set the rest to zero, as the store pads a recording of that length.

    Args:
        signal: `(batch, leads, samples)` in mV.
        seconds: How much is kept; rounded to whole samples, at least one.
        sampling_rate: In Hz.
    """
    kept = max(1, round(seconds * sampling_rate))
    return signal.masked_fill(torch.arange(signal.shape[-1], device=signal.device) >= kept, 0.0)


# What noise is made of ----------------------------------------------------------------------------------


def _draw(generators: Sequence[torch.Generator], one: _Draw) -> Tensor:
    """Draw for each record from its own generator, `(batch, ...)`."""
    return torch.stack([one(generator) for generator in generators])


def _tones(
    signal: Tensor, frequencies: Tensor, generators: Sequence[torch.Generator], sampling_rate: float
) -> Tensor:
    """Mix sines of `frequencies (batch, tones)` at each electrode: `(batch, electrodes, samples)`."""
    seconds = torch.arange(signal.shape[-1], dtype=torch.float64) / sampling_rate
    angle = (2 * math.pi * frequencies.double()[..., None] * seconds).float()
    shape = (2, len(ELECTRODES), frequencies.shape[1])
    weights = _draw(generators, lambda g: torch.randn(shape, generator=g))
    return _to_unit(weights[:, 0] @ torch.sin(angle) + weights[:, 1] @ torch.cos(angle))


def _to_unit(noise: Tensor) -> Tensor:
    """Scale to a root mean square of 1 over the samples; what is zero throughout stays so."""
    strength = noise.square().mean(dim=-1, keepdim=True).sqrt()
    return noise / torch.where(strength > 0, strength, 1.0)


def _electrode_matrix(leads: Sequence[str]) -> Tensor:
    """Return what each of `leads` sees of each electrode, `(leads, electrodes)`."""
    return torch.from_numpy(_AT_ELECTRODES[[LEADS.index(lead) for lead in leads]])


def _in_leads(potentials: Tensor, signal: Tensor, leads: Sequence[str]) -> Tensor:
    """Project potentials `(batch, electrodes, samples)` on the leads, where and as `signal` is."""
    return (_electrode_matrix(leads) @ potentials).to(signal)
