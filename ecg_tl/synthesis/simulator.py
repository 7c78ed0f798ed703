"""Twelve-lead ECGs from a moving dipole, one record at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.synthesis.conditions import check_conditions, draw_severity
from ecg_tl.synthesis.leads import ELECTRODE_MATRIX, twelve_leads
from ecg_tl.synthesis.morphology import Beat, basic_beat, premature_atrial_beat, ventricular_beat
from ecg_tl.synthesis.noise import NoiseLevels, electrode_noise
from ecg_tl.synthesis.patients import Patient, draw_patient
from ecg_tl.synthesis.rhythm import ATRIAL, SINUS, VENTRICULAR, Rhythm, draw_rhythm
from ecg_tl.synthesis.waves import Kernels, render_dipole, repeat_beat

DEFAULT_DIFFICULTY = 0.5

_PATIENT_STREAM, _RECORD_STREAM = 0, 1
_SAMPLING_RATES = (50.0, 20_000.0)  # Hz
_DURATIONS = (0.5, 3600.0)  # s


def simulate(
    diagnoses: Sequence[Collection[str]],
    *,
    sampling_rate: float = 500.0,
    duration: float | Sequence[float] = 10.0,
    seed: int = 0,
    patients: Sequence[Patient] | None = None,
    difficulty: float = DEFAULT_DIFFICULTY,
    severity: float | None = None,
    noise: NoiseLevels | None = None,
    mains_frequency: float = 50.0,
    frank: bool = False,
) -> NDArray[np.float32]:
    """Simulate one record for each set of conditions.

    Record `i` depends on the seed, on `i` and on its own arguments alone, not on how many are made.

    Args:
        diagnoses: Conditions of each record, out of `ecg_tl.synthesis.conditions.CONDITIONS`.
        sampling_rate: In Hz.
        duration: In seconds; one for all, or one a record (shorter ones end in zeros).
        seed: Same seed, same bytes.
        patients: Whose record it is; a new patient for each by default.
        difficulty: From 0 (textbook) to 1 (borderline findings in much noise); see `simulate_record`.
        severity: Of every condition, from 0 to 1; drawn as the difficulty says by default.
        noise: Strength of the noise; as the difficulty says by default.
        mains_frequency: 50 or 60 Hz.
        frank: Whether Frank's X, Y and Z follow as rows 12 to 14.

    Returns:
        `float32 (records, 12, samples)` in millivolts, `(records, 15, samples)` with `frank`.

    Raises:
        SettingError: If a condition is unknown, two cannot hold together, or a number is out of range.
    """
    records = len(diagnoses)
    durations = (
        [float(duration)] * records if isinstance(duration, int | float) else [float(d) for d in duration]
    )
    for name, given in (("durations", durations), ("patients", patients)):
        if given is not None and len(given) != records:
            raise SettingError(
                f"{name} to simulate",
                f"{len(given)} for {records} records",
                "one a record",
                "Give as many as records.",
            )
    check_range("sampling_rate", sampling_rate, *_SAMPLING_RATES)
    for length in durations:
        check_range("duration", length, *_DURATIONS)
    samples = max((round(length * sampling_rate) for length in durations), default=0)
    signals = np.zeros((records, 15 if frank else 12, samples), dtype=np.float32)
    for record, conditions in enumerate(diagnoses):
        if patients is None:
            patient = draw_patient(_generator(seed, _PATIENT_STREAM, record))
        else:
            patient = patients[record]
        signal = simulate_record(
            conditions,
            patient=patient,
            rng=_generator(seed, _RECORD_STREAM, record),
            sampling_rate=sampling_rate,
            duration=durations[record],
            difficulty=difficulty,
            severity=severity,
            noise=noise,
            mains_frequency=mains_frequency,
            frank=frank,
        )
        signals[record, :, : signal.shape[1]] = signal
    return signals


def simulate_record(
    conditions: Collection[str],
    *,
    patient: Patient,
    rng: np.random.Generator,
    sampling_rate: float = 500.0,
    duration: float = 10.0,
    difficulty: float = DEFAULT_DIFFICULTY,
    severity: float | None = None,
    noise: NoiseLevels | None = None,
    mains_frequency: float = 50.0,
    frank: bool = False,
) -> NDArray[np.float32]:
    """Simulate one record: `float32 (12, samples)` in millivolts, `(15, samples)` with `frank`.

    The difficulty moves two things: how far the conditions lie beyond their diagnostic thresholds (a mean
    severity of 0.8 at 0, of 0.2 at 1), and how strong the noise is (0.2 to 1.8 times the usual). The
    difference between patients is the same at every difficulty.

    Raises:
        SettingError: If a condition is unknown, two cannot hold together, or a number is out of range.
    """
    present = check_conditions(conditions)
    check_range("difficulty", difficulty, 0.0, 1.0)
    check_range("sampling_rate", sampling_rate, *_SAMPLING_RATES)
    check_range("duration", duration, *_DURATIONS)
    if severity is not None:
        check_range("severity", severity, 0.0, 1.0)
    drawn = draw_severity(present, difficulty, rng)
    severities = drawn if severity is None else dict.fromkeys(drawn, severity)
    levels = NoiseLevels().scaled(0.2 + 1.6 * difficulty) if noise is None else noise

    samples = round(duration * sampling_rate)
    rhythm = draw_rhythm(patient, severities, duration, rng)
    interval = float(np.median(rhythm.preceding))
    beat = basic_beat(patient, severities, interval, rng)
    kernels = _lay_out(beat, rhythm, patient, interval, rng)
    dipole = render_dipole(kernels, sampling_rate, samples)
    if "AF" in severities:
        dipole += _fibrillation(severities["AF"], samples, sampling_rate, rng)
    # Electrodes are never put twice on the same spot.
    matrix = patient.lead_matrix * (1.0 + 0.04 * rng.standard_normal(patient.lead_matrix.shape))
    at_electrodes = electrode_noise(samples, sampling_rate, levels, mains_frequency, rhythm.breath, rng)
    independent = (matrix @ dipole).astype(np.float32) + ELECTRODE_MATRIX.astype(np.float32) @ at_electrodes
    leads = twelve_leads(independent)
    if not frank:
        return leads
    # Frank's leads weigh several electrodes; the noise of three stands for theirs.
    return np.concatenate([leads, dipole.astype(np.float32) + at_electrodes[:3]])


def check_range(name: str, value: float, lowest: float, highest: float) -> None:
    """Check a number.

    Raises:
        SettingError: If it is not from `lowest` to `highest`.
    """
    if not lowest <= value <= highest:
        raise SettingError(
            name, f"{value:g}", f"a number from {lowest:g} to {highest:g}", "Correct the number."
        )


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, index)))


def _lay_out(
    beat: Beat, rhythm: Rhythm, patient: Patient, interval: float, rng: np.random.Generator
) -> Kernels:
    """Return the kernels of all beats, each a little different and breathing with the chest."""
    templates = {SINUS: beat.waves}
    if (rhythm.kind == ATRIAL).any():
        templates[ATRIAL] = premature_atrial_beat(beat, rng)
    if (rhythm.kind == VENTRICULAR).any():
        templates[VENTRICULAR] = ventricular_beat(patient, rng)
    depth = 0.02 + 0.05 * float(rng.random())
    phase = 2.0 * np.pi * float(rng.random())
    parts = []
    for kind, waves in templates.items():
        chosen = rhythm.kind == kind
        onset = rhythm.onset[chosen]
        # QT follows the interval with the exponent of Fridericia, and only part of the way beat by beat.
        stretch = (np.clip(rhythm.preceding[chosen], 0.5 * interval, 1.6 * interval) / interval) ** 0.2
        breathing = 1.0 + depth * np.sin(2.0 * np.pi * rhythm.breath * onset + phase)
        gain = breathing[:, None] * (1.0 + 0.03 * rng.standard_normal((len(onset), len(waves))))
        parts.append(repeat_beat(waves, onset, stretch, gain))
    return sum(parts[1:], start=parts[0])


def _fibrillation(
    severity: float, samples: int, sampling_rate: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the atria's dipole in fibrillation, `(3, samples)`: 4 to 9 Hz, largest towards V1.

    A sum of sawtooth-like waves whose frequency and amplitude wander.
    """
    time = np.arange(samples) / sampling_rate
    knots = int(time[-1] / 0.4) + 3
    at = np.arange(knots) * 0.4
    dipole = np.zeros((3, samples))
    height = 0.030 + 0.080 * severity
    for share in (0.7, 0.45):
        rate = rng.uniform(4.8, 8.0) + 0.6 * rng.standard_normal(knots)
        phase = 2.0 * np.pi * (np.cumsum(np.interp(time, at, rate)) / sampling_rate + rng.random())
        swell = np.interp(time, at, np.abs(1.0 + 0.35 * rng.standard_normal(knots)))
        wave = swell * (np.sin(phase) + 0.35 * np.sin(2.0 * phase))
        direction = np.array([-0.15, 0.55, -0.85]) + 0.25 * rng.standard_normal(3)
        dipole += share * height * direction[:, None] * wave
    return dipole
