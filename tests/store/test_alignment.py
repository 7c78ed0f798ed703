"""A copy is found wherever it begins, and no other recording with it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store import alignment, candidates, hits
from ecg_tl.store.alignment import SAME_TRACE, find_alignments
from ecg_tl.store.copies import find_common, first_copies, first_of_recording
from ecg_tl.store.matching import first_of_equals
from ecg_tl.store.parts import RowParts
from ecg_tl.store.traces import LANDMARKS, TRACE_BYTES, has_trace, recording_trace, unpack_traces
from ecg_tl.synthesis.patients import draw_patient
from ecg_tl.synthesis.simulator import simulate

RECORDS = 12
CONDITIONS = [{"AF"}, set(), {"LBBB"}, {"SB"}]
RATE = 500.0

Signal = np.ndarray


@pytest.fixture(scope="module")
def originals() -> list[Signal]:
    return list(simulate([CONDITIONS[number % len(CONDITIONS)] for number in range(RECORDS)], seed=7))


@pytest.fixture(scope="module")
def traces(originals: list[Signal]) -> np.ndarray:
    return np.stack([trace(signal) for signal in originals])


def trace(signal: Signal, rate: float = RATE, leads: tuple[str, ...] = LEADS) -> np.ndarray:
    return recording_trace(Recording(signal.astype(np.float32), leads, rate))


def causal(signal: Signal) -> Signal:
    return np.asarray(sosfilt(butter(2, [0.5, 40], "bandpass", fs=RATE, output="sos"), signal, axis=1))


def padded(signal: Signal) -> Signal:
    return np.pad(signal, ((0, 0), (407, 289)))


def with_leads(signal: Signal, **sources: tuple[str, float]) -> Signal:
    """Replace leads by others, times a factor."""
    made = signal.copy()
    for lead, (source, factor) in sources.items():
        made[LEADS.index(lead)] = factor * signal[LEADS.index(source)]
    return made


ARMS = {
    "I": ("I", -1.0),
    "II": ("III", 1.0),
    "III": ("II", 1.0),
    "aVR": ("aVL", 1.0),
    "aVL": ("aVR", 1.0),
}
LEFT_ARM_AND_LEG = {"I": ("II", 1.0), "II": ("I", 1.0), "III": ("III", -1.0)}
RIGHT_ARM_AND_LEG = {"I": ("III", -1.0), "II": ("II", -1.0), "III": ("I", -1.0)}

COPIES: dict[str, Callable[[Signal], tuple[Signal, float]]] = {
    "begins 2 ms later": lambda s: (s[:, 1:], RATE),
    "begins 10 ms later": lambda s: (s[:, 5:], RATE),
    "begins 1.3 s later": lambda s: (s[:, 650:], RATE),
    "the middle 7 s": lambda s: (s[:, 750:4250], RATE),
    "the second 5 s": lambda s: (s[:, 2500:], RATE),
    "padded on both sides": lambda s: (padded(s), RATE),
    "causally filtered": lambda s: (causal(s), RATE),
    "another gain, upside down": lambda s: (-1.7 * s, RATE),
    "the arms exchanged": lambda s: (with_leads(s, **ARMS), RATE),
    "left arm and leg exchanged": lambda s: (with_leads(s, **LEFT_ARM_AND_LEG), RATE),
    "right arm and leg exchanged": lambda s: (with_leads(s, **RIGHT_ARM_AND_LEG), RATE),
    "V1 and V2 exchanged": lambda s: (with_leads(s, V1=("V2", 1.0), V2=("V1", 1.0)), RATE),
    "100 Hz, 100 steps/mV": lambda s: (np.rint(resample_poly(s, 1, 5, axis=1) * 100) / 100, 100.0),
    "5 s of it, padded, filtered, at 250 Hz": lambda s: (
        np.pad(resample_poly(causal(s)[:, 1100:3600], 1, 2, axis=1), ((0, 0), (130, 200))),
        250.0,
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_wherever_it_begins(name: str, originals: list[Signal], traces: np.ndarray) -> None:
    copies = np.stack([trace(*COPIES[name](signal)) for signal in originals])
    one, other = first_copies(traces, copies)
    assert one.tolist() == other.tolist() == list(range(RECORDS))


def test_the_lag_is_where_the_copy_begins(originals: list[Signal], traces: np.ndarray) -> None:
    later = np.stack([trace(signal[:, 650:]) for signal in originals])
    common = find_common(traces, later, 100)
    np.testing.assert_allclose(common.lag, 1.3, atol=0.01)
    common = find_common(later, traces, 100)
    np.testing.assert_allclose(common.lag, -1.3, atol=0.01)


@pytest.mark.parametrize("lead", ["I", "II", "V1"])
def test_a_single_lead_is_enough(lead: str, originals: list[Signal], traces: np.ndarray) -> None:
    row = LEADS.index(lead)
    events = np.stack([trace(signal[[row], 1000:], leads=(lead,)) for signal in originals])
    one, other = first_copies(traces, events)
    assert one.tolist() == other.tolist() == list(range(RECORDS))


@pytest.mark.parametrize("condition", [set(), {"AF"}, {"PVC"}, {"STACH"}])
def test_two_recordings_of_one_patient_are_two(condition: set[str]) -> None:
    patient = draw_patient(np.random.default_rng(3), age=60)
    signals = simulate([condition] * 10, seed=5, patients=[patient] * 10)
    assert len(find_alignments(np.stack([trace(signal) for signal in signals]))) == 0


def with_noise(signal: Signal, seed: int) -> Signal:
    """Add what muscles add: 10 µV between 5 and 25 Hz."""
    noise = np.random.default_rng(seed).normal(size=signal.shape)
    noise = sosfilt(butter(2, [5, 25], "bandpass", fs=RATE, output="sos"), noise, axis=1)
    return np.asarray(signal + 0.01 * noise / noise.std(axis=1, keepdims=True))


def test_beats_of_one_shape_at_the_same_instants_are_not_the_same_recording(originals: list[Signal]) -> None:
    """The correlation of such traces is that of a copy: what varies from beat to beat tells them apart."""
    beats = [np.tile(signal[:, 1000:1400], (1, 12))[:, :4800] for signal in originals]
    one = np.stack([trace(with_noise(signal, 2 * number)) for number, signal in enumerate(beats)])
    other = np.stack([trace(with_noise(signal, 2 * number + 1)) for number, signal in enumerate(beats)])
    copies = np.stack(
        [trace(causal(with_noise(signal, 2 * number))[:, 1900:]) for number, signal in enumerate(beats)]
    )
    assert len(first_copies(one, other)[0]) == 0
    found = first_copies(one, copies)
    assert found[0].tolist() == found[1].tolist() == list(range(RECORDS))
    unpacked = unpack_traces(np.concatenate([one, other])).values[:, 1, 25:455].astype(float)
    alike = [np.corrcoef(unpacked[row], unpacked[RECORDS + row])[0, 1] for row in range(RECORDS)]
    assert np.quantile(alike, 0.6) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptbxl", "cpsc2018"])
def test_no_two_simulated_records_are_the_same(name: str, request: pytest.FixtureRequest) -> None:
    dataset: EcgDataset = get_dataset(name)
    root = request.getfixturevalue(f"{name}_root")
    paths = dataset.scan(root).records["path"]
    assert len(find_alignments(np.stack([recording_trace(dataset.read(root, path)) for path in paths]))) == 0


@pytest.mark.parametrize("samples", [0, 1, 2, 50, 1000, 1240])
@pytest.mark.parametrize("padding", [None, 0.0, np.nan])
def test_less_than_two_and_a_half_seconds_have_no_trace(
    samples: int, padding: float | None, originals: list[Signal]
) -> None:
    signal = originals[0][:, 600 : 600 + samples]
    if padding is not None:
        signal = np.pad(signal, ((0, 0), (500, 500)), constant_values=padding)
    made = trace(signal)
    assert made.shape == (TRACE_BYTES,)
    assert not has_trace(made[None])[0]


def test_what_is_flat_missing_or_not_finite_does_no_harm(originals: list[Signal], traces: np.ndarray) -> None:
    signal = originals[1].copy()
    signal[LEADS.index("I")] = 0.3
    signal[LEADS.index("II"), 100:120] = np.nan
    signal[LEADS.index("V1")] = np.inf
    made = trace(signal)[None]
    assert (unpack_traces(made).lengths > 0).tolist() == [[False, True, False]]
    assert first_copies(made, traces)[1].tolist() == [1]
    assert not trace(originals[0], leads=tuple(f"X{number}" for number in range(12))).any()


def test_landmarks_lie_in_the_trace_and_are_apart(traces: np.ndarray) -> None:
    unpacked = unpack_traces(traces)
    for lengths, marks in zip(
        unpacked.lengths.ravel(), unpacked.landmarks.reshape(-1, LANDMARKS), strict=True
    ):
        at = np.sort(marks[np.isfinite(marks)])
        assert len(at) >= 4
        assert at[0] >= 0
        assert at[-1] <= lengths
        assert np.diff(at).min() > 0.28 * 50


def test_the_trace_is_what_it_was() -> None:
    """Checkpoints carry traces: another one for the same signal needs another version."""
    seconds = np.arange(5000) / 500
    waves = np.stack([np.sin(2 * np.pi * (3 + lead) * seconds) for lead in range(12)])
    values = unpack_traces(trace(waves)[None]).values[0, :, 10:18]
    assert np.abs(values.astype(int) - EXPECTED).max() <= 1


EXPECTED = np.array(
    [[-6, -6, -7, -7, -6, -6, -4, 2], [-6, -6, -4, 4, 6, 6, 7, 6], [-7, -1, 7, 7, -1, -7, -5, 3]]
)


def hashed(*signals: str) -> np.ndarray:
    """Return hashes as of such stored signals, `(records, 16)`."""
    made = [blake2b(signal.encode(), digest_size=16).digest() for signal in signals]
    return np.frombuffer(b"".join(made), np.uint8).reshape(-1, 16)


def test_equals_have_the_first_of_them() -> None:
    assert first_of_equals(hashed(*"abacab")).tolist() == [0, 1, 0, 3, 0, 1]


def test_records_are_of_one_recording_directly_by_their_signals_or_through_others(
    originals: list[Signal], traces: np.ndarray
) -> None:
    first, second = trace(originals[0][:, :3500]), trace(originals[0][:, 1500:])  # 4 s in common
    rows = np.stack([traces[3], first, traces[0], second, np.zeros(TRACE_BYTES, np.uint8), traces[3]])
    rows = np.concatenate([rows, np.zeros((1, TRACE_BYTES), np.uint8)])
    hashes = hashed("a", "b", "c", "d", "flat", "e", "flat")
    assert first_of_recording(rows, hashes).tolist() == [0, 1, 1, 1, 4, 0, 4]


def test_pairs_of_two_collections_are_counted_and_some_are_listed(traces: np.ndarray) -> None:
    one = np.concatenate([traces[:3], traces[:1]])
    other = np.concatenate([traces[5:6], traces[[0, 0, 2]]])
    common = find_common(one, other, 100)
    assert list(zip(common.one.tolist(), common.other.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (2, 3),
        (3, 1),
        (3, 2),
    ]
    assert common.pairs == 5
    assert common.in_one.tolist() == [True, False, True, True]
    assert common.in_other.tolist() == [False, True, True, True]
    assert (common.similarity >= SAME_TRACE).all()
    assert 1 <= len(find_common(one, other, 2).one) <= 4
    assert find_common(one, other, 2).pairs == 5


@pytest.mark.slow
def test_pairs_are_the_same_in_whatever_pieces_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, originals: list[Signal], traces: np.ndarray
) -> None:
    rows = np.concatenate([traces, [trace(signal[:, 700:]) for signal in originals[:6]], traces[:2]])
    whole = find_alignments(rows, least=0.3)
    for module, name in (
        (alignment, "_AT_ONCE"),
        *((candidates, name) for name in ("_AT_ONCE", "_CODES_AT_ONCE", "_ROWS_AT_ONCE")),
        (hits, "_IN_MEMORY"),
    ):
        monkeypatch.setattr(module, name, 3)
    again = find_alignments(RowParts([rows[:5], rows[5:]]), least=0.3)
    assert len(whole) > 8
    for name in ("one", "other", "similarity", "lag"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    some = find_alignments(rows, rows=np.array([0, 3, 12, 15]))
    assert list(zip(some.one.tolist(), some.other.tolist(), strict=True)) == [(0, 12), (3, 15)]


def test_nothing_has_nothing_in_common(traces: np.ndarray) -> None:
    empty = np.zeros((0, TRACE_BYTES), np.uint8)
    for one, other in ((empty, traces), (traces, empty), (empty, empty)):
        assert len(first_copies(one, other)[0]) == 0
        assert find_common(one, other, 10).pairs == 0
    assert len(first_of_recording(empty, hashed())) == 0


@pytest.mark.slow
def test_memory_grows_with_the_records_and_not_with_their_pairs(originals: list[Signal]) -> None:
    """1,200 copies that differ in little are 700,000 pairs."""
    rng = np.random.default_rng(0)
    one = trace(originals[1])
    copies = np.tile(one, (1200, 1))
    copies[np.arange(1200), rng.integers(20, 200, 1200)] ^= 1  # one value by a step
    tracemalloc.start()
    assert first_of_recording(copies, hashed(*map(str, range(1200)))).max() == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6


# Real records ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def challenge(sample_data: Path) -> list[Recording]:
    headers = sorted((sample_data / "cinc2020").rglob("*.hea"))
    return [read_wfdb(path.with_suffix("")) for path in headers]


def test_real_copies_are_found_whatever_was_done_to_them(challenge: list[Recording]) -> None:
    recordings = [one for one in challenge if one.sampling_rate == RATE][:40]
    whole = np.stack([recording_trace(one) for one in recordings])
    for change in ("begins 10 ms later", "causally filtered", "the arms exchanged", "the second 5 s"):
        copies = [trace(COPIES[change](one.values[:, :5000])[0], leads=one.leads) for one in recordings]
        one, other = first_copies(whole, np.stack(copies))
        found = sum(a == b for a, b in zip(one.tolist(), other.tolist(), strict=True))
        assert found >= 0.98 * len(recordings)
        assert found == len(one)
