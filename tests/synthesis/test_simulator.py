from __future__ import annotations

import time

import numpy as np
import pytest
from ecg_measures import NO_NOISE, lead
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.synthesis.conditions import CONDITIONS, check_conditions, contradicts, draw_severity
from ecg_tl.synthesis.noise import NoiseLevels, electrode_noise
from ecg_tl.synthesis.patients import draw_patient
from ecg_tl.synthesis.simulator import simulate

EACH = [{condition} for condition in CONDITIONS]


def test_shape_type_and_unit() -> None:
    signals = simulate(EACH, duration=4.0, sampling_rate=250)

    assert signals.shape == (len(EACH), 12, 1000)
    assert signals.dtype == np.float32
    assert np.isfinite(signals).all()
    peaks = np.abs(signals).max(axis=(1, 2))
    assert (peaks > 0.3).all()  # millivolts, not volts
    assert (peaks < 12.0).all()  # nor microvolts


def test_limb_leads_obey_einthoven_and_goldberger_under_noise() -> None:
    for signal in simulate(EACH, duration=3.0, noise=NoiseLevels().scaled(5.0)):
        first, second = lead(signal, "I"), lead(signal, "II")
        np.testing.assert_array_equal(lead(signal, "III"), second - first)
        np.testing.assert_array_equal(lead(signal, "aVR"), -(first + second) / 2)
        np.testing.assert_array_equal(lead(signal, "aVL"), first - second / 2)
        np.testing.assert_array_equal(lead(signal, "aVF"), second - first / 2)


def test_same_seed_same_bytes_and_another_seed_other_records() -> None:
    assert simulate(EACH, seed=3).tobytes() == simulate(EACH, seed=3).tobytes()
    assert not np.allclose(simulate(EACH[:1], seed=3), simulate(EACH[:1], seed=4))


def test_a_record_does_not_depend_on_how_many_are_made() -> None:
    np.testing.assert_array_equal(simulate(EACH, seed=5)[:3], simulate(EACH[:3], seed=5))


def test_records_of_one_patient_are_more_alike_than_those_of_two() -> None:
    rng = np.random.default_rng(0)
    patients = [draw_patient(rng) for _ in range(6)]
    signals = simulate([{"NORM"}] * 12, patients=[*patients, *patients], noise=NO_NOISE)
    features = np.concatenate([signals.max(axis=2), signals.min(axis=2)], axis=1)

    distance = np.linalg.norm(features[:6, None] - features[None, 6:], axis=2)

    assert (distance.argmin(axis=1) == np.arange(6)).sum() >= 5
    assert not np.allclose(signals[0], signals[6])


def test_each_record_may_have_its_own_length() -> None:
    signals = simulate([{"NORM"}, {"AF"}], duration=[2.0, 3.0])

    assert signals.shape == (2, 12, 1500)
    assert not signals[0, :, 1000:].any()
    assert signals[0, :, :1000].any(axis=1).all()
    assert signals[1, :, 1490:].any()


def test_frank_leads_follow_the_twelve_and_explain_them() -> None:
    (signal,) = simulate([{"NORM"}], noise=NO_NOISE, frank=True)

    assert signal.shape == (15, 5000)
    np.testing.assert_array_equal(signal[:12], simulate([{"NORM"}], noise=NO_NOISE)[0])
    _, residual, _, _ = np.linalg.lstsq(signal[12:].T, signal[:12].T, rcond=None)
    assert residual.max() < 1e-6 * (signal**2).sum()


@settings(max_examples=10, deadline=None)
@given(
    rate=st.sampled_from([100, 257, 360, 400, 500, 1000]),
    duration=st.floats(1.0, 12.0),
    seed=st.integers(0, 2**31),
    condition=st.sampled_from(list(CONDITIONS)),
)
def test_any_rate_and_length(rate: int, duration: float, seed: int, condition: str) -> None:
    signals = simulate([{condition}], sampling_rate=rate, duration=duration, seed=seed)

    assert signals.shape == (1, 12, round(rate * duration))
    assert np.isfinite(signals).all()
    assert signals.std() > 0.005


def test_the_waves_do_not_depend_on_the_sampling_rate() -> None:
    fine, coarse = (simulate([{"RBBB"}], sampling_rate=r, noise=NO_NOISE, seed=1)[0] for r in (1000, 500))

    np.testing.assert_allclose(fine[:, ::2], coarse, atol=1e-4)


def test_difficulty_makes_findings_milder_and_noise_stronger() -> None:
    rng = np.random.default_rng(0)
    mild, florid = (
        np.mean([draw_severity(frozenset({"LVH"}), difficulty, rng)["LVH"] for _ in range(200)])
        for difficulty in (1.0, 0.0)
    )
    noisy, clean = (
        np.median(np.abs(np.diff(simulate([{"NORM"}] * 6, difficulty=difficulty), axis=2)))
        for difficulty in (1.0, 0.0)
    )

    assert mild < 0.3 < 0.7 < florid
    assert noisy > 2 * clean


def test_noise_has_wander_mains_and_muscle_where_they_belong() -> None:
    rng = np.random.default_rng(1)

    def share(levels: NoiseLevels, low: float, high: float) -> float:
        noise = electrode_noise(10_000, 500.0, levels, 50.0, 0.25, rng)
        power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
        frequency = np.fft.rfftfreq(10_000, 1 / 500.0)
        return float(power[:, (frequency >= low) & (frequency <= high)].sum() / power.sum())

    assert share(NoiseLevels(1, 0, 0, 0), 0.0, 1.0) > 0.95
    assert share(NoiseLevels(0, 1, 0, 0), 49.5, 50.5) > 0.85
    assert share(NoiseLevels(0, 0, 1, 0), 15.0, 250.0) > 0.85
    assert share(NoiseLevels(0, 0, 0, 1), 0.0, 25.0) > 0.7
    assert not electrode_noise(100, 500.0, NO_NOISE, 50.0, 0.25, rng).any()


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(list(CONDITIONS)), max_size=4))
def test_any_conditions_are_simulated_or_refused(conditions: set[str]) -> None:
    if contradicts(conditions):
        with pytest.raises(SettingError, match="that one ECG can show together"):
            simulate([conditions], duration=2.0)
    else:
        assert np.isfinite(simulate([conditions], duration=2.0)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"diagnoses": [{"XYZ"}]}, "XYZ"),
        ({"diagnoses": [{"LBBB", "RBBB"}]}, "LBBB with RBBB"),
        ({"diagnoses": [{"NORM", "AF"}]}, "AF with NORM"),
        ({"diagnoses": [{"NORM"}], "difficulty": 1.5}, "difficulty"),
        ({"diagnoses": [{"NORM"}], "severity": -0.1}, "severity"),
        ({"diagnoses": [{"NORM"}], "sampling_rate": 0}, "sampling_rate"),
        ({"diagnoses": [{"NORM"}], "duration": float("nan")}, "duration"),
        ({"diagnoses": [{"NORM"}], "duration": [1.0, 2.0]}, "durations"),
        ({"diagnoses": [{"NORM"}], "patients": []}, "patients"),
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        simulate(**arguments)


def test_normal_variants_go_with_normal() -> None:
    assert check_conditions({"NORM", "SB"}) == {"NORM", "SB"}
    assert contradicts({"NORM", "SB", "LVH"}) == {"NORM", "LVH"}


def test_a_thousand_records_take_well_under_half_a_minute() -> None:
    start = time.process_time()
    simulate(EACH * 2)  # 48 records of 10 s at 500 Hz

    assert (time.process_time() - start) / (2 * len(EACH)) * 1000 < 20
