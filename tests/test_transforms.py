"""Normalisation and augmentation of batches."""

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.transforms import (
    NORMALIZATIONS,
    Augmentation,
    augment,
    augmentation_generator,
    create_normalization,
)

RATE = 100.0
KINDS = ["amplitude_scale", "gaussian_noise", "baseline_wander", "time_shift", "time_mask", "lead_dropout"]


def ecg(batch: int = 6, leads: int = 4, samples: int = 200) -> torch.Tensor:
    """Signals without a zero in them, so that zeros that were put in are seen."""
    generator = torch.Generator().manual_seed(0)
    return 1.0 + torch.rand(batch, leads, samples, generator=generator)


def always(**strengths: float) -> Augmentation:
    return Augmentation(**strengths, **{f"{kind}_probability": 1.0 for kind in strengths})


def varied(signal: torch.Tensor, augmentation: Augmentation, seed: int = 0) -> torch.Tensor:
    return augment(signal, augmentation, augmentation_generator(seed, 0, 0), sampling_rate=RATE)


# Normalisation


def test_fixed_scale_keeps_the_voltage_and_clips_artefacts() -> None:
    normalize = create_normalization("fixed_scale")
    signal = torch.tensor([[[0.3, -0.6, 6.0, 50.0, -50.0]]])
    torch.testing.assert_close(normalize(signal), torch.tensor([[[1.0, -2.0, 20.0, 20.0, -20.0]]]))


def test_fixed_scale_is_the_default() -> None:
    assert create_normalization().describe() == {"name": "fixed_scale", "scale_mv": 0.3, "clip": 20.0}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 5), st.floats(-3, 3))
def test_min_max_spans_minus_one_to_one_whatever_gain_and_offset(
    seed: int, gain: float, offset: float
) -> None:
    signal = torch.randn(3, 2, 50, generator=torch.Generator().manual_seed(seed))
    normalize = create_normalization("min_max")
    normalized = normalize(gain * signal + offset)
    torch.testing.assert_close(normalized.amin(-1), -torch.ones(3, 2))
    torch.testing.assert_close(normalized.amax(-1), torch.ones(3, 2))
    torch.testing.assert_close(normalized, normalize(signal), atol=2e-3, rtol=0)


