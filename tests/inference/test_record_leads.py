"""Leads by name, computed where physics gives them, missing where it does not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError
from ecg_tl.inference.leads import provide_leads
from ecg_tl.signals import LEADS, Recording, standard_lead

LIMB = LEADS[:6]


def twelve(samples: int = 50) -> Recording:
    random = np.random.default_rng(0)
    one, two = random.normal(0, 0.3, (2, samples))
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    values = np.vstack([limb, random.normal(0, 0.3, (6, samples))]).astype(np.float32)
    return Recording(values, LEADS, 100.0)


def of(recording: Recording, *leads: str) -> Recording:
    rows = [recording.leads.index(lead) for lead in leads]
    return Recording(recording.values[rows], leads, recording.sampling_rate)


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        *((lead.lower(), lead) for lead in LEADS),
        ("AVR", "aVR"),
        (" v1 ", "V1"),
        ("Lead II", "II"),
        ("ECG_AVF", "aVF"),
        ("ecg lead III", "III"),
        ("-aVR", "-aVR"),
        ("MLII", "MLII"),
        ("vx", "vx"),
        ("lead", "lead"),
        ("", ""),
    ],
)
def test_spellings(name: str, lead: str) -> None:
    assert standard_lead(name) == lead


@pytest.mark.parametrize("pair", [*combinations(LIMB, 2)])
def test_any_two_limb_leads_give_the_others(pair: tuple[str, str]) -> None:
    whole = twelve()
    provided = provide_leads(of(whole, *pair, *LEADS[6:]), LEADS, "record")
    np.testing.assert_allclose(provided.recording.values, whole.values, atol=2e-6)
    assert provided.recording.leads == LEADS
    assert provided.missing == ()
    (remark,) = provided.remarks
    assert (remark.kind, remark.is_warning) == ("computed_leads", False)
    others = ", ".join(lead for lead in LIMB if lead not in pair)
    assert remark.message == f"{others} computed from {pair[0]} and {pair[1]}"


def test_one_and_two_are_taken_if_they_are_there() -> None:
    whole = twelve()
    provided = provide_leads(of(whole, "aVF", "II", "III", "I"), ("aVL",), "record")
    assert provided.remarks[0].message == "aVL computed from I and II"


def test_what_is_there_is_not_computed() -> None:
    whole = twelve()
    whole.values[2] = 7.0
    provided = provide_leads(whole, LEADS, "record")
    assert (provided.recording.values == whole.values).all()
    assert provided.remarks == ()


@run_settings(max_examples=30, deadline=None)
@given(st.permutations(LEADS), st.lists(st.sampled_from(LEADS), min_size=1, unique=True))
def test_order_does_not_matter(order: list[str], wanted: list[str]) -> None:
    whole = twelve()
    provided = provide_leads(of(whole, *order), wanted, "record").recording
    assert provided.leads == tuple(wanted)
    assert (provided.values == of(whole, *wanted).values).all()


@pytest.mark.parametrize(
    ("leads", "missing"),
    [
        (("I", *LEADS[6:]), "II, III, aVR, aVL, aVF"),
        ((*LEADS[:6], *LEADS[7:]), "V1"),
        (("MLII", "V5"), "I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V6"),
    ],
)
def test_what_nothing_gives_is_an_error(leads: tuple[str, ...], missing: str) -> None:
    recording = Recording(np.zeros((len(leads), 10), dtype=np.float32), leads, 100.0)
    with pytest.raises(RecordError) as error:
        provide_leads(recording, LEADS, "record")
    assert error.value.found == f"no lead {missing} among {' '.join(leads)}"
    assert "lead_dropout" in error.value.remedy


def test_a_network_trained_for_it_gets_zeros() -> None:
    whole = twelve()
    provided = provide_leads(of(whole, "V2", "I", "aVF"), LEADS, "record", may_be_missing=True)
    assert provided.missing == ("V1", "V3", "V4", "V5", "V6")
    np.testing.assert_allclose(provided.recording.values[:6], whole.values[:6], atol=2e-6)
    assert (provided.recording.values[[6, 8, 9, 10, 11]] == 0).all()
    assert [(remark.kind, remark.is_warning) for remark in provided.remarks] == [
        ("computed_leads", False),
        ("missing_leads", True),
    ]
    assert provided.present().leads == (*LIMB, "V2")


def test_a_record_without_any_lead_is_no_record_with_leads_missing() -> None:
    with pytest.raises(RecordError, match="no lead I, II"):
        provide_leads(of(twelve()), LEADS, "record", may_be_missing=True)


def test_a_lead_twice() -> None:
    whole = twelve()
    recording = Recording(whole.values[[0, 0, 1]], ("I", "I", "II"), 100.0)
    with pytest.raises(RecordError, match="lead I more than once"):
        provide_leads(recording, ("I", "II"), "record")
    assert provide_leads(recording, ("II",), "record").recording.leads == ("II",)


def test_a_missing_sample_is_missing_in_what_is_computed() -> None:
    whole = twelve()
    whole.values[0, 3] = np.nan
    computed = provide_leads(of(whole, "I", "II"), ("III", "II"), "record").recording.values
    assert np.isnan(computed[0]).nonzero()[0].tolist() == [3]
    assert np.isfinite(computed[1]).all()
