"""From logits to probabilities and decisions; what is refused under `strict`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel, describe
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from ecg_tl.errors import CheckpointError, RecordError
from ecg_tl.inference.answer import Answer, AnswerSettings, answer, decide
from ecg_tl.recordings import ReadRecord
from ecg_tl.recordings.remarks import Remark
from ecg_tl.signals import Recording

logits = st.floats(-30, 30)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def ask(model: FakeModel, recording: Recording, *remarks: Remark, **settings: object) -> Answer:
    result, _ = answer(model, Path("record"), ReadRecord(recording, remarks), AnswerSettings(**settings))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize(("logit", "found"), [(0.41, True), (0.4, False)])
def test_one_window(logit: float, found: bool) -> None:
    description = describe(temperature=2.0)
    up, one = decide(np.array([[logit, 1.0]]), description, "mean")
    assert up.probability_uncalibrated == pytest.approx(sigmoid(logit))
    assert up.probability == pytest.approx(sigmoid(logit / 2))
    assert up.threshold_uncalibrated == 0.6
    assert up.threshold == pytest.approx(sigmoid(math.log(0.6 / 0.4) / 2))
    assert up.found is found
    assert (up.codes, one.codes) == (("1", "2"), ())
    assert (up.tuned, one.tuned) == (True, False)


@pytest.mark.slow
@run_settings(max_examples=200, deadline=None)
@given(
    values=st.lists(logits, min_size=1, max_size=6),
    temperature=st.floats(0.3, 5),
    threshold=st.floats(0.001, 0.999),
    maximum=st.booleans(),
)
def test_both_scales_decide_alike(
    values: list[float], temperature: float, threshold: float, maximum: bool
) -> None:
    description = describe(temperature=temperature, thresholds=(threshold, 0.5))
    windows = np.stack([values, np.zeros(len(values))], axis=1)
    one, _ = decide(windows, description, "max" if maximum else "mean")
    calibrated = [sigmoid(value / temperature) for value in values]
    expected = max(calibrated) if maximum else sum(calibrated) / len(calibrated)
    assert one.probability == pytest.approx(expected, rel=1e-9)
    assert one.found == (one.probability_uncalibrated >= threshold)
    if abs(one.probability - one.threshold) > 1e-9:
        assert one.found == (one.probability > one.threshold)
    if len(values) == 1:
        assert one.probability_uncalibrated == pytest.approx(sigmoid(values[0]), rel=1e-9)


@pytest.mark.parametrize(("threshold", "found"), [(0.0, True), (1.0, False)])
def test_thresholds_that_decide_by_themselves(threshold: float, found: bool) -> None:
    one, _ = decide(np.array([[0.3, 0.0]]), describe(thresholds=(threshold, 0.5)), "mean")
    assert (one.threshold, one.found) == (threshold, found)


def test_extreme_logits_keep_their_digits() -> None:
    up, one = decide(np.array([[-200.0, 800.0], [-200.0, 800.0]]), describe(), "mean")
    assert up.probability == pytest.approx(math.exp(-200), rel=1e-6)
    assert one.probability == 1.0


def test_a_long_record_is_joined(ecg: Recording) -> None:
    values = np.concatenate([ecg.values, ecg.values + 4, ecg.values], axis=1)
    long = replace(ecg, values=values)
    model = FakeModel(temperature=2.0)
    mean, maximum = (ask(model, long, aggregation=how) for how in ("mean", "max"))
    each = mean.window_probabilities[:, 0]
    assert len(each) == 3
    assert mean.window_starts == (0.0, 10.0, 20.0)
    assert mean.classes[0].probability == pytest.approx(each.mean())
    assert maximum.classes[0].probability == pytest.approx(each.max())
    assert each.max() > each.mean() + 0.1
    first = ask(model, long, windows="one")
    assert len(first.window_starts) == 1
    assert first.classes[0].probability == pytest.approx(ask(model, ecg).classes[0].probability, abs=1e-3)


def test_the_network_gets_its_leads_in_its_order(ecg: Recording) -> None:
    model = FakeModel(leads=("V5", "II"))
    ask(model, ecg)
    (seen,) = model.seen
    assert seen.dtype == np.float32
    assert seen.shape == (1, 2, 1000)
    np.testing.assert_allclose(seen[0].std(axis=1), ecg.values[[10, 1]].std(axis=1), rtol=0.05)


def test_a_day_is_run_in_batches(ecg: Recording) -> None:
    model = FakeModel()
    long = Recording(np.tile(ecg.values[:, ::5], (1, 150)), ecg.leads, 100.0)
    assert len(ask(model, long).window_starts) == 150
    assert [len(batch) for batch in model.seen] == [64, 64, 22]


def test_remarks_are_gathered(ecg: Recording) -> None:
    short = Recording(ecg.values[[0, 1, *range(6, 12)], :3000], ("I", "II", *ecg.leads[6:]), 500.0)
    said = ask(FakeModel(), short, Remark("option_not_used", "told by the reader"))
    assert [remark.kind for remark in said.warnings] == ["option_not_used", "padded"]
    assert [remark.kind for remark in said.notes] == ["computed_leads"]
    assert (said.seconds, said.sampling_rate) == (6.0, 500.0)
    assert said.leads == short.leads


def test_strict_refuses_warnings_and_not_notes(ecg: Recording) -> None:
    pair = Recording(ecg.values[[0, 1, *range(6, 12)]], ("I", "II", *ecg.leads[6:]), 500.0)
    assert ask(FakeModel(), pair, strict=True).notes
    short = replace(pair, values=pair.values[:, :3000])
    model = FakeModel()
    with pytest.raises(RecordError, match=r"6 s long, padded with zeros .* without warnings") as error:
        ask(model, short, strict=True)
    assert "--strict" in error.value.remedy
    assert model.seen == []


def test_found_and_ranked(ecg: Recording) -> None:
    names = ("A", "B", "C", "D")
    description = describe(
        class_names=names, thresholds=(0.9, 0.2, 0.5, 0.5), tuned=(True,) * 4, class_codes={}
    )
    classes = decide(np.array([[2.0, 1.0, -0.1, -3.0]]), description, "mean")
    said = replace(ask(FakeModel(), ecg), classes=classes)
    assert [one.name for one in said.found] == ["B"]
    assert [one.name for one in said.ranked] == ["B", "A", "C", "D"]


def test_a_network_without_numbers(ecg: Recording) -> None:
    model = FakeModel()
    model.logits = lambda signal: np.full((len(signal), 2), np.nan, dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(CheckpointError, match="no numbers"):
        ask(model, ecg)
