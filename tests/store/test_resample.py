from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, kaiser_beta, kaiserord, resample_poly

from ecg_tl.errors import SettingError
from ecg_tl.preprocessing.polyphase import PASS_BAND, STOP_BAND_DB, rate_ratio, resampled_length
from ecg_tl.store.resample import find_window, resample, window_at


def tone(frequency: float, rate: float, seconds: float = 10.0) -> np.ndarray:
    instants = np.arange(round(seconds * rate)) / rate
    return np.sin(2 * np.pi * frequency * instants, dtype=np.float64).astype(np.float32)[None]


def middle(signal: np.ndarray) -> np.ndarray:
    return signal[:, signal.shape[1] // 10 : -(signal.shape[1] // 10)]


@pytest.mark.parametrize("frequency", [50.0, 52.0, 60.0, 100.0])
def test_polyphase_suppresses_what_the_lower_rate_cannot_carry(frequency: float) -> None:
    resampled = resample(tone(frequency, 500), Fraction(1, 5), "polyphase")
    assert np.abs(middle(resampled)).max() < 0.002


def test_stride_aliases_60_hz_to_40_hz() -> None:
    resampled = resample(tone(60, 500), Fraction(1, 5), "stride")
    np.testing.assert_allclose(resampled, -tone(40, 100), atol=1e-3)


@pytest.mark.parametrize("rate", [400, 500, 1000, 257, 100, 50])
@pytest.mark.parametrize("frequency", [1.0, 10.0])
def test_tones_within_the_band_are_kept_without_delay(rate: float, frequency: float) -> None:
    resampled = resample(tone(frequency, rate), rate_ratio(rate, 100), "polyphase")
    np.testing.assert_allclose(
        middle(resampled), middle(tone(frequency, 100))[:, : middle(resampled).shape[1]], atol=0.01
    )


@pytest.mark.parametrize("rate", [500, 257, 50])
def test_an_offset_does_not_ring_at_the_edges(rate: float) -> None:
    constant = np.full((1, 10 * rate), 5.0, dtype=np.float32)
    np.testing.assert_allclose(resample(constant, rate_ratio(rate, 100), "polyphase"), 5.0, rtol=2e-3)


@pytest.mark.parametrize("rate", [500.0, 1000.0, 257.0, 360.0, 250.0, 400.0, 50.0, 360.4, 128.205])
@pytest.mark.parametrize("samples", [1, 2, 40, 777, 3000])
def test_polyphase_is_scipys_with_the_same_filter(rate: float, samples: int) -> None:
    ratio = rate_ratio(rate, 100)
    slower = (1 - PASS_BAND) / max(ratio.numerator, ratio.denominator)
    half = kaiserord(STOP_BAND_DB, slower)[0] // 2 + 1
    taps = firwin(
        2 * half + 1,
        (1 + PASS_BAND) / 2 / max(ratio.numerator, ratio.denominator),
        window=("kaiser", kaiser_beta(STOP_BAND_DB)),
    )
    noise = np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32)
    expected = resample_poly(
        noise.astype(np.float64), ratio.numerator, ratio.denominator, axis=1, window=taps, padtype="symmetric"
    )
    np.testing.assert_allclose(resample(noise, ratio, "polyphase"), expected, atol=1e-6)


def test_an_equal_rate_changes_nothing() -> None:
    signal = tone(10, 100)
    assert resample(signal, Fraction(1), "polyphase") is signal
    assert resample(signal, Fraction(1), "stride") is signal


def test_stride_refuses_a_ratio_that_is_not_whole() -> None:
    with pytest.raises(SettingError, match="polyphase"):
        resample(tone(1, 250), rate_ratio(250, 100), "stride")


def test_rates_must_be_positive() -> None:
    with pytest.raises(SettingError):
        rate_ratio(0.0, 100)


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 3000),
    ratio=st.sampled_from([Fraction(1, 5), Fraction(1, 10), Fraction(2, 5), Fraction(1), Fraction(2)]),
    num_samples=st.integers(1, 400),
    crop=st.sampled_from(["start", "center"]),
    method=st.sampled_from(["polyphase", "stride"]),
)
def test_a_window_gives_the_same_as_cutting_the_whole(
    samples: int, ratio: Fraction, num_samples: int, crop: str, method: str
) -> None:
    if method == "stride" and ratio.numerator != 1:
        return
    signal = np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32)
    whole = resample(signal, ratio, method)  # type: ignore[arg-type]
    window = find_window(samples, ratio, num_samples, crop)  # type: ignore[arg-type]
    part = resample(signal[:, window.start : window.stop], ratio, method)  # type: ignore[arg-type]
    kept = part[:, window.skip : window.skip + window.length]
    first = (whole.shape[1] - window.length) // 2 if crop == "center" else 0
    assert window.length == min(num_samples, whole.shape[1])
    assert window.cut == (whole.shape[1] > num_samples)
    np.testing.assert_allclose(kept, whole[:, first : first + window.length], atol=1e-5)


def test_a_window_reads_little_more_than_it_keeps() -> None:
    window = find_window(144 * 500, Fraction(1, 5), 1000, "center")
    assert window.stop - window.start < 5500


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([100.0, 250.0, 257.0, 500.0, 1000.0, 50.0]),
    seconds=st.floats(2.0, 12.0),
    place=st.floats(0, 1),
    length=st.integers(1, 200),
)
def test_any_window_is_cut_out_of_the_whole(rate: float, seconds: float, place: float, length: int) -> None:
    signal = np.random.default_rng(0).normal(size=(2, round(seconds * rate))).astype(np.float32)
    ratio = rate_ratio(rate, 100)
    total = resampled_length(signal.shape[1], ratio)
    first = round(place * (total - length))
    window = window_at(signal.shape[1], ratio, first, length)
    part = resample(signal[:, window.start : window.stop], ratio, "polyphase")
    whole = resample(signal, ratio, "polyphase")
    assert whole.shape[1] == total
    np.testing.assert_allclose(
        part[:, window.skip : window.skip + length], whole[:, first : first + length], atol=2e-5
    )
    assert window.cut == (total > length)
