"""The shape of a beat: a patient's normal waves, and what each condition makes of them.

Directions are those of the textbook (Surawicz and Knilans, "Chou's Electrocardiography in Clinical
Practice"); durations and voltages follow the AHA/ACCF/HRS recommendations for the standardization and
interpretation of the electrocardiogram, parts III to VI (2009), and the Fourth Universal Definition of
Myocardial Infarction (2018). Vectors are X (left), Y (foot), Z (back).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.leads import LEAD_MATRIX, twelve_lead_matrix
from ecg_tl.synthesis.patients import WAVE_NAMES, Patient
from ecg_tl.synthesis.waves import Wave, sample_beat

_NOMINAL = twelve_lead_matrix(LEAD_MATRIX)
_SCALE_ROW = {name: row for row, name in enumerate(WAVE_NAMES)}

# The part of the heart that dies, and the direction in which it lies.
_INFARCT_SITES: Mapping[str, tuple[str, NDArray[np.float64]]] = {
    "AMI": ("V2", np.array([0.20, 0.05, -1.0])),
    "IMI": ("III", np.array([-0.10, 1.0, 0.15])),
    "LMI": ("aVL", np.array([1.0, -0.35, 0.15])),
}


@dataclass(frozen=True, eq=False)
class Beat:
    """One beat of the basic rhythm.

    Attributes:
        waves: All of its waves.
        qrs_duration: In seconds.
        pr_interval: In seconds.
    """

    waves: tuple[Wave, ...]
    qrs_duration: float
    pr_interval: float


def vector(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return a dipole."""
    return np.array([x, y, z], dtype=np.float64)


def _to_millivolts(direction: NDArray[np.float64], lead: str, millivolts: float) -> NDArray[np.float64]:
    """Scale a direction so that its projection on `lead` of a nominal torso is so many millivolts."""
    return direction * (millivolts / float(_NOMINAL[LEADS.index(lead)] @ direction))


def _turn_to_axis(
    waves: list[Wave], axis: float, rotation: float, lead_matrix: NDArray[np.float64]
) -> list[Wave]:
    """Rotate waves about the foot-head axis, then in the frontal plane until their axis is as asked.

    The axis is that of the net area under I and aVF in this torso, as it is read from an ECG.
    """
    angle = np.deg2rad(rotation)
    spin = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    area = spin @ sum((wave.vector * (wave.rise + wave.fall) for wave in waves), start=np.zeros(3))
    angles = np.deg2rad(np.arange(-180, 180, 1))
    turned = np.stack(
        [
            np.cos(angles) * area[0] - np.sin(angles) * area[1],
            np.sin(angles) * area[0] + np.cos(angles) * area[1],
            np.full(len(angles), area[2]),
        ]
    )
    first = lead_matrix[0] @ turned
    foot = lead_matrix[1] @ turned - first / 2.0
    reached = np.rad2deg(np.arctan2(foot * 2.0 / np.sqrt(3.0), first))
    # Two angles can give the same axis; the smaller turn is meant.
    miss = np.abs((reached - axis + 180.0) % 360.0 - 180.0) + 0.01 * np.abs(np.rad2deg(angles))
    best = angles[int(np.argmin(miss))]
    tilt = np.array([[np.cos(best), -np.sin(best), 0], [np.sin(best), np.cos(best), 0], [0, 0, 1]])
    return [replace(wave, vector=tilt @ spin @ wave.vector) for wave in waves]


