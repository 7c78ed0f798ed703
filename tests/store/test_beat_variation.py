"""What varies from beat to beat is compared in whichever order two traces come, and where there are beats."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.beat_variation import variation_correlations
from ecg_tl.store.traces import Traces, recording_trace, unpack_traces
from ecg_tl.synthesis.simulator import simulate

RATE = 500.0
ALL = (0, 1, 2)


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    return np.asarray(simulate([set(), {"AF"}, {"LBBB"}, {"PVC"}], seed=11))


def traces_of(*signals: np.ndarray) -> Traces:
    made = [recording_trace(Recording(signal.astype(np.float32), LEADS, RATE)) for signal in signals]
    return unpack_traces(np.stack(made))


def compare(traces: Traces, one: int, other: int, lag: float, leads: tuple[int, ...] = ALL) -> np.ndarray:
    return variation_correlations(traces, np.array([one]), np.array([other]), np.array([lag]), leads)[0]


@pytest.mark.parametrize("record", range(4))
def test_a_copy_varies_alike_at_its_lag_and_at_no_other(record: int, signals: np.ndarray) -> None:
    traces = traces_of(signals[record], signals[record][:, 1300:])  # 2.6 s, 130 samples
    assert (compare(traces, 0, 1, 130.0) > 0.9).all()
    assert compare(traces, 0, 1, 110.0).max() < 0.7


def test_the_order_of_two_does_not_matter(signals: np.ndarray) -> None:
    traces = traces_of(signals[0], 0.5 * signals[0][:, 666:] + 0.5 * signals[1][:, 666:])
    there = compare(traces, 0, 1, 66.6)
    assert np.isfinite(there).all()
    np.testing.assert_allclose(compare(traces, 1, 0, -66.6), there, atol=0.05)


def test_a_lead_upside_down_varies_upside_down(signals: np.ndarray) -> None:
    turned = signals[2].copy()
    turned[LEADS.index("V1")] *= -1
    found = compare(traces_of(signals[2], turned), 0, 1, 0.0)
    assert (found[:2] > 0.9).all()
    assert found[2] < -0.9


def test_leads_are_compared_in_the_order_that_is_asked_for(signals: np.ndarray) -> None:
    exchanged = signals[1].copy()
    exchanged[[LEADS.index("I"), LEADS.index("II")]] = exchanged[[LEADS.index("II"), LEADS.index("I")]]
    traces = traces_of(signals[1], exchanged)
    assert (compare(traces, 0, 1, 0.0, (1, 0, 2)) > 0.9).all()
    assert compare(traces, 0, 1, 0.0)[:2].max() < 0.9


def test_without_two_beats_in_common_nothing_is_said(signals: np.ndarray) -> None:
    traces = traces_of(signals[0], signals[0][:, 4000:], signals[0][:, :1500])
    assert (compare(traces, 0, 2, 450.0) == 0).all()
    assert (compare(traces, 0, 2, 700.0) == 0).all()
    alone = Traces(traces.values, traces.lengths, np.full_like(traces.landmarks, np.nan))
    assert (compare(alone, 0, 0, 0.0) == 0).all()
