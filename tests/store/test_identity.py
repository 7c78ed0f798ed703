"""A recording keeps its fingerprint through everything that publishing it again does to it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_256

import numpy as np
import pytest
from scipy.signal import resample

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.identity import (
    FINGERPRINT_BYTES,
    MATCH_THRESHOLD,
    VALUES_PER_LEAD,
    recording_fingerprint,
)
from ecg_tl.store.matching import comparable, find_matches
from ecg_tl.synthesis.patients import draw_patient
from ecg_tl.synthesis.simulator import simulate

RECORDS = 12
CONDITIONS = [{"AF"}, set(), {"LBBB"}, {"SB"}]


def simulated(seed: int, records: int = RECORDS, **wanted: object) -> list[Recording]:
    diagnoses = [CONDITIONS[number % len(CONDITIONS)] for number in range(records)]
    signals = simulate(diagnoses, seed=seed, **wanted)  # type: ignore[arg-type]
    return [Recording(signal, LEADS, 500.0) for signal in signals]


@pytest.fixture(scope="module")
def originals() -> list[Recording]:
    return simulated(seed=7)


def fingerprints(recordings: list[Recording]) -> np.ndarray:
    return np.stack([recording_fingerprint(recording) for recording in recordings])


def pairs_within(prints: np.ndarray) -> list[tuple[int, int]]:
    found = find_matches(prints, prints)
    return [
        (one, other)
        for one, other in zip(found.one.tolist(), found.other.tolist(), strict=True)
        if one < other
    ]


def changed(recording: Recording, values: np.ndarray, rate: float = 500.0) -> Recording:
    return Recording(values.astype(np.float32), recording.leads, rate)


def resampled(recording: Recording, rate: float) -> Recording:
    """By Fourier's method, so that not this project's own filter is what is tested."""
    samples = round(recording.values.shape[1] * rate / recording.sampling_rate)
    return changed(recording, resample(recording.values, samples, axis=1), rate)


def reordered(recording: Recording) -> Recording:
    order = np.arange(len(LEADS))[::-1]
    return Recording(recording.values[order], tuple(LEADS[row] for row in order), 500.0)


def with_more_leads(recording: Recording) -> Recording:
    frank = recording.values[:3] * 0.5
    return Recording(np.concatenate([frank, recording.values]), ("vx", "vy", "vz", *LEADS), 500.0)


def with_gaps(recording: Recording) -> Recording:
    values = recording.values.copy()
    values[:, 1000:1010] = np.nan
    return changed(recording, values)


SURVIVED: dict[str, Callable[[Recording], Recording]] = {
    "100 Hz": lambda r: resampled(r, 100.0),
    "257 Hz": lambda r: resampled(r, 257.0),
    "400 Hz": lambda r: resampled(r, 400.0),
    "1000 Hz": lambda r: resampled(r, 1000.0),
    "a rate that is no whole number": lambda r: resampled(r, 360.4),
    "another gain": lambda r: changed(r, r.values * 4.88),
    "a gain a lead": lambda r: changed(r, r.values * np.linspace(0.2, 5, 12)[:, None]),
    "an offset a lead": lambda r: changed(r, r.values + np.linspace(-3, 3, 12)[:, None]),
    "steps of 10 µV": lambda r: changed(r, np.rint(r.values * 100) / 100),
    "leads in another order": reordered,
    "Frank's leads in front": with_more_leads,
    "one sample less": lambda r: changed(r, r.values[:, 1:]),
    "the first 8 s": lambda r: changed(r, r.values[:, :4000]),
    "zeros behind": lambda r: changed(r, np.pad(r.values, ((0, 0), (0, 3000)))),
    "missing samples": with_gaps,
    "100 Hz, a gain and steps": lambda r: changed(
        r, np.rint(resampled(r, 100.0).values * 200 * 1.3) / 200, 100.0
    ),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_a_copy_matches_its_original_and_nothing_else(name: str, originals: list[Recording]) -> None:
    copies = [SURVIVED[name](recording) for recording in originals]
    matches = find_matches(fingerprints(originals), fingerprints(copies))
    assert matches.one.tolist() == matches.other.tolist() == list(range(RECORDS))
    assert matches.similarity.min() >= MATCH_THRESHOLD + 0.02


@pytest.mark.parametrize("condition", [set(), {"AF"}, {"PVC"}, {"STACH"}])
def test_two_recordings_of_one_patient_do_not_match(condition: set[str]) -> None:
    patient = draw_patient(np.random.default_rng(3), age=60)
    signals = simulate([condition] * 10, seed=5, patients=[patient] * 10)
    assert len(pairs_within(fingerprints([Recording(one, LEADS, 500.0) for one in signals]))) == 0


def test_the_middle_of_a_recording_is_another_recording(originals: list[Recording]) -> None:
    """A limit of fingerprints, and why there are traces: an excerpt is found only from the begin on."""
    later = [changed(recording, recording.values[:, 700:]) for recording in originals]
    assert len(find_matches(fingerprints(originals), fingerprints(later))) == 0


def test_a_single_lead_still_tells_recordings_apart(originals: list[Recording]) -> None:
    events = [Recording(one.values[[1]], ("II",), 500.0) for one in originals]
    matches = find_matches(fingerprints(originals), fingerprints(events))
    assert matches.one.tolist() == matches.other.tolist() == list(range(RECORDS))


def test_without_any_of_its_leads_there_is_no_fingerprint(originals: list[Recording]) -> None:
    others = [Recording(one.values[7:9], ("V2", "V3"), 500.0) for one in originals]
    flat = [changed(one, np.full_like(one.values, 0.3)) for one in originals]
    for recordings in (others, flat):
        prints = fingerprints(recordings)
        assert not prints.any()
        assert not comparable(prints).any()
        assert len(pairs_within(prints)) == 0


def test_a_flat_or_missing_lead_leaves_its_part_empty(originals: list[Recording]) -> None:
    values = originals[0].values.copy()
    values[0], values[6] = 0.123, np.nan  # I and V1
    parts = recording_fingerprint(changed(originals[0], values)).reshape(-1, VALUES_PER_LEAD)
    assert parts.any(axis=1).tolist() == [False, True, False, True]
    whole = fingerprints(originals)
    assert find_matches(whole, parts.reshape(1, -1)).one.tolist() == [0]


def test_a_recording_shorter_than_the_whole_has_a_fingerprint_of_what_there_is(
    originals: list[Recording],
) -> None:
    short = [changed(recording, recording.values[:, :1700]) for recording in originals]
    prints = fingerprints(short)
    assert len(find_matches(prints, fingerprints([resampled(one, 100.0) for one in short]))) == RECORDS


@pytest.mark.parametrize("samples", [1, 3, 50, 300, 1490])
@pytest.mark.parametrize("padding", [None, 0.0, np.nan])
def test_less_than_three_seconds_of_signal_have_no_fingerprint(
    samples: int, padding: float | None, originals: list[Recording]
) -> None:
    short = []
    for recording in originals:
        values = recording.values.copy()
        if padding is not None:
            values[:, :500], values[:, 500 + samples :] = padding, padding
        short.append(changed(recording, values[:, :samples] if padding is None else values))
    assert fingerprints(short).shape == (RECORDS, FINGERPRINT_BYTES)
    assert not comparable(fingerprints(short)).any()


def test_a_lead_of_less_than_three_seconds_leaves_its_part_empty(originals: list[Recording]) -> None:
    values = originals[0].values.copy()
    values[0, 1000:] = np.nan
    parts = recording_fingerprint(changed(originals[0], values)).reshape(-1, VALUES_PER_LEAD)
    assert parts.any(axis=1).tolist() == [False, True, True, True]


def test_what_is_not_finite_does_no_harm(originals: list[Recording]) -> None:
    values = originals[0].values.copy()
    values[0, :9], values[1] = np.inf, np.nan
    assert recording_fingerprint(changed(originals[0], values)).any()


def test_the_fingerprint_is_what_it_was() -> None:
    """Checkpoints carry fingerprints: another one for the same signal needs another version."""
    seconds = np.arange(5000) / 500
    waves = np.stack([np.sin(2 * np.pi * (3 + lead) * seconds) for lead in range(12)])
    first = recording_fingerprint(Recording(waves.astype(np.float32), LEADS, 500.0))[:VALUES_PER_LEAD:6]
    assert np.abs(first.astype(int) - [-26, -28, 114, 95, 39, -13, -48, 27]).max() <= 1


@pytest.mark.parametrize("name", ["ptbxl", "cpsc2018"])
def test_no_two_simulated_records_match(name: str, request: pytest.FixtureRequest) -> None:
    dataset: EcgDataset = get_dataset(name)
    root = request.getfixturevalue(f"{name}_root")
    paths = dataset.scan(root).records["path"]
    assert len(pairs_within(fingerprints([dataset.read(root, path) for path in paths]))) == 0


def by_definition(recording: Recording) -> np.ndarray:
    """The fingerprint as the module's docstring has it, without transforms."""
    rows, strengths = [], []
    for lead in ("I", "II", "V1", "V5"):
        signal = recording.values[recording.leads.index(lead)].astype(np.float64)
        signal = signal[: int(8 * recording.sampling_rate)]
        signal = signal - signal.mean()
        instants = np.arange(len(signal)) / recording.sampling_rate
        middle = instants + 0.5 / recording.sampling_rate
        edge = np.minimum(middle, len(signal) / recording.sampling_rate - middle)
        tapered = signal * np.sin(np.pi / 2 * np.clip(edge / 0.5, 0, 1)) ** 2
        frequencies = np.arange(1, 20 + 1 / 32, 1 / 16)
        integrals = np.cos(2 * np.pi * np.outer(frequencies, instants)) @ tapered / recording.sampling_rate
        grid = np.arange(min(512, int(len(signal) / recording.sampling_rate * 64))) / 64
        wave = (integrals * np.sqrt(frequencies)) @ np.cos(2 * np.pi * np.outer(frequencies, grid))
        rows.append(wave / np.sqrt(wave**2 + (2 * np.median(np.abs(wave))) ** 2))
        strengths.append(np.sqrt(np.mean(wave**2)))
    assert min(strengths) > 0.02 * max(strengths), "a lead that would be left out"
    even = np.array(rows)
    even -= even.mean(axis=1, keepdims=True)
    bits = np.unpackbits(np.frombuffer(shake_256(b"ecg_tl fingerprint 1").digest(12288), dtype=np.uint8))
    signs = 2.0 * bits.reshape(4, 512, VALUES_PER_LEAD) - 1
    values = np.array([row @ of_lead[: len(row)] for row, of_lead in zip(even, signs, strict=True)])
    return np.rint(values * 127 / np.abs(values).max(axis=1, keepdims=True)).astype(np.int8).reshape(-1)


@pytest.mark.parametrize("rate", [100.0, 250.0, 500.0])
@pytest.mark.parametrize("seconds", [4, 10])
def test_the_fingerprint_is_what_it_is_said_to_be(
    originals: list[Recording], rate: float, seconds: int
) -> None:
    """Stores hold fingerprints of years: a faster way must give the same bytes."""
    for original in originals[:4]:
        of_rate = resampled(original, rate)
        recording = changed(of_rate, of_rate.values[:, : int(seconds * rate)], rate)
        np.testing.assert_array_equal(recording_fingerprint(recording), by_definition(recording))