def _qrs(
    severity: Mapping[str, float], patient: Patient, record: Mapping[str, float]
) -> tuple[list[Wave], float]:
    """Return the waves of ventricular activation and its duration in seconds."""
    scale = {name: patient.voltage * patient.wave_scale[row] for name, row in _SCALE_ROW.items()}
    axis = patient.axis + record["posture"]
    if "LAD" in severity:
        axis = -36.0 - 30.0 * severity["LAD"]
    if "LAFB" in severity:
        axis = -50.0 - 22.0 * severity["LAFB"]

    if "LBBB" in severity:
        # One slow front from right to left: less of the normal sequence shows than in a normal QRS.
        scale = {name: patient.voltage * patient.wave_scale[row] ** 0.5 for name, row in _SCALE_ROW.items()}
        duration = 0.128 + 0.042 * severity["LBBB"]
        waves = [
            Wave(
                0.20 * duration, 0.09 * duration, 0.09 * duration, vector(0.30, 0.25, 0.15) * scale["septal"]
            ),
            Wave(
                0.40 * duration, 0.10 * duration, 0.10 * duration, vector(0.75, 0.40, 0.70) * scale["apical"]
            ),
            Wave(
                0.62 * duration, 0.10 * duration, 0.10 * duration, vector(0.80, 0.35, 0.75) * scale["lateral"]
            ),
            Wave(
                0.80 * duration, 0.08 * duration, 0.08 * duration, vector(0.35, 0.05, 0.40) * scale["basal"]
            ),
        ]
        axis = axis if {"LAD", "LAFB"} & set(severity) else min(axis - 30.0, 60.0)
        return _turn_to_axis(waves, axis, 0.3 * patient.rotation, patient.lead_matrix), duration

    duration = patient.qrs_duration
    if "IVCD" in severity:
        duration = 0.115 + 0.030 * severity["IVCD"]
    if "LVH" in severity:
        duration += 0.008
    if "LAFB" in severity:
        duration += 0.008
    # The left bundle conducts in right bundle branch block: the first 80 ms are as ever.
    early = min(duration, 0.090) if {"RBBB", "IRBBB"} & set(severity) else duration
    width = 0.010 if "IVCD" not in severity else 0.010 + 0.004 * severity["IVCD"]
    fast = width * early / 0.094
    waves = [
        Wave(0.24 * early, fast, fast, vector(-0.12, -0.08, -0.26) * scale["septal"]),
        Wave(0.42 * early, fast, fast, vector(0.62, 0.55, -0.22) * scale["apical"]),
        Wave(0.56 * early, fast, fast, vector(0.72, 0.42, 0.46) * scale["lateral"]),
        Wave(0.75 * early, fast, fast, vector(-0.14, -0.10, 0.36) * scale["basal"]),
    ]
    if "LAFB" in severity:  # the inferior wall first, to the right and down; then up and left
        waves[0] = replace(waves[0], vector=waves[0].vector + vector(-0.10, 0.22, 0.0) * patient.voltage)
        main = _turn_to_axis(waves[1:], axis, patient.rotation, patient.lead_matrix)
        waves = [waves[0], *main]
    else:
        waves = _turn_to_axis(waves, axis, patient.rotation, patient.lead_matrix)
    waves = _infarct(waves, severity, patient.voltage, early)
    for name, shortest, longest, voltage in (("RBBB", 0.128, 0.168, 0.62), ("IRBBB", 0.102, 0.116, 0.34)):
        if name in severity:
            duration = shortest + (longest - shortest) * severity[name]
            slow = (duration - 0.080) / (3.4 if name == "RBBB" else 4.2)
            forces = (
                vector(-0.60, -0.05, -0.70) * voltage * (0.8 + 0.5 * severity[name]) * scale["basal"] ** 0.5
            )
            waves = [*waves, Wave(duration - 2.0 * slow, slow, slow, forces / patient.voltage**0.25)]
    return waves, duration


def _infarct(waves: list[Wave], severity: Mapping[str, float], voltage: float, duration: float) -> list[Wave]:
    """Take the dead wall's forces out of the first half of the QRS: what is left points away from it."""
    for name, (lead, site) in _INFARCT_SITES.items():
        if name not in severity:
            continue
        direction = site / np.linalg.norm(site)
        kept = []
        for wave in waves[:2]:
            toward = max(float(wave.vector @ direction), 0.0)
            kept.append(replace(wave, vector=wave.vector - (0.9 + 0.1 * severity[name]) * toward * direction))
        depth = -(0.18 + 0.34 * severity[name]) * voltage**0.5
        wide = 0.011 + 0.004 * severity[name]
        lost = Wave(0.22 * duration, wide, wide, _to_millivolts(site, lead, depth))
        waves = [lost, *kept, *waves[2:]]
    return waves


