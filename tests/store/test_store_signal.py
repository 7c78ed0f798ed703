from __future__ import annotations

import numpy as np
import pytest
from fake_dataset import ecg
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError, SettingError
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.conform import StoredSignal, TooShort, conform
from ecg_tl.store.encoding import decode, encode, signal_hash
from ecg_tl.store.gaps import fill_gaps, longest_run
from ecg_tl.store.settings import StoreSettings


def ramp_with_gap(gap: slice) -> np.ndarray:
    signal = np.tile(np.arange(1000, dtype=np.float32), (2, 1))
    signal[1, gap] = np.nan
    return signal


def test_a_short_gap_becomes_a_straight_line_and_is_counted() -> None:
    filled, count = fill_gaps(ramp_with_gap(slice(500, 520)), 500, ("I", "II"), "r")
    assert count == 20
    np.testing.assert_allclose(filled[1], np.arange(1000))


def test_a_gap_at_an_end_takes_the_nearest_value() -> None:
    filled, count = fill_gaps(ramp_with_gap(slice(0, 3)), 500, ("I", "II"), "r")
    assert count == 3
    assert filled[1, :3].tolist() == [3, 3, 3]


def test_the_given_signal_is_left_alone() -> None:
    signal = ramp_with_gap(slice(5, 6))
    fill_gaps(signal, 500, ("I", "II"), "r")
    assert np.isnan(signal[1, 5])


@pytest.mark.parametrize(
    ("signal", "fault"),
    [
        (ramp_with_gap(slice(500, 521)), "0.042 s without values in lead II"),
        (ramp_with_gap(slice(None)), "no value in lead II"),
        (ramp_with_gap(slice(None, None, 10)), "10% of lead II"),
        (np.where(np.arange(1000) == 5, np.inf, ramp_with_gap(slice(0, 0))), "infinite value in lead I"),
    ],
)
def test_what_cannot_be_filled_names_the_lead(signal: np.ndarray, fault: str) -> None:
    with pytest.raises(RecordError, match=fault):
        fill_gaps(signal, 500, ("I", "II"), "r")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_longest_run_agrees_with_counting(flags: list[bool]) -> None:
    runs = "".join("x" if flag else " " for flag in flags).split()
    assert longest_run(np.array(flags, dtype=bool)) == max(map(len, runs), default=0)


def test_encoding_keeps_a_microvolt_and_counts_what_it_clips() -> None:
    signal = np.array([[0.001, -1.2344, 32.767, 33.0, -40.0]], dtype=np.float32)
    steps, clipped = encode(signal)
    assert steps.tolist() == [[1, -1234, 32767, 32767, -32767]]
    assert clipped == 2
    np.testing.assert_allclose(decode(steps)[0, :3], signal[0, :3], atol=5.1e-4)


def test_the_hash_tells_signals_apart() -> None:
    steps, _ = encode(ecg(0))
    other = steps.copy()
    other[3, 17] += 1
    assert signal_hash(steps) == signal_hash(steps.copy())
    assert signal_hash(steps) != signal_hash(other)


def stored(values: np.ndarray, names: tuple[str, ...] = LEADS, **wanted: object) -> StoredSignal:
    result = conform(Recording(values, names, 500.0), StoreSettings(**wanted).resolved("start"), "r")  # type: ignore[arg-type]
    assert isinstance(result, StoredSignal)
    return result


def test_leads_are_selected_by_name_whatever_their_order() -> None:
    values = ecg(0)
    shuffled = stored(values[::-1], LEADS[::-1], leads=("V6", "I"))
    np.testing.assert_array_equal(shuffled.steps, stored(values).steps[[11, 0]])


def test_a_missing_lead_is_a_record_error() -> None:
    with pytest.raises(RecordError, match="V6"):
        stored(ecg(0)[:11], LEADS[:11])


def test_a_long_record_is_cropped_and_a_short_one_padded_with_zeros() -> None:
    values = ecg(0, samples=6000)
    cropped = stored(values)
    assert cropped.cropped
    assert cropped.padded_samples == 0
    padded = stored(values[:, :4000])
    assert not padded.cropped
    assert padded.padded_samples == 200
    assert not padded.steps[:, 800:].any()
    assert padded.steps[:, 799].any()


def test_the_center_is_the_middle_of_the_record() -> None:
    values = np.tile(np.arange(6000, dtype=np.float32) / 1000, (12, 1))
    steps = stored(values, resampling="stride", crop="center").steps
    assert steps[0, 0] == 500
    assert steps[0, -1] == 500 + 5 * 999


def test_dropping_short_records_says_how_long_they_are() -> None:
    wanted = StoreSettings(short="drop").resolved("start")
    assert conform(Recording(ecg(0, 4000), LEADS, 500.0), wanted, "r") == TooShort(800)


def test_gaps_outside_of_what_is_kept_do_no_harm() -> None:
    values = ecg(0, samples=20000)
    values[:, 12000:] = np.nan
    assert stored(values).nan_samples == 0


def test_gaps_within_are_counted() -> None:
    values = ecg(0)
    values[2, 100:105] = np.nan
    assert stored(values).nan_samples == 5


def test_stride_with_other_rates_is_a_fault_of_the_settings_not_of_the_record() -> None:
    with pytest.raises(SettingError):
        stored(ecg(0), resampling="stride", sampling_rate=300)
