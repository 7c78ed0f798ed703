"""Chains of published networks give what the published preprocessing gives."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_signals import disturbed

from ecg_tl.preprocessing import (
    Butterworth,
    Chain,
    Clip,
    Crop,
    Decimate,
    FillMissing,
    FirBandpass,
    Flatten,
    Leads,
    MedianBaseline,
    MinMax,
    Notch,
    Resample,
    Step,
    Stretch,
    TrainingScale,
    Unflatten,
    ZScore,
)
from ecg_tl.preprocessing.step import Values
from ecg_tl.signals import LEADS

MIMIC = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

BAND = Butterworth(4, 0.67, 40, "ba")
FOUNDER: tuple[Step, ...] = (Notch(50, 30), BAND, MedianBaseline(0.4), ZScore("all", 1e-8))
HUBERT: tuple[Step, ...] = (FirBandpass(0.05, 47), Resample(500, "fourier"), MinMax("lead", -1, 1))
HUBERT_ROW = (*HUBERT, Crop(2500), Flatten(), Decimate(5))
ST_MEM: tuple[Step, ...] = (Butterworth(5, low=0.67), Butterworth(5, high=40), ZScore("all"))
RESAMPLED = Resample(250, "fourier")

CHAINS: dict[tuple[str, str], tuple[Step, ...]] = {
    ("ecgfounder", "after_notch (own scipy)"): FOUNDER[:1],
    ("ecgfounder", "after_bandpass (own scipy)"): FOUNDER[:2],
    ("ecgfounder", "after_median"): FOUNDER[:3],
    ("ecgfounder", "final"): FOUNDER,
    ("ecgfounder", "one_lead_final (lead 0 alone, shape (1,5000))"): (Leads(("I",)), *FOUNDER),
    ("ecg-fm", "standardised"): (ZScore("lead"),),
    ("ecg-fm", "segment_0 (samples 0..2499)"): (ZScore("lead"), Crop(2500)),
    ("ecg-fm", "segment_1"): (ZScore("lead"), Crop(2500, start=2500)),
    ("hubert-ecg", "after_FIR"): HUBERT[:1],
    ("hubert-ecg", "after_scaling (12 x 5000)"): HUBERT,
    ("hubert-ecg", "final (crop first 2500 per lead, flatten, decimate 5 -> 6000)"): HUBERT_ROW,
    ("merl", "same in float64"): (MinMax("all"), Leads(MIMIC)),
    ("st-mem-style", "resampled (12 x 2500)"): (RESAMPLED,),
    ("ecg-jepa", "pretraining_and_linear_probe (8 x 2500, no filter)"): (RESAMPLED, Leads(EIGHT)),
    ("ecg-jepa", "fine_tuning (high-pass then low-pass)"): (RESAMPLED, Leads(EIGHT), *ST_MEM[:2]),
    ("ked", "pretraining (12 x 1000)"): (Resample(100, "fourier"), FillMissing("zero")),
    ("clef", "after_bandpass (1 x 5000)"): (Leads(("II",)), Butterworth(5, 0.67, 40, "ba")),
    ("clef", "final (5000)"): (Leads(("II",)), Butterworth(5, 0.67, 40, "ba"), ZScore("lead", 1e-8)),
}
AT_400_HZ: dict[tuple[str, str], tuple[Step, ...]] = {
    ("ecgfounder", "resample_400Hz (4096 samples at 400 Hz -> 5000)"): (Stretch(5000),),
    ("ecg-fm", "from_400Hz_4096 (5120 samples; then 2 segments, 120 samples dropped)"): (
        Resample(500, "linear"),
        ZScore("lead"),
    ),
    ("hubert-ecg", "from_400Hz_4096: after_FIR"): HUBERT[:1],
    ("hubert-ecg", "from_400Hz_4096: after_scaling (12 x 5120)"): HUBERT,
    ("hubert-ecg", "from_400Hz_4096: final"): HUBERT_ROW,
}


@cache
def reference() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(__file__).parent / "reference.json").read_text())
    return data


@cache
def main_recording() -> Values:
    values = disturbed(5000, 500)
    check = reference()["input"]["main_check"]
    np.testing.assert_allclose(values.ravel()[check["indices"]], check["values"], rtol=0, atol=2e-12)
    return values


def last_digits(chain: Chain) -> float:
    """How far changes in the last digit of the input move the output.

    Narrow bands as one fraction of order 8 or 10 lose most digits: the published numbers are themselves no
    nearer to the truth than this.
    """
    rng = np.random.default_rng(0)
    values = main_recording()
    exact = chain(values, 500, LEADS).values
    changed = values * (1 + 1e-15 * rng.normal(size=values.shape))
    return float(np.abs(chain(changed, 500, LEADS).values - exact).max())


def assert_gives(found: Values, expected: dict[str, Any], tolerance: float = 1e-9) -> None:
    assert found.size == math.prod(expected["shape"])
    values = np.array(expected["values"])
    scale = max(1.0, float(np.abs(values).max()))
    np.testing.assert_allclose(found.ravel()[expected["indices"]], values, rtol=0, atol=tolerance * scale)
    assert found.mean() == pytest.approx(expected["mean"], rel=tolerance, abs=tolerance * scale)
    assert found.std() == pytest.approx(expected["std"], rel=tolerance)
    assert np.linalg.norm(found) == pytest.approx(expected["l2"], rel=tolerance)


@pytest.mark.parametrize("which", CHAINS, ids=":".join)
def test_a_chain_gives_the_published_numbers(which: tuple[str, str]) -> None:
    chain = Chain.from_json(json.loads(json.dumps(Chain(CHAINS[which]).to_json())))
    assert chain == Chain(CHAINS[which])
    ill = any(isinstance(step, Butterworth) and step.form == "ba" for step in chain.steps)
    tolerance = 5 * last_digits(chain) if ill else 1e-9
    assert tolerance < (2e-2 if which[0] == "clef" else 1e-4)
    assert_gives(chain(main_recording(), 500, LEADS).values, reference()[which[0]][which[1]], tolerance)


@pytest.mark.parametrize("order", [4, 5])
def test_both_forms_of_a_filter_are_one_filter(order: int) -> None:
    ba, sos = (
        Chain((Butterworth(order, 0.67, 40, form),))(main_recording(), 500, LEADS).values
        for form in ("ba", "sos")
    )
    # The forms continue the ends differently; `ba` loses digits.
    np.testing.assert_allclose(ba[:, 500:-500], sos[:, 500:-500], rtol=0, atol=5e-3)


@pytest.mark.parametrize("which", AT_400_HZ, ids=":".join)
def test_a_chain_gives_the_published_numbers_at_another_rate(which: tuple[str, str]) -> None:
    signal = Chain(AT_400_HZ[which])(disturbed(4096, 400), 400, LEADS)
    assert_gives(signal.values, reference()[which[0]][which[1]])


@pytest.mark.parametrize("level", ["0", "0.7"])
def test_a_constant_lead_becomes_zero(level: str) -> None:
    values = main_recording().copy()
    values[4] = float(level)
    key = f"with_lead_4_constant_{'zero' if level == '0' else level}"
    expected = reference()["ecg-fm"][key]
    found = Chain((ZScore("lead"),))(values, 500, LEADS).values
    assert not found[4].any()
    assert_gives(found, expected)


def test_crops_are_filtered_by_themselves() -> None:
    resampled = Chain((RESAMPLED,))(main_recording(), 500, LEADS)
    for steps, key in (
        (ST_MEM[:2], "filtered crops (3 x 12 x 2250)"),
        (ST_MEM, "final (3 x 12 x 2250)"),
    ):
        crops = [
            Chain((Crop(2250, start), *steps))(resampled.values, 250, LEADS).values for start in (0, 125, 250)
        ]
        assert_gives(np.stack(crops), reference()["st-mem-style"][key])


def test_one_scale_of_all_training_records() -> None:
    records = [disturbed(1000, 100, noise=j) + 0.1 * j for j in range(4)]
    chain = Chain((TrainingScale("all"),)).fit([(record, 100, LEADS) for record in records[:3]])
    (scale,) = chain.steps
    assert isinstance(scale, TrainingScale)
    assert scale.mean == pytest.approx([reference()["helme"]["mean"]], rel=1e-12)
    assert scale.deviation == pytest.approx([reference()["helme"]["std"]], rel=1e-12)
    found = [chain(record, 100, LEADS).values.T for record in records]
    assert_gives(np.stack(found[:3]), reference()["helme"]["train_standardised"])
    assert_gives(np.stack(found[3:]), reference()["helme"]["test_standardised"])


def test_a_scale_of_each_lead_and_a_clip() -> None:
    expected = reference()["weimann"]
    records = [disturbed(5000, 500, noise=j) for j in range(4)]
    chain = Chain((TrainingScale("lead"), Clip(-5, 5))).fit([(r, 500, LEADS) for r in records[:3]])
    chain = Chain.from_json(json.loads(json.dumps(chain.to_json())))
    scale = chain.steps[0]
    assert isinstance(scale, TrainingScale)
    assert scale.mean == pytest.approx(expected["mean_per_lead"]["values"], abs=1e-11)
    assert scale.deviation == pytest.approx(expected["std_per_lead"]["values"], abs=1e-11)
    found = chain(3 * records[3], 500, LEADS).values
    assert_gives(found, expected["test_standardised_and_clipped (12 x 5000)"])
    assert np.mean(np.abs(found) == 5) == pytest.approx(expected["clipped_fraction"], abs=5e-5)


def test_decimating_the_row_of_all_leads_is_not_decimating_each() -> None:
    row = Chain((*HUBERT_ROW, Unflatten(LEADS)))(main_recording(), 500, LEADS)
    each = Chain((*HUBERT, Crop(2500), Decimate(5)))(main_recording(), 500, LEADS)
    assert row.values.shape == each.values.shape == (12, 500)
    assert row.sampling_rate == each.sampling_rate == 100
    difference = float(np.abs(row.values - each.values).max())
    assert difference == pytest.approx(reference()["hubert-ecg"]["difference_if_decimated_per_lead"])
