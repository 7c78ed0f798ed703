"""What each disturbance does to signals, by its properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecg_tl.disturbances import (
    CHEST_LEADS,
    LIMB_LEADS,
    SWAPS,
    baseline_wander,
    electrode_motion,
    first_seconds,
    lose_leads,
    mains_interference,
    muscle_noise,
    record_generators,
    recorded_at,
    signal_to_noise,
    swap_electrodes,
    without_leads,
    wrong_gain,
)
from ecg_tl.errors import SettingError
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.conform import StoredSignal, conform
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis.leads import ELECTRODE_MATRIX, ELECTRODES, twelve_leads

RATE, SAMPLES = 250.0, 500
NOISES: dict[str, Callable[..., Tensor]] = {
    "wander": baseline_wander,
    "mains": mains_interference,
    "muscle": muscle_noise,
    "motion": electrode_motion,
}
each_noise = pytest.mark.parametrize("add", NOISES.values(), ids=NOISES)
some = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**31)
few_leads = st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True)


def ecg(records: int = 3, samples: int = SAMPLES, leads: int = 12) -> Tensor:
    return torch.randn((records, leads, samples), generator=torch.Generator().manual_seed(1))


def noise_of(
    add: Callable[..., Tensor],
    seed: int = 0,
    level: float = 1.0,
    records: int = 3,
    samples: int = SAMPLES,
    rate: float = RATE,
    leads: tuple[str, ...] = LEADS,
) -> Tensor:
    """What is added to signals that are zero."""
    silence = torch.zeros(records, len(leads), samples)
    generators = record_generators(seed, 1, range(records))
    return add(silence, level, generators, leads=leads, sampling_rate=rate)


def electrode_leads() -> Tensor:
    """What the twelve leads see of each electrode."""
    return torch.from_numpy(twelve_leads(ELECTRODE_MATRIX.astype(np.float32)))


# Noise --------------------------------------------------------------------------------------------------


@each_noise
@some
@given(seed=seeds, level=st.floats(0.001, 10))
def test_noise_grows_with_its_level_and_keeps_the_lead_relations(
    add: Callable[..., Tensor], seed: int, level: float
) -> None:
    noise = noise_of(add, seed, level)
    assert torch.allclose(noise, level * noise_of(add, seed), rtol=1e-4, atol=1e-5 * level)
    one, two, three, right, left, foot = noise[:, :6].unbind(dim=1)
    for lead, expected in (
        (three, two - one),
        (right, -(one + two) / 2),
        (left, one - two / 2),
        (foot, two - one / 2),
    ):
        assert torch.allclose(lead, expected, atol=1e-5 * level)
    assert noise.isfinite().all()
    assert noise.abs().sum() > 0


@each_noise
def test_noise_is_added_to_a_signal_that_stays_what_it_was(add: Callable[..., Tensor]) -> None:
    clean = ecg()
    kept = clean.clone()
    disturbed = add(clean, 0.1, record_generators(0, 1, range(3)), leads=LEADS, sampling_rate=RATE)
    assert torch.equal(clean, kept)
    assert torch.allclose(disturbed - clean, noise_of(add, level=0.1), atol=1e-5)


@each_noise
@some
@given(rows=st.lists(st.integers(0, 100), min_size=1, max_size=4, unique=True), seed=seeds)
def test_a_record_is_disturbed_the_same_in_every_batch(
    add: Callable[..., Tensor], rows: list[int], seed: int
) -> None:
    def disturbed(batch: list[int]) -> Tensor:
        generators = record_generators(seed, 1, batch)
        return add(torch.zeros(len(batch), 12, 100), 1.0, generators, leads=LEADS, sampling_rate=RATE)

    together = disturbed(rows)
    for position, row in enumerate(rows):
        assert torch.allclose(together[position], disturbed([row])[0], atol=1e-5)


@each_noise
def test_other_seeds_kinds_and_records_have_other_noise(add: Callable[..., Tensor]) -> None:
    noise = noise_of(add, seed=0)
    assert not torch.allclose(noise, noise_of(add, seed=1))
    assert not torch.allclose(noise[0], noise[1])
    other_kind = record_generators(0, 2, range(3))
    assert not torch.allclose(
        noise, add(torch.zeros_like(noise), 1.0, other_kind, leads=LEADS, sampling_rate=RATE)
    )


@each_noise
@some
@given(leads=few_leads)
def test_fewer_leads_see_the_noise_of_theirs(add: Callable[..., Tensor], leads: list[str]) -> None:
    noise = noise_of(add, leads=tuple(leads))
    assert (noise.abs().sum(dim=(1, 2)) > 0).all()
    if add is not electrode_motion:  # whose electrode is drawn among those that the leads see
        expected = noise_of(add)[:, [LEADS.index(lead) for lead in leads]]
        assert torch.allclose(noise, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["wander", "mains", "muscle"])
def test_the_level_is_the_root_mean_square_at_an_electrode(name: str) -> None:
    noise = noise_of(NOISES[name], level=0.2, records=400)
    strength = noise.square().mean(dim=(0, 2)).sqrt() / 0.2
    bipolar, augmented, chest = strength[:3], strength[3:6], strength[6:]
    for leads, factor in ((bipolar, 2**0.5), (augmented, 1.5**0.5), (chest, (4 / 3) ** 0.5)):
        assert torch.allclose(leads, torch.full_like(leads, factor), rtol=0.08)


def test_one_electrode_of_a_record_moves_by_the_level() -> None:
    noise = noise_of(electrode_motion, level=0.5, records=40)
    moved = set()
    for record in noise:
        left, strengths, _ = torch.linalg.svd(record, full_matrices=False)
        assert strengths[1] < 1e-4 * strengths[0]  # all leads show one course
        likeness = (left[:, 0] @ (electrode_leads() / electrode_leads().norm(dim=0))).abs()
        electrode = int(likeness.argmax())
        assert likeness[electrode] > 0.9999
        course = record.norm(dim=0) / electrode_leads()[:, electrode].norm()
        assert course.square().mean().sqrt() == pytest.approx(0.5, rel=1e-3)
        moved.add(electrode)
    assert len(moved) > len(ELECTRODES) / 2


@pytest.mark.parametrize(
    ("name", "low", "high"), [("wander", 0.0, 0.6), ("mains", 49.5, 50.5), ("muscle", 15.0, 250.0)]
)
def test_noise_lies_in_its_band(name: str, low: float, high: float) -> None:
    noise = noise_of(NOISES[name], records=4, samples=10000, rate=500)
    power = torch.fft.rfft(noise).abs().square()
    frequency = torch.fft.rfftfreq(10000, 1 / 500)
    inside = power[..., (frequency >= low) & (frequency <= high)].sum() / power.sum()
    assert inside > 0.95


def test_mains_above_half_the_rate_turn_up_at_another_frequency() -> None:
    noise = noise_of(partial(mains_interference, frequency=60.0), samples=1000, rate=100)
    power = torch.fft.rfft(noise).abs().square().sum(dim=(0, 1))
    assert torch.fft.rfftfreq(1000, 1 / 100)[power.argmax()] == pytest.approx(40.0)


@some
@given(ratio=st.floats(-30, 30))
def test_the_signal_to_noise_ratio_is_that_of_powers(ratio: float) -> None:
    clean = ecg(2) + 5.0  # an offset is no signal
    noise = ecg(2).flip(-1)
    noise *= (clean.var(dim=-1, correction=0).mean(dim=1) / noise.square().mean(dim=(1, 2))).sqrt()[
        :, None, None
    ]
    found = signal_to_noise(clean, clean + noise * 10 ** (-ratio / 20))
    assert torch.allclose(found, torch.full_like(found, ratio), atol=0.05)
    assert signal_to_noise(clean, clean).isinf().all()


# Leads --------------------------------------------------------------------------------------------------


@some
@given(count=st.integers(0, 12), seed=seeds)
def test_as_many_leads_are_lost_and_more_include_fewer(count: int, seed: int) -> None:
    clean = ecg(5)
    lost = lose_leads(clean, count, record_generators(seed, 1, range(5)))
    is_lost = (lost == 0).all(dim=-1)
    assert (is_lost.sum(dim=1) == count).all()
    assert torch.equal(lost[~is_lost], clean[~is_lost])
    if count:
        fewer = lose_leads(clean, count - 1, record_generators(seed, 1, range(5)))
        assert (is_lost | ~(fewer == 0).all(dim=-1)).all()


def test_more_leads_than_there_are_cannot_be_lost() -> None:
    with pytest.raises(SettingError, match="from 0 to 12"):
        lose_leads(ecg(), 13, record_generators(0, 1, range(3)))


@some
@given(lost=few_leads, leads=few_leads)
def test_named_leads_are_lost(lost: list[str], leads: list[str]) -> None:
    clean = ecg(2, 10, len(leads))
    result = without_leads(clean, lost, leads=leads)
    for row, lead in enumerate(leads):
        assert torch.equal(result[:, row], torch.zeros(2, 10) if lead in lost else clean[:, row])


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_gives_what_the_electrodes_in_each_others_place_record(swap: str) -> None:
    names = list(ELECTRODES)
    pair = swap.split("–") if "reversed" not in swap else None
    moved = list(reversed(CHEST_LEADS)) if pair is None else [pair[1], pair[0]]
    places = dict(zip(CHEST_LEADS if pair is None else pair, moved, strict=True))
    potentials = torch.randn((len(names), 50), generator=torch.Generator().manual_seed(3))
    exchanged = potentials[[names.index(places.get(name, name)) for name in names]]
    leads = electrode_leads()
    result = swap_electrodes((leads @ potentials)[None], swap, leads=LEADS)[0]
    assert torch.allclose(result, leads @ exchanged, atol=1e-5)
    assert torch.equal(swap_electrodes(result[None], swap, leads=LEADS)[0], (leads @ potentials))


def test_a_swap_goes_by_names_and_needs_the_leads_that_change_places() -> None:
    clean = ecg(2, 10, 3)
    swapped = swap_electrodes(clean, "V1–V2", leads=("V2", "I", "V1"))
    assert torch.equal(swapped, clean[:, [2, 1, 0]])
    with pytest.raises(SettingError, match="without III"):
        swap_electrodes(ecg(2, 10, 2), "LA–RA", leads=("I", "II"))
    with pytest.raises(SettingError, match="one of LA–RA"):
        swap_electrodes(clean, "LA-XX", leads=("V2", "I", "V1"))


# The recorder -------------------------------------------------------------------------------------------


def test_gain_is_a_factor() -> None:
    assert torch.equal(wrong_gain(ecg(), 0.5), ecg() / 2)


@pytest.mark.parametrize(("frequency", "passes"), [(3.0, True), (9.0, True), (14.0, False), (40.0, False)])
def test_a_slower_recorder_keeps_what_is_below_half_its_rate(frequency: float, passes: bool) -> None:
    time = torch.arange(1000) / 100
    sine = torch.sin(2 * torch.pi * frequency * time).repeat(2, 3, 1)
    recorded = recorded_at(sine, 25.0, sampling_rate=100.0)
    assert recorded.shape == sine.shape
    middle = slice(100, -100)
    expected = sine if passes else torch.zeros_like(sine)
    assert torch.allclose(recorded[..., middle], expected[..., middle], atol=5e-3)


@pytest.mark.parametrize("rate", [80.0, 60.0, 62.5])
def test_any_lower_rate_keeps_a_constant_and_the_length(rate: float) -> None:
    recorded = recorded_at(torch.full((2, 1, 333), 0.7), rate, sampling_rate=100.0)
    assert torch.allclose(recorded, torch.full((2, 1, 333), 0.7), atol=1e-3)


@pytest.mark.parametrize("rate", [100.0, 250.0, 0.0])
def test_a_recorder_that_is_not_slower_is_refused(rate: float) -> None:
    with pytest.raises(SettingError, match="below 100 Hz"):
        recorded_at(ecg(), rate, sampling_rate=100.0)


@some
@given(length=st.integers(1, 60))
def test_the_first_seconds_are_what_the_store_keeps_of_so_short_a_recording(length: int) -> None:
    steps = np.random.default_rng(0).integers(-2000, 2000, (12, 60)).astype(np.float32) / 1000
    store = StoreSettings(leads=LEADS, sampling_rate=20, num_samples=60, crop="start")
    stored = conform(Recording(steps[:, :length], LEADS, 20.0), store, "record")
    assert isinstance(stored, StoredSignal)
    short = first_seconds(torch.from_numpy(steps)[None], length / 20, sampling_rate=20)
    assert np.allclose(short[0].numpy() * 1000, stored.steps, atol=1e-3)


def test_six_limb_and_six_chest_leads() -> None:
    assert LIMB_LEADS + CHEST_LEADS == LEADS
