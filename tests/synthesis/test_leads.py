from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.leads import (
    ELECTRODE_MATRIX,
    ELECTRODES,
    LEAD_MATRIX,
    twelve_lead_matrix,
    twelve_leads,
)

ROW = {lead: row for row, lead in enumerate(LEADS)}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 20.0))
def test_limb_leads_obey_einthoven_and_goldberger_to_the_last_bit(seed: int, scale: float) -> None:
    independent = (scale * np.random.default_rng(seed).standard_normal((8, 50))).astype(np.float32)

    leads = twelve_leads(independent)

    first, second = leads[ROW["I"]], leads[ROW["II"]]
    np.testing.assert_array_equal(leads[ROW["III"]], second - first)
    np.testing.assert_array_equal(leads[ROW["aVR"]], -(first + second) / 2)
    np.testing.assert_array_equal(leads[ROW["aVL"]], first - second / 2)
    np.testing.assert_array_equal(leads[ROW["aVF"]], second - first / 2)
    np.testing.assert_array_equal(leads[6:], independent[2:])


def test_the_matrix_of_twelve_projects_as_the_eight_and_the_laws_do() -> None:
    dipole = np.random.default_rng(0).standard_normal((3, 40))

    direct = twelve_lead_matrix(LEAD_MATRIX) @ dipole

    np.testing.assert_allclose(direct, twelve_leads((LEAD_MATRIX @ dipole).astype(np.float32)), atol=1e-5)


def test_a_potential_common_to_all_electrodes_is_seen_in_no_lead() -> None:
    np.testing.assert_allclose(ELECTRODE_MATRIX @ np.ones(len(ELECTRODES)), 0.0, atol=1e-12)


def test_a_dipole_to_the_left_points_away_from_the_right_arm_and_towards_v6() -> None:
    leads = twelve_lead_matrix(LEAD_MATRIX) @ np.array([1.0, 0.0, 0.0])

    assert leads[ROW["I"]] > 0
    assert leads[ROW["V6"]] > 0
    assert leads[ROW["aVR"]] < 0
    assert leads[ROW["V1"]] < 0
