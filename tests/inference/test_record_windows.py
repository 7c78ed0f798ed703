"""Any rate and length becomes windows of a network's length, as the store would have them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fake_model import describe
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError, SettingError
from ecg_tl.inference.windows import Windows, cut_windows
from ecg_tl.preprocessing.polyphase import rate_ratio
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.conform import StoredSignal, conform
from ecg_tl.store.resample import resample
from ecg_tl.store.settings import StoreSettings

DESCRIPTION = describe()


def noise(seconds: float, rate: float = 500.0, seed: int = 0) -> Recording:
    """Noise below 20 Hz, so that it means the same at every rate."""
    random = np.random.default_rng(seed)
    instants = np.arange(round(seconds * rate)) / rate
    values = sum(
        random.normal(size=(12, 1)) * np.sin(2 * np.pi * f * instants + random.uniform(0, 6, (12, 1)))
        for f in (0.7, 3.0, 11.0, 19.0)
    )
    return Recording((0.2 * values).astype(np.float32), LEADS, rate)


def kinds(windows: Windows) -> list[str]:
    return [remark.kind for remark in windows.remarks]


@pytest.mark.parametrize("rate", [100.0, 250.0, 257.0, 400.0, 500.0, 1000.0])
@pytest.mark.parametrize("seconds", [10.0, 6.3, 23.7])
@pytest.mark.parametrize("crop", ["start", "center"])
def test_one_window_is_what_the_store_keeps(rate: float, seconds: float, crop: str) -> None:
    recording = noise(seconds, rate)
    stored = conform(recording, StoreSettings(crop=crop), "record")  # type: ignore[arg-type]
    windows = cut_windows(recording, describe(crop=crop), "one", "record")
    assert isinstance(stored, StoredSignal)
    assert windows.steps.shape == (1, 12, 1000)
    np.testing.assert_array_equal(windows.steps[0], stored.steps)


@pytest.mark.parametrize("rate", [100.0, 250.0, 257.0, 1000.0])
def test_any_rate_means_the_same_signal(rate: float) -> None:
    expected = cut_windows(noise(10.0, 500.0), DESCRIPTION, "all", "record").signal(slice(None))
    found = cut_windows(noise(10.0, rate), DESCRIPTION, "all", "record").signal(slice(None))
    middle = (slice(None), slice(None), slice(50, -50))
    np.testing.assert_allclose(found[middle], expected[middle], atol=0.01)


def test_the_filter_is_the_stores() -> None:
    recording = noise(10.0)
    mains = Recording(
        recording.values + 0.5 * np.sin(2 * np.pi * 60 * np.arange(5000) / 500).astype(np.float32),
        LEADS,
        500.0,
    )
    clean, humming = (
        cut_windows(one, DESCRIPTION, "all", "record").signal(slice(None)) for one in (recording, mains)
    )
    np.testing.assert_allclose(humming[:, :, 50:-50], clean[:, :, 50:-50], atol=0.003)
    stride = cut_windows(mains, describe(resampling="stride"), "all", "record").signal(slice(None))
    assert np.abs(stride - clean).max() > 0.3


@pytest.mark.slow
@run_settings(max_examples=40, deadline=None)
@given(seconds=st.floats(10.0, 65.0), rate=st.sampled_from([100.0, 250.0, 500.0]))
def test_windows_cover_a_long_record(seconds: float, rate: float) -> None:
    recording = noise(seconds, rate)
    windows = cut_windows(recording, DESCRIPTION, "all", "record")
    whole = resample(recording.values, rate_ratio(rate, 100.0), "polyphase")
    firsts = [round(start * 100) for start in windows.starts]
    assert firsts[0] == 0
    assert firsts[-1] + 1000 == whole.shape[1]
    assert len(windows) == -(-whole.shape[1] // 1000)
    assert all(0 < later - one <= 1000 for one, later in pairwise(firsts))
    for first, window in zip(firsts, windows.signal(slice(None)), strict=True):
        np.testing.assert_allclose(window, whole[:, first : first + 1000], atol=6e-4)
    assert kinds(windows) == (["windows"] if len(windows) > 1 else [])


@pytest.mark.parametrize("which", ["all", "one"])
def test_a_short_record_is_padded_and_told(which: str) -> None:
    windows = cut_windows(noise(6.0), DESCRIPTION, which, "record")  # type: ignore[arg-type]
    assert windows.length == 600
    assert (windows.steps[:, :, 600:] == 0).all()
    (remark,) = windows.remarks
    assert (remark.kind, remark.is_warning) == ("padded", True)
    assert remark.message == "6 s long, padded with zeros to the 10 s that the network takes"


@pytest.mark.parametrize("samples", [1, 2, 7, 40])
def test_hardly_a_record_at_all(samples: int) -> None:
    recording = Recording(np.ones((12, samples), dtype=np.float32), LEADS, 500.0)
    windows = cut_windows(recording, DESCRIPTION, "all", "record")
    assert windows.steps.shape == (1, 12, 1000)
    assert kinds(windows) == ["padded"]


def test_one_window_of_a_long_record_is_told() -> None:
    (remark,) = cut_windows(noise(25.0), DESCRIPTION, "one", "record").remarks
    assert (remark.kind, remark.is_warning) == ("cropped", False)
    assert remark.message == "10 s of 25 s used, the part that training kept (start)"


def test_short_gaps_are_filled_and_counted() -> None:
    recording = noise(10.0)
    recording.values[3, 100:110] = np.nan
    windows = cut_windows(recording, DESCRIPTION, "all", "record")
    np.testing.assert_allclose(
        windows.signal(slice(None)),
        cut_windows(noise(10.0), DESCRIPTION, "all", "").signal(slice(None)),
        atol=0.3,
    )
    assert [(one.kind, one.message) for one in windows.remarks] == [
        ("missing_values", "10 missing samples interpolated")
    ]


def test_a_window_with_a_long_gap_is_left_out_if_others_remain() -> None:
    recording = noise(30.0)
    recording.values[5, 6000:6500] = np.nan
    windows = cut_windows(recording, DESCRIPTION, "all", "record")
    assert windows.starts == (0.0, 20.0)
    (message,) = (remark for remark in windows.remarks if remark.is_warning)
    assert message.kind == "windows_left_out"
    assert "1 of 3 windows left out" in message.message
    assert "1 s without values in lead aVF" in message.message


@pytest.mark.parametrize(
    ("spoil", "found"),
    [(np.nan, "no value in lead V6"), (np.inf, "an infinite value in lead V6")],
)
def test_a_record_that_cannot_be_filled(spoil: float, found: str) -> None:
    recording = noise(10.0)
    recording.values[11] = spoil
    with pytest.raises(RecordError, match=found):
        cut_windows(recording, DESCRIPTION, "all", "record")


def test_what_int16_cannot_hold_is_cut_off_and_told() -> None:
    recording = noise(10.0, 100.0)
    recording.values[0, 500] = 40.0
    windows = cut_windows(recording, DESCRIPTION, "all", "record")
    assert windows.steps[0, 0, 500] == 32767
    assert kinds(windows) == ["clipped"]


def test_a_rate_that_a_stride_cannot_reach() -> None:
    with pytest.raises(SettingError, match="stride"):
        cut_windows(noise(10.0, 250.0), describe(resampling="stride"), "all", "record")
    assert len(cut_windows(noise(10.0, 500.0), describe(resampling="stride"), "all", "record")) == 1
