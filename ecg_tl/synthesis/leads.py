"""From the heart's dipole to the twelve leads, and how noise on electrodes reaches them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INDEPENDENT_LEADS: tuple[str, ...] = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The leads that are projected; III, aVR, aVL and aVF follow from I and II."""

ELECTRODES: tuple[str, ...] = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")

LEAD_MATRIX: NDArray[np.float64] = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""Projection of Frank's X (left), Y (foot) and Z (back) on `INDEPENDENT_LEADS`.

Dower, Machado and Osborne, "On deriving the electrocardiogram from vectorcardiographic leads", Clinical
Cardiology 3:87-95 (1980).
"""

ELECTRODE_MATRIX: NDArray[np.float64] = np.zeros((len(INDEPENDENT_LEADS), len(ELECTRODES)))
"""Leads as differences of electrode potentials: I = LA - RA, II = LL - RA, Vn = Vn - (RA + LA + LL) / 3."""
ELECTRODE_MATRIX[0, [0, 1]] = -1.0, 1.0
ELECTRODE_MATRIX[1, [0, 2]] = -1.0, 1.0
ELECTRODE_MATRIX[2:, :3] = -1.0 / 3.0
ELECTRODE_MATRIX[2:, 3:] = np.eye(6)


def twelve_leads(independent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Complete `INDEPENDENT_LEADS` `(8, samples)` to the twelve leads `(12, samples)` in standard order.

    III by Einthoven's law, the augmented leads by Goldberger's definitions.
    """
    first, second = independent[0], independent[1]
    leads = np.empty((12, independent.shape[1]), dtype=np.float32)
    leads[0] = first
    leads[1] = second
    leads[2] = second - first
    leads[3] = -(first + second) / 2
    leads[4] = first - second / 2
    leads[5] = second - first / 2
    leads[6:] = independent[2:]
    return leads


def twelve_lead_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the projection on all twelve leads `(12, 3)` that follows from one on the eight, `(8, 3)`."""
    first, second = matrix[0], matrix[1]
    limb = [first, second, second - first, -(first + second) / 2, first - second / 2, second - first / 2]
    return np.concatenate([np.stack(limb), matrix[2:]])