def test_z_score_has_mean_zero_and_deviation_one() -> None:
    normalized = create_normalization("z_score")(0.1 * ecg() + 5)
    torch.testing.assert_close(normalized.mean(-1), torch.zeros(6, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(normalized.std(-1, unbiased=False), torch.ones(6, 4))


@pytest.mark.parametrize("name", ["min_max", "z_score"])
@pytest.mark.parametrize("level", [0.0, 0.1, -1.7])
def test_a_flat_lead_becomes_zero_and_leaves_the_others_alone(name: str, level: float) -> None:
    signal = ecg(samples=333)  # a length at which rounding leaves a constant a deviation from its mean
    flat = signal.clone()
    flat[1, 2] = level
    normalize = create_normalization(name)
    normalized, expected = normalize(flat), normalize(signal)
    assert torch.equal(normalized[1, 2], torch.zeros(333))
    expected[1, 2] = 0
    torch.testing.assert_close(normalized, expected)


def test_none_changes_nothing() -> None:
    assert torch.equal(create_normalization("none")(ecg()), ecg())


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_normalisations_keep_shape_and_batch_independence(name: str) -> None:
    normalize, signal = create_normalization(name), ecg()
    normalized = normalize(signal)
    assert normalized.shape == signal.shape
    assert torch.equal(signal, ecg()), "the batch that was given must not change"
    torch.testing.assert_close(normalize(signal[2:3]), normalized[2:3])
    torch.testing.assert_close(normalize(signal[2]), normalized[2])


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_description_makes_the_same_normalisation(name: str) -> None:
    of_each = {"fixed_scale": {"scale_mv": 0.5, "clip": 4.0}, "chain": {"steps": []}}
    options: dict[str, object] = of_each.get(name, {})  # type: ignore[assignment]
    description = create_normalization(name, **options).describe()
    assert description == {"name": name, **options}
    assert all(type(value) in (str, float, list) for value in description.values())
    again = create_normalization(**description)
    assert torch.equal(again(ecg()), create_normalization(name, **options)(ecg()))


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_normalisations_are_graphs_of_tensor_operations(name: str) -> None:
    samples = torch.export.Dim("samples", min=2, max=10_000)
    program = torch.export.export(create_normalization(name), (ecg(),), dynamic_shapes=({2: samples},))
    longer = ecg(samples=333)
    longer[0, 0] = 0.7
    torch.testing.assert_close(program.module()(longer), create_normalization(name)(longer))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("minmax", {}, "one of fixed_scale, min_max, z_score, none"),
        ("z_score", {"clip": 3.0}, "options of normalization z_score: found clip, expected none"),
        ("fixed_scale", {"scale": 3.0}, "only scale_mv, clip"),
        ("fixed_scale", {"scale_mv": 0.0}, "scale_mv: found 0.0"),
        ("fixed_scale", {"clip": float("nan")}, "clip: found nan"),
    ],
)
def test_wrong_normalisations_are_named(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        create_normalization(name, **options)


# Augmentation


def test_nothing_is_done_by_default() -> None:
    assert Augmentation().is_off
    assert varied(ecg(), Augmentation()) is not None
    assert torch.equal(varied(ecg(), Augmentation()), ecg())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_records_differently_and_not_the_given_batch(kind: str) -> None:
    signal = ecg(batch=1).expand(6, -1, -1).clone()
    before = signal.clone()
    settings_ = always(**{kind: 0.5})
    assert not settings_.is_off
    out = varied(signal, settings_)
    assert torch.equal(signal, before)
    assert out.shape == signal.shape
    assert out.dtype == signal.dtype
    assert len({tuple(record.flatten().tolist()) for record in out}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_zero_probability_is_off(kind: str) -> None:
    off = Augmentation(**{kind: 0.5, f"{kind}_probability": 0.0})
    assert off.is_off
    assert torch.equal(varied(ecg(), off), ecg())


@pytest.mark.parametrize("kind", KINDS)
def test_the_probability_is_the_share_of_records(kind: str) -> None:
    signal = ecg(batch=2000, leads=3, samples=40)
    out = varied(signal, Augmentation(**{kind: 0.9, f"{kind}_probability": 0.3}))
    share = (out != signal).flatten(1).any(dim=1).double().mean().item()
    # A short shift or mask may round to nothing, and a dropout may meet no lead.
    assert 0.2 < share < 0.34


def test_amplitude_scale_is_one_factor_for_all_leads_within_bounds() -> None:
    signal = ecg(batch=500)
    factor = varied(signal, always(amplitude_scale=0.2)) / signal
    torch.testing.assert_close(factor, factor[:, :1, :1].expand_as(factor))
    assert factor.min() >= 0.8
    assert factor.max() <= 1.2
    assert factor.max() - factor.min() > 0.35


def test_noise_has_the_given_deviation() -> None:
    noise = varied(ecg(batch=50), always(gaussian_noise=0.05)) - ecg(batch=50)
    assert noise.std().item() == pytest.approx(0.05, rel=0.05)
    assert noise.mean().abs().item() < 0.002


def test_baseline_wander_is_slow_and_bounded() -> None:
    signal = ecg(batch=200, samples=1000)
    wander = varied(signal, always(baseline_wander=0.3)) - signal
    assert wander.abs().max().item() <= 0.3 + 1e-5
    assert wander.abs().max().item() > 0.2
    # The steepest slope of a sine of amplitude 0.3 mV at 0.5 Hz.
    assert wander.diff(dim=-1).abs().max().item() * RATE <= 0.3 * 2 * torch.pi * 0.5 + 1e-2


def test_time_shift_moves_all_leads_together_and_fills_with_zero() -> None:
    signal = ecg(batch=300)
    out = varied(signal, always(time_shift=0.5))
    shifts = set()
    for before, after in zip(signal, out, strict=True):
        empty = (after == 0).all(dim=0)
        count = int(empty.sum())
        shift = count if empty[0] else -count
        shifts.add(shift)
        kept = after[:, shift:] if shift > 0 else after[:, : 200 + shift]
        original = before[:, : 200 - shift] if shift > 0 else before[:, -shift:]
        assert torch.equal(kept, original)
    assert max(shifts) == 50, "half a second at 100 Hz to one side"
    assert min(shifts) == -50, "and to the other"


def test_time_mask_is_one_stretch_of_all_leads() -> None:
    signal = ecg(batch=300)
    out = varied(signal, always(time_mask=0.5))
    masked = out == 0
    assert (masked == masked[:, :1]).all()
    starts = masked[:, 0].long().diff(dim=1).eq(1).sum(dim=1) + masked[:, 0, 0].long()
    assert starts.max() == 1
    assert 45 <= masked[:, 0].sum(dim=1).max() <= 51
    assert torch.equal(out[~masked], signal[~masked])


def test_lead_dropout_takes_whole_leads_and_keeps_at_least_one() -> None:
    signal = ecg(batch=500)
    out = varied(signal, always(lead_dropout=0.9))
    dropped = (out == 0).all(dim=-1)
    assert torch.equal((out == 0).any(dim=-1), dropped)
    assert dropped.sum(dim=1).max() == 3
    assert dropped.any(dim=0).all(), "every lead has its turn"
    assert (~dropped).any(dim=0).all()


def test_the_same_place_in_training_gives_the_same_numbers() -> None:
    everything = always(**dict.fromkeys(KINDS, 0.3))

    def at(*place: int) -> torch.Tensor:
        return augment(ecg(), everything, augmentation_generator(*place), sampling_rate=RATE)

    assert torch.equal(at(1, 2, 3, 0), at(1, 2, 3, 0))
    others = [(0, 2, 3, 0), (1, 3, 3, 0), (1, 2, 4, 0), (1, 2, 3, 1), (2, 1, 3, 0)]
    assert not any(torch.equal(at(1, 2, 3, 0), at(*place)) for place in others)


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(0)
    before = copy.deepcopy(torch.get_rng_state())
    varied(ecg(), always(**dict.fromkeys(KINDS, 0.3)))
    assert torch.equal(torch.get_rng_state(), before)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KINDS), st.floats(0, 0.99)),
    st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 64)),
    st.integers(0, 2**31),
)
def test_any_setting_on_any_shape_gives_finite_signals(
    strengths: dict[str, float], shape: tuple[int, int, int], seed: int
) -> None:
    out = varied(torch.randn(shape), always(**strengths), seed)
    assert out.shape == shape
    assert torch.isfinite(out).all()


def test_shifts_and_masks_longer_than_the_record_are_held_to_it() -> None:
    out = varied(ecg(), always(time_shift=60.0, time_mask=60.0))
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [(f"{kind}_probability", value) for kind in KINDS for value in (-0.1, 1.1)]
    + [(kind, -0.1) for kind in KINDS]
    + [("amplitude_scale", 1.0), ("lead_dropout", 1.0), ("gaussian_noise", float("nan"))],
)
def test_settings_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"augmentation {field}: found {value}"):
        Augmentation(**{field: value})


def test_every_setting_is_a_float() -> None:
    assert all(type(value) is float for value in dataclasses.asdict(Augmentation()).values())
