"""Steps of preprocessing: what they keep, what they refuse, and that they can be written down."""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.preprocessing import (
    STEPS,
    Butterworth,
    Chain,
    Crop,
    FillMissing,
    FirBandpass,
    Leads,
    MedianBaseline,
    Notch,
    Pad,
    Resample,
    Step,
    TrainingScale,
    Unflatten,
    ZScore,
)

EXAMPLES: list[dict[str, Any]] = [
    {"step": "notch", "frequency": 50},
    {"step": "butterworth", "order": 4, "low": 0.5, "high": 40, "form": "ba"},
    {"step": "fir_bandpass", "low": 0.5, "high": 40},
    {"step": "median_baseline"},
    {"step": "resample", "rate": 250, "method": "linear"},
    {"step": "rank", "low": -1.0},
    {"step": "stretch", "samples": 300},
    {"step": "decimate", "factor": 5},
    {"step": "z_score", "over": "all"},
    {"step": "min_max", "low": -1.0},
    {"step": "training_scale", "mean": [0.0, 1.0], "deviation": [1.0, 2.0]},
    {"step": "clip", "low": -5, "high": 5},
    {"step": "leads", "names": ["II", "I"]},
    {"step": "flatten"},
    {"step": "unflatten", "names": ["I", "II"]},
    {"step": "crop", "samples": 100},
    {"step": "pad", "samples": 1000},
    {"step": "fill_missing", "method": "mean"},
]


def recording(samples: int = 600) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(0).normal(size=(2, samples))


def test_every_step_has_an_example() -> None:
    assert {example["step"] for example in EXAMPLES} == set(STEPS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["step"])
def test_a_step_survives_being_written_down(example: dict[str, Any]) -> None:
    chain = Chain.from_json([example])
    written = json.loads(json.dumps(chain.to_json()))
    assert Chain.from_json(written) == chain
    assert set(written[0]) == {"step", *(field.name for field in fields(chain.steps[0]))}  # type: ignore[arg-type]
    assert hash(chain) == hash(Chain.from_json(written))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["step"])
