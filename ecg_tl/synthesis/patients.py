"""A patient: what stays the same from one recording to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.synthesis.leads import LEAD_MATRIX

WAVE_NAMES: tuple[str, ...] = ("P right", "P left", "septal", "apical", "lateral", "basal", "ST", "T")
"""The activation fronts of one heartbeat, each of which has one Gaussian kernel."""


@dataclass(frozen=True, eq=False)
class Patient:
    """A heart in its torso.

    Attributes:
        age: In years.
        sex: `"F"` or `"M"`.
        heart_rate: At rest, beats a minute, within the normal range.
        pr_interval: In seconds, within the normal range.
        qrs_duration: In seconds, within the normal range.
        qtc: QT interval at 60 beats a minute (Fridericia), in seconds, within the normal range.
        axis: Of the QRS in the frontal plane, in degrees, within the normal range.
        rotation: Of the heart about the foot-head axis, in degrees; moves the R/S transition in V1-V6.
        voltage: Factor on all amplitudes: size of the heart, distance to the electrodes.
        wave_scale: `(waves, 3)`, factor on each wave of `WAVE_NAMES` along each axis.
        lead_matrix: `(8, 3)`, the projection on the independent leads in this torso.
    """

    age: float
    sex: str
    heart_rate: float
    pr_interval: float
    qrs_duration: float
    qtc: float
    axis: float
    rotation: float
    voltage: float
    wave_scale: NDArray[np.float64]
    lead_matrix: NDArray[np.float64]


def draw_patient(rng: np.random.Generator, age: float | None = None, sex: str | None = None) -> Patient:
    """Draw a patient whose intervals, axis and amplitudes lie within the normal range.

    Intervals and their spread follow the normal limits of Rijnbeek et al., "Normal values of the
    electrocardiogram for ages 16-90 years", Journal of Electrocardiology 47:914-921 (2014): the axis turns
    left and PR grows with age, women have the longer QTc and the shorter QRS.
    """
    years = float(np.clip(rng.normal(58.0, 16.0), 18.0, 95.0))
    years = years if age is None else age
    drawn_sex = "F" if rng.random() < 0.48 else "M"
    sex = drawn_sex if sex is None else sex
    woman = sex == "F"
    normal = rng.standard_normal(7)
    return Patient(
        age=years,
        sex=sex,
        heart_rate=float(np.clip(72.0 + 3.0 * woman + 9.5 * normal[0], 61.0, 98.0)),
        pr_interval=float(np.clip(0.155 + 0.0003 * (years - 50.0) + 0.018 * normal[1], 0.122, 0.196)),
        qrs_duration=float(np.clip(0.094 - 0.006 * woman + 0.007 * normal[2], 0.074, 0.108)),
        qtc=float(np.clip(0.408 + 0.010 * woman + 0.015 * normal[3], 0.360, 0.448)),
        axis=float(np.clip(48.0 - 0.5 * (years - 50.0) + 22.0 * normal[4], -22.0, 88.0)),
        rotation=float(np.clip(12.0 * normal[5], -24.0, 24.0)),
        voltage=float(np.exp(0.25 * normal[6] - 0.08 * woman)),
        wave_scale=np.exp(0.22 * rng.standard_normal((len(WAVE_NAMES), 3))),
        lead_matrix=LEAD_MATRIX * (1.0 + 0.13 * rng.standard_normal(LEAD_MATRIX.shape))
        + 0.05 * rng.standard_normal(LEAD_MATRIX.shape),
    )
