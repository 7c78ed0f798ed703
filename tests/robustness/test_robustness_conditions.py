"""Which disturbances signals of some leads, rate and length can meet."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.disturbances import record_generators
from ecg_tl.errors import SettingError
from ecg_tl.robustness.conditions import KINDS, Disturbance, Recorder, make_kinds
from ecg_tl.signals import LEADS

STANDARD = Recorder(LEADS, 500.0, 5000)


def made(recorder: Recorder) -> dict[str, Disturbance]:
    return {kind.name: kind for kind in make_kinds(recorder)[0]}


def labels(recorder: Recorder, kind: str) -> list[str]:
    found = made(recorder).get(kind)
    return [] if found is None else [condition.label for condition in found.conditions]


def test_twelve_leads_at_500_hz_meet_every_kind() -> None:
    kinds, remarks = make_kinds(STANDARD)
    assert [kind.name for kind in kinds] == list(KINDS)
    assert remarks == []
    assert len({kind.number for kind in kinds}) == len(kinds)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    leads=st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True),
    rate=st.sampled_from([25.0, 100.0, 257.0, 500.0]),
    seconds=st.sampled_from([0.5, 3.0, 10.0]),
)
def test_every_condition_can_be_carried_out(leads: list[str], rate: float, seconds: float) -> None:
    recorder = Recorder(tuple(leads), rate, round(rate * seconds))
    signal = torch.randn((2, len(leads), recorder.num_samples))
    for kind in made(recorder).values():
        levels = [condition.level for condition in kind.conditions]
        assert kind.conditions
        assert len(set(levels)) == len(levels) or levels == [None] * len(levels)
        for condition in kind.conditions:
            disturbed = condition.disturb(signal, record_generators(0, kind.number, [0, 1]))
            assert disturbed.shape == signal.shape
            assert disturbed.isfinite().all()
            assert not torch.equal(disturbed, signal), (kind.name, condition.label)


def test_mains_that_the_stores_filter_removes_are_left_out_with_a_reason() -> None:
    at_100_hz = replace(STANDARD, sampling_rate=100.0)
    assert "mains" not in made(at_100_hz)
    assert any("50 Hz are not below 50 Hz" in remark for remark in make_kinds(at_100_hz)[1])
    assert "mains" in made(replace(at_100_hz, resampling="stride"))
    assert "mains" in made(replace(STANDARD, sampling_rate=125.0))
    assert "mains" not in made(replace(STANDARD, sampling_rate=120.0, mains_frequency=60.0))


def test_levels_stay_below_what_the_signals_have() -> None:
    small = Recorder(LEADS[:6], 62.5, 250)
    assert labels(small, "sampling_rate") == ["60 Hz", "40 Hz", "30 Hz", "20 Hz"]
    assert labels(small, "length") == ["2 s", "1 s"]
    assert labels(small, "leads_lost") == ["1 lead", "2 leads", "3 leads"]


def test_fewer_leads_meet_only_what_can_happen_to_them() -> None:
    assert labels(replace(STANDARD, leads=LEADS[:6]), "leads_kept") == [
        "I and II alone",
        "II alone",
        "I alone",
    ]
    assert labels(replace(STANDARD, leads=LEADS[:6]), "swap") == ["LA–RA", "LA–LL", "RA–LL"]
    assert labels(replace(STANDARD, leads=("II", "V1", "V2")), "swap") == ["RA–LL", "V1–V2"]
    assert labels(replace(STANDARD, leads=("II",)), "leads_lost") == []


def test_kinds_are_chosen_by_name() -> None:
    kinds, _ = make_kinds(STANDARD, ["gain", "wander"])
    assert [kind.name for kind in kinds] == ["wander", "gain"]
    with pytest.raises(SettingError, match=r"found wnader, expected some of wander"):
        make_kinds(STANDARD, ["wnader"])
    with pytest.raises(SettingError, match="half the sampling rate"):
        make_kinds(replace(STANDARD, sampling_rate=50.0), ["mains"])