def test_a_step_leaves_its_input_alone_and_gives_finite_values(example: dict[str, Any]) -> None:
    if example["step"] == "unflatten":
        values, leads = recording().reshape(1, -1), ("flat",)
    else:
        values, leads = recording(), ("I", "II")
    kept = values.copy()
    signal = Chain.from_json([example])(values, 500, leads)
    np.testing.assert_array_equal(values, kept)
    assert signal.values.dtype == np.float64
    assert np.isfinite(signal.values).all()
    assert len(signal.values) == len(signal.leads)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("notch", "preprocessing: found 'notch', expected a list of steps"),
        (["notch"], "its name under `step`"),
        ([{"step": "buterworth", "order": 4}], "Did you mean butterworth"),
        ([{"step": 3}], "expected one of .*notch"),
        ([{"step": "butterworth", "ordr": 4}], "found the parameter 'ordr', .*Did you mean order"),
        ([{"step": "butterworth", "low": 1.0}], "step butterworth: found no order"),
        ([{"step": "butterworth", "order": "4"}], "butterworth: order: found '4', expected a whole number"),
        ([{"step": "butterworth", "order": 4}], "low, high or both"),
        ([{"step": "butterworth", "order": 4, "low": 40, "high": 1}], "above low, 40 Hz"),
        ([{"step": "butterworth", "order": 4, "low": float("nan")}], "butterworth: low: found nan"),
        ([{"step": "notch", "frequency": -50}], "notch: frequency: found -50"),
        ([{"step": "resample", "rate": 0}], "resample: rate: found 0"),
        ([{"step": "resample", "rate": 100, "method": "cubic"}], "one of polyphase, fourier, linear"),
        ([{"step": "leads", "names": ["I", "i"]}], "names of leads, each once"),
        ([{"step": "clip", "low": 5, "high": 5}], "clip: high: found 5"),
        ([{"step": "training_scale", "mean": [1.0]}], "mean and deviation, or neither"),
        ([{"step": "training_scale", "mean": [1.0], "deviation": [0.0]}], "numbers above 0"),
        ([{"step": "flatten", "x": 1}], "none, for it has none"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused(content: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Chain.from_json(content)


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    name=st.sampled_from(sorted(STEPS)),
    parameters=st.dictionaries(
        st.sampled_from(sorted({f.name for s in STEPS.values() for f in fields(s)})),  # type: ignore[arg-type]
        _plain,
        max_size=4,
    ),
)
def test_whatever_is_written_is_a_chain_or_refused(name: str, parameters: dict[str, object]) -> None:
    try:
        chain = Chain.from_json([{"step": name, **parameters}])
    except SettingError:
        return
    assert Chain.from_json(chain.to_json()) == chain


@pytest.mark.parametrize(
    "step", [Notch(50), Butterworth(4, 0.5, 60), Butterworth(4, high=50), FirBandpass(0.5, 50)]
)
def test_a_rate_below_a_filters_band_is_refused(step: Step) -> None:
    with pytest.raises(SettingError, match="signal at 100 Hz, which holds frequencies below 50 Hz"):
        Chain((step,))(recording(), 100, ("I", "II"))


@pytest.mark.parametrize("form", ["ba", "sos"])
@pytest.mark.parametrize("edges", [{"low": 0.7}, {"high": 40.0}, {"low": 0.7, "high": 40.0}])
@settings(max_examples=20, deadline=None)
@given(order=st.integers(1, 8), samples=st.integers(1, 70))
def test_a_short_signal_is_filtered_or_refused(
    form: Any, edges: dict[str, float], order: int, samples: int
) -> None:
    chain = Chain((Butterworth(order, form=form, **edges),))
    refused = ""
    try:
        assert chain(recording(samples), 500, ("I", "II")).values.shape == (2, samples)
    except SettingError as error:
        refused = str(error)
    assert not refused or "which the filter reflects" in refused


def test_a_filter_does_not_spread_missing_values() -> None:
    values = recording()
    values[0, 3] = np.nan
    with pytest.raises(SettingError, match="Put the step fill_missing before it"):
        Chain((Notch(),))(values, 500, ("I", "II"))
    filled = Chain((FillMissing("interpolate"), Notch()))(values, 500, ("I", "II")).values
    assert np.isfinite(filled).all()


@pytest.mark.parametrize(
    ("method", "expected"),
    [("zero", [1, 0, 0, 4]), ("interpolate", [1, 2, 3, 4]), ("mean", [1, 2.5, 2.5, 4])],
)
def test_missing_samples_are_filled(method: Any, expected: list[float]) -> None:
    values = np.array([[1, np.nan, np.nan, 4], [np.nan] * 4])
    filled = Chain((FillMissing(method),))(values, 100, ("I", "II")).values
    np.testing.assert_allclose(filled, [expected, [0] * 4])


def test_a_filter_without_delay_keeps_what_is_symmetric_so() -> None:
    values = np.exp(-((np.arange(10_001) - 5000) ** 2) / 200.0)[None]
    for step in (Butterworth(3, 0.5, 40), FirBandpass(0.5, 40), MedianBaseline(0.2), Notch()):
        filtered = Chain((step,))(values, 500, ("I",)).values[0]
        assert filtered.argmax() == 5000
        np.testing.assert_allclose(filtered, filtered[::-1], atol=1e-6)


@pytest.mark.parametrize("method", ["polyphase", "fourier", "linear"])
@pytest.mark.parametrize("rate", [100.0, 250.0, 360.0])
def test_resampling_keeps_slow_waves(method: Any, rate: float) -> None:
    time = np.arange(2000) / 500
    slow = np.cos(2 * np.pi * 2 * time)[None]
    resampled = Chain((Resample(rate, method),))(slow, 500, ("I",))
    assert resampled.sampling_rate == rate
    samples = resampled.values.shape[1]
    assert samples == pytest.approx(4 * rate, abs=1)
    # The ends are each method's own matter; lines put the last sample where the first method's is not.
    instants = np.linspace(0, time[-1], samples) if method == "linear" else np.arange(samples) / rate
    inside = slice(samples // 5, -samples // 5)
    expected = np.cos(2 * np.pi * 2 * instants)
    np.testing.assert_allclose(resampled.values[0, inside], expected[inside], atol=0.02)


def test_a_rate_that_is_there_already_changes_nothing() -> None:
    values = recording()
    np.testing.assert_array_equal(Chain((Resample(500),))(values, 500, ("I", "II")).values, values)


def test_leads_are_chosen_by_their_names() -> None:
    values = recording()
    swapped = Chain((Leads(("II", "I")),))(values, 500, ("i", "Lead II"))
    np.testing.assert_array_equal(swapped.values, values[::-1])
    with pytest.raises(SettingError, match="no single lead V1 among I, II"):
        Chain((Leads(("I", "V1")),))(values, 500, ("I", "II"))


@given(samples=st.integers(1, 50), wanted=st.integers(1, 50))
def test_crop_and_pad_give_a_length(samples: int, wanted: int) -> None:
    for side in ("end", "start", "both"):
        chain = Chain((Crop(wanted), Pad(wanted, side)))  # type: ignore[arg-type]
        assert chain(recording(samples), 100, ("I", "II")).values.shape == (2, wanted)


def test_unfitted_statistics_are_refused_and_fitting_sees_the_steps_before() -> None:
    chain = Chain((Leads(("II",)), TrainingScale("lead")))
    with pytest.raises(SettingError, match="Fit the chain to them first"):
        chain(recording(), 500, ("I", "II"))
    records = [(recording() + np.array([[0], [j]]), 500.0, ("I", "II")) for j in range(3)]
    fitted = chain.fit(records)
    both = np.concatenate([values[1] for values, *_ in records])
    scale = fitted.steps[1]
    assert isinstance(scale, TrainingScale)
    assert scale.mean == pytest.approx([both.mean()])
    assert scale.deviation == pytest.approx([both.std()])
    with pytest.raises(SettingError, match="constant in all training records"):
        chain.fit([(np.ones((2, 10)), 500.0, ("I", "II"))])
    with pytest.raises(SettingError, match="0 training records"):
        chain.fit([])


@pytest.mark.parametrize(
    ("values", "rate", "leads"),
    [(np.zeros(5), 100, ("I",)), (np.zeros((2, 5)), 100, ("I",)), (np.zeros((1, 5)), 0, ("I",)),
     (np.zeros((1, 5)), np.nan, ("I",)), (np.zeros((1, 0)), 100, ("I",))],
)  # fmt: skip
def test_what_is_no_recording_is_refused(values: Any, rate: float, leads: tuple[str, ...]) -> None:
    with pytest.raises(SettingError):
        Chain((ZScore(),))(values, rate, leads)


def test_a_row_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(SettingError, match="a multiple of 2 samples"):
        Chain((Unflatten(("I", "II")),))(np.zeros((1, 5)), 100, ("flat",))
