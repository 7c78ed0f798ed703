"""Where training signals lie, and which records lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_tl.store.encoding import decode
from ecg_tl.store.ranges import SignalRanges, training_ranges, unfamiliar
from ecg_tl.store.reader import Store

RATE = 100.0
LEADS = ("I", "II", "V1")


def sines(amplitude: float, frequency: float, leads: int = 3) -> np.ndarray:
    instants = np.arange(1000) / RATE
    wave = amplitude * np.sqrt(2) * np.sin(2 * np.pi * frequency * instants)
    return np.tile(wave, (leads, 1)).astype(np.float32)


RANGES = SignalRanges(((0.1, 0.5),) * 3, ((2.0, 10.0),) * 3, 100)


@pytest.mark.parametrize(
    ("amplitude", "frequency", "said"),
    [
        (0.2, 5.0, ()),
        (2.0, 5.0, ("standard deviation of all leads; I, for one, has 2 mV", "usual are 0.1 to 0.5 mV")),
        (0.01, 5.0, ("standard deviation of all leads",)),
        (0.2, 1.0, ("mean frequency of all leads", "usual are 2 to 10 Hz")),
        (0.2, 20.0, ("mean frequency",)),
    ],
)
def test_what_is_outside_is_named(amplitude: float, frequency: float, said: tuple[str, ...]) -> None:
    found = unfamiliar(RANGES, [sines(amplitude, frequency)], LEADS, RATE)
    assert len(found) == bool(said)
    assert all(part in found[0] for part in said)


def test_a_third_of_the_leads_must_be_outside() -> None:
    ranges = SignalRanges(((0.1, 0.5),) * 12, ((2.0, 10.0),) * 12, 100)
    leads = tuple(f"V{number}" for number in range(12))
    signal = sines(0.2, 5.0, 12)
    signal[:3] *= 10
    assert unfamiliar(ranges, [signal], leads, RATE) == []
    signal[3] *= 20
    assert "of V0, V1, V2, V3; V3, for one, has 4 mV" in unfamiliar(ranges, [signal], leads, RATE)[0]
    assert unfamiliar(SignalRanges(((0.1, 0.5),), ((2.0, 10.0),), 9), [signal[:1]], ("II",), RATE)


def test_flat_leads_and_odd_windows_are_no_unfamiliar_signals() -> None:
    flat = np.zeros((3, 1000), dtype=np.float32)
    assert unfamiliar(RANGES, [flat], LEADS, RATE) == []
    good, odd = sines(0.2, 5.0), sines(5.0, 5.0)
    assert unfamiliar(RANGES, [good, odd, good], LEADS, RATE) == []
    assert unfamiliar(RANGES, [good[:, :1]], LEADS, RATE) == []


def test_a_lead_that_was_always_flat_knows_no_amplitude() -> None:
    ranges = SignalRanges(((0.0, 0.0),) * 3, ((0.0, 0.0),) * 3, 100)
    assert "0 to 0 mV" in unfamiliar(ranges, [sines(0.2, 5.0)], LEADS, RATE)[0]


def test_ranges_hold_nearly_all_training_records(ptbxl_store: Store) -> None:
    rows = np.arange(0, 60, 2)
    ranges = training_ranges(ptbxl_store, rows)
    assert ranges is not None
    assert ranges.records == len(rows)
    signals = decode(np.array(ptbxl_store.signals()))[rows]
    low, high = np.array(ranges.deviation_mv).T
    deviations = signals.astype(np.float64).std(axis=2)
    assert (low > deviations.min(axis=0) - 1e-6).all()
    assert (high < deviations.max(axis=0) + 1e-6).all()
    assert (low < high).all()
    assert np.mean((deviations < low) | (deviations > high)) < 0.08  # of 30 records, at most the two extremes
    assert SignalRanges.from_dict(ranges.as_dict(), 12) == ranges
    assert training_ranges(ptbxl_store, rows[::-1].copy()) == ranges
    assert training_ranges(ptbxl_store, rows[:0]) is None


def test_padding_does_not_count(tmp_path: Path, ptbxl_store: Store) -> None:
    records = ptbxl_store.records.assign(padded_samples=[100] * 30 + [0] * 30)
    cut = training_ranges(Store(ptbxl_store.path, ptbxl_store.manifest, records), np.arange(30))
    signals = decode(np.array(ptbxl_store.signals()))[:30, :, :-100].astype(np.float64)
    assert cut is not None
    highest = np.quantile(signals.std(axis=2), 0.995, axis=0)
    assert [high for _, high in cut.deviation_mv] == pytest.approx(highest, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"deviation_mv": [[1]]},
        {"deviation_mv": [[1, 2]]},
        {"frequency_hz": None},
        {"frequency_hz": [[1, float("nan")]] * 3},
        {"records": "many"},
    ],
)
def test_malformed_ranges_are_told(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="malformed"):
        SignalRanges.from_dict({**RANGES.as_dict(), **change}, 3)