def _limit_voltage(waves: list[Wave], severity: Mapping[str, float], patient: Patient) -> list[Wave]:
    """Scale the QRS so that the Sokolow-Lyon voltage is over 3.5 mV in LVH and under it otherwise."""
    if {"LBBB", "RBBB", "IRBBB"} & set(severity) and "LVH" not in severity:
        return waves
    reached = sokolow_lyon(waves, patient)
    if "LVH" in severity:
        wanted = 3.65 + 1.9 * severity["LVH"]
        factor = wanted / reached
    else:
        factor = min(1.0, 3.3 / reached)
    return [replace(wave, vector=wave.vector * factor) for wave in waves]


def sokolow_lyon(waves: list[Wave], patient: Patient) -> float:
    """Return S in V1 plus the larger R of V5 and V6, in millivolts, of a QRS in this patient's torso."""
    leads = patient.lead_matrix @ sample_beat(waves, np.linspace(-0.02, 0.20, 111))
    return float(-min(leads[2].min(), 0.0) + max(leads[6].max(), leads[7].max(), 0.0))


def _repolarisation(
    severity: Mapping[str, float],
    patient: Patient,
    record: Mapping[str, float],
    duration: float,
    interval: float,
) -> list[Wave]:
    """Return ST segment and T wave."""
    qtc = patient.qtc
    if "LQT" in severity:
        qtc = 0.485 + 0.080 * severity["LQT"]
    qt = float(qtc * np.cbrt(interval)) + max(duration - 0.100, 0.0)
    fall = 0.085 * qt
    rise = 1.5 * fall
    peak = qt - 2.2 * fall
    scale = {name: patient.voltage**0.5 * patient.wave_scale[_SCALE_ROW[name]] for name in ("ST", "T")}
    wave_t = vector(0.30, 0.22, -0.16) * scale["T"] * record["t_height"]
    st = vector(0.015, 0.010, -0.030) * scale["ST"] + vector(record["st_x"], record["st_y"], record["st_z"])
    t_waves = [Wave(peak, rise, fall, wave_t, True)]

    secondary = vector(0.0, 0.0, 0.0)  # repolarisation that follows an abnormal activation
    if "LBBB" in severity:
        wave_t = vector(-0.20, -0.08, -0.34) * scale["T"]
        secondary += vector(-0.06, -0.03, -0.12)
    elif "RBBB" in severity:
        wave_t = wave_t + vector(0.02, 0.0, 0.22) * scale["T"]
    if "LVH" in severity:  # strain, where hypertrophy is marked
        strain = max(severity["LVH"] - 0.35, 0.0)
        wave_t = wave_t * (1.0 - 1.6 * strain) + vector(-0.20, -0.05, -0.08) * strain
        secondary += vector(-0.13, -0.05, 0.0) * strain
    for name, (lead, site) in _INFARCT_SITES.items():
        if name in severity:  # record["age_of_infarct"]: 0 fresh, 1 old
            old = record["age_of_infarct"]
            secondary += _to_millivolts(site, lead, (0.06 + 0.28 * severity[name]) * (1.0 - 0.75 * old))
            wave_t = wave_t - _to_millivolts(site, lead, 0.10 + 0.35 * severity[name] * (0.3 + old))
    if "STD" in severity:
        direction = vector(-1.0, -0.5 - 0.6 * record["site"], 0.25)
        st = _to_millivolts(direction, "V5", -0.10 - 0.20 * severity["STD"])
        wave_t = wave_t * (0.9 - 0.5 * severity["STD"])
    if "STE" in severity:
        lead, site = _INFARCT_SITES["IMI" if record["site"] > 0.6 else "AMI"]
        st = _to_millivolts(site, lead, (0.18 if lead == "III" else 0.26) + 0.30 * severity["STE"])
    if "TINV" in severity:
        wave_t = vector(-0.11, -0.09, 0.05) * scale["T"] - vector(0.22, 0.20, -0.10) * severity["TINV"]
    t_waves = [Wave(peak, rise, fall, wave_t, True)]
    if "TAB" in severity:
        flat = 0.28 - 0.22 * severity["TAB"]
        t_waves = [Wave(peak, rise, fall, wave_t * flat, True)]
        if record["site"] < 0.5:  # biphasic rather than flat
            half = wave_t * (0.25 + 0.3 * severity["TAB"])
            t_waves = [
                Wave(peak - 1.3 * fall, fall, 0.6 * fall, half, True),
                Wave(peak + 0.6 * fall, 0.6 * fall, 0.6 * fall, -0.8 * half, True),
            ]
    segment = Wave(duration + 0.065, 0.040, 0.055, st + secondary)
    return [segment, *t_waves]


