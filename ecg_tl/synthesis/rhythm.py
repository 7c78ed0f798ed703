"""When the heart beats, and what kind of beat it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.synthesis.patients import Patient

SINUS, ATRIAL, VENTRICULAR = 0, 1, 2
"""Kinds of beats: of the basic rhythm, premature from the atria, premature from the ventricles."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """The beats of one record, from before its start to after its end.

    Attributes:
        onset: `(beats,)`, onset of each QRS, in seconds from the start of the record.
        kind: `(beats,)`, `SINUS`, `ATRIAL` or `VENTRICULAR`.
        preceding: `(beats,)`, RR interval before each beat, in seconds; repolarisation follows it.
        breath: Breaths a second.
    """

    onset: NDArray[np.float64]
    kind: NDArray[np.int64]
    preceding: NDArray[np.float64]
    breath: float


def _mean_interval(patient: Patient, severity: Mapping[str, float], rng: np.random.Generator) -> float:
    """Return the mean RR interval in seconds."""
    drift = float(rng.normal(0.0, 4.0))
    uniform = float(rng.random())
    if "SB" in severity:
        rate = 58.5 - 19.0 * severity["SB"] - 1.5 * uniform
    elif "STACH" in severity:
        rate = 103.0 + 42.0 * severity["STACH"] + 4.0 * uniform
    elif "AF" in severity:
        rate = 62.0 + 70.0 * uniform
    else:
        rate = float(np.clip(patient.heart_rate + drift, 61.0, 99.0))
    return 60.0 / rate


def draw_rhythm(
    patient: Patient, severity: Mapping[str, float], duration: float, rng: np.random.Generator
) -> Rhythm:
    """Draw the beats of a record of `duration` seconds.

    Sinus rhythm varies with the breath and a little at random; in atrial fibrillation the intervals are
    independent. A premature atrial beat resets the sinus node, a premature ventricular one is followed by a
    full compensatory pause. A record of a patient with either shows at least one.
    """
    mean = _mean_interval(patient, severity, rng)
    breath = float(rng.uniform(0.18, 0.32))
    beats = int(duration / (0.5 * mean)) + 8
    start = -2.0 * mean - mean * float(rng.random())
    jitter = rng.standard_normal(beats)
    if "AF" in severity:
        spread = 0.16 + 0.14 * severity["AF"]
        intervals = np.maximum(mean * np.exp(spread * jitter - spread**2 / 2), 0.30)
    else:
        depth = 0.02 + 0.02 * float(rng.random())
        if "SARRH" in severity:
            depth = 0.09 + 0.12 * severity["SARRH"]
        swing = depth * np.sin(2.0 * np.pi * breath * mean * np.arange(beats) + 2.0 * np.pi * rng.random())
        intervals = mean * (1.0 + swing + 0.008 * jitter)
    kind = np.full(beats, SINUS, dtype=np.int64)
    for name, value in (("PAC", ATRIAL), ("PVC", VENTRICULAR)):
        if name in severity:
            _insert_premature(kind, value, severity[name], mean, duration, rng)
    coupling = rng.uniform(0.52, 0.74, size=beats)
    pause = rng.uniform(1.0, 1.15, size=beats)
    premature = np.flatnonzero(kind)
    for beat in premature:  # intervals[i] lies before beat i
        atrial = kind[beat] == ATRIAL
        fraction = coupling[beat] + (0.06 if atrial else 0.0)
        following = pause[beat] if atrial else 2.0 - fraction
        if not atrial or "AF" not in severity:
            intervals[beat] = max(fraction * mean, 0.32)
        if beat + 1 < beats and "AF" not in severity:
            intervals[beat + 1] = following * mean
    return Rhythm(onset=start + np.cumsum(intervals), kind=kind, preceding=intervals, breath=breath)


def _insert_premature(
    kind: NDArray[np.int64],
    value: int,
    severity: float,
    mean: float,
    duration: float,
    rng: np.random.Generator,
) -> None:
    """Mark beats as premature, never two in a row, at least one well within the record."""
    share = 0.04 + 0.26 * severity
    drawn = rng.random(len(kind)) < share
    first = 2 + int(rng.uniform(0.2, 0.6) * duration / mean)
    free = [beat for beat in range(first, len(kind) - 1) if not kind[beat - 1 : beat + 2].any()]
    for beat in [*free[:1], *np.flatnonzero(drawn).tolist()]:
        if 0 < beat < len(kind) - 1 and not kind[beat - 1 : beat + 2].any():
            kind[beat] = value