def _p_wave(severity: Mapping[str, float], patient: Patient, pr: float) -> list[Wave]:
    """Return atrial activation: the right atrium down and forward, then the left one to the left and back."""
    right = vector(0.035, 0.075, -0.050) * patient.wave_scale[0] * patient.voltage**0.5
    left = vector(0.060, 0.050, 0.040) * patient.wave_scale[1] * patient.voltage**0.5
    start = -pr
    later = 0.0
    if "LAE" in severity:
        later = 0.018 + 0.022 * severity["LAE"]
        left = left * (1.3 + 0.5 * severity["LAE"]) + vector(0.0, 0.0, 0.05) * (0.5 + severity["LAE"])
    return [
        Wave(start + 0.036, 0.016, 0.016, right),
        Wave(start + 0.064 + later, 0.017, 0.017, left),
    ]


def basic_beat(
    patient: Patient, severity: Mapping[str, float], interval: float, rng: np.random.Generator
) -> Beat:
    """Return the beat of the basic rhythm.

    Args:
        patient: Whose heart it is.
        severity: Conditions present, each with its severity from 0 to 1.
        interval: Mean RR interval, in seconds.
        rng: Where the record's own variation comes from.
    """
    drawn = rng.standard_normal(5)
    record = {
        "posture": float(3.0 * drawn[0]),
        "t_height": float(np.exp(0.30 * drawn[1])),
        "st_x": float(0.018 * drawn[2]),
        "st_y": float(0.018 * drawn[3]),
        "st_z": float(0.018 * drawn[4]),
        "site": float(rng.random()),
        "age_of_infarct": float(rng.random()),
    }
    pr = 0.212 + 0.120 * severity["IAVB"] if "IAVB" in severity else patient.pr_interval
    qrs, duration = _qrs(severity, patient, record)
    qrs = _limit_voltage(qrs, severity, patient)
    late = _repolarisation(severity, patient, record, duration, interval)
    atrial = [] if "AF" in severity else _p_wave(severity, patient, pr)
    return Beat((*atrial, *qrs, *late), duration, pr)


def ventricular_beat(patient: Patient, rng: np.random.Generator) -> tuple[Wave, ...]:
    """Return a beat that starts in the ventricles: no P wave, broad QRS, T the other way."""
    duration = float(rng.uniform(0.135, 0.185))
    direction = rng.standard_normal(3) * vector(1.0, 1.0, 0.8)
    direction /= max(float(np.linalg.norm(direction)), 1e-6)
    main = direction * patient.voltage * float(rng.uniform(1.1, 2.0))
    second = main * float(rng.uniform(0.4, 0.9)) + 0.25 * rng.standard_normal(3)
    width = 0.155 * duration
    return (
        Wave(0.36 * duration, width, width, main),
        Wave(0.68 * duration, width, width, second),
        Wave(duration + 0.06, 0.05, 0.06, -0.12 * main),
        Wave(duration + 0.20, 0.065, 0.045, -(main + second) * 0.5 * float(rng.uniform(0.25, 0.45))),
    )


def premature_atrial_beat(beat: Beat, rng: np.random.Generator) -> tuple[Wave, ...]:
    """Return `beat` with a P wave from another place in the atria, a little nearer to the QRS."""
    shift = float(rng.uniform(0.0, 0.03))
    turned = rng.uniform(-1.0, 0.4, size=3)
    waves = []
    for wave in beat.waves:
        if wave.time < 0.0:
            waves.append(replace(wave, time=wave.time + shift, vector=wave.vector * turned))
        else:
            waves.append(wave)
    return tuple(waves)
