"""What is warned of, each kind on a record that has it, and nothing on a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fake_model import describe

from ecg_tl.inference.leads import provide_leads
from ecg_tl.inference.model import ModelDescription
from ecg_tl.inference.quality import examine
from ecg_tl.inference.windows import cut_windows
from ecg_tl.recordings.remarks import Remark
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.ranges import SignalRanges


def remarks(recording: Recording, description: ModelDescription | None = None) -> list[Remark]:
    description = description or describe()
    provided = provide_leads(recording, description.leads, "record", may_be_missing=description.lead_dropout)
    windows = cut_windows(provided.recording, description, "all", "record")
    return list(examine(recording, provided.present(), windows, description))


def spoiled(ecg: Recording, spoil: Callable[[np.ndarray], object]) -> Recording:
    values = ecg.values.copy()
    spoil(values)
    return replace(ecg, values=values)


def _saturate(values: np.ndarray) -> None:
    values[7] *= 5 / np.abs(values[7]).max()
    values[7, 2000:2100] = 6.0


def _swap(values: np.ndarray) -> None:
    values[[0, 1]] = values[[1, 0]]


def _stretch(values: np.ndarray) -> None:
    values /= np.ptp(values, axis=1, keepdims=True)


SPOILED: dict[str, tuple[Callable[[np.ndarray], object], str]] = {
    "flat_lead": (lambda values: values[8].fill(0.3), "flat lead: V3"),
    "saturated": (_saturate, "V2 at 6 mV for 0.2 s"),
    "implausible_gain": (lambda values: np.multiply(values, 0.02, out=values), "median peak"),
    "lead_relations": (_swap, "III is not II - I"),
    "normalised": (_stretch, "every lead spans 1 mV"),
}


def test_a_good_record_is_not_warned_of(ecg: Recording) -> None:
    assert remarks(ecg) == []


@pytest.mark.parametrize("kind", SPOILED)
def test_damage_is_warned_of(kind: str, ecg: Recording) -> None:
    spoil, message = SPOILED[kind]
    found = {remark.kind: remark for remark in remarks(spoiled(ecg, spoil))}
    assert found[kind].is_warning
    assert message in found[kind].message
    assert set(found) <= {kind, "lead_relations"}  # a lead that is spoiled contradicts the others


def test_damage_is_counted_by_window(ecg: Recording) -> None:
    values = np.concatenate([ecg.values] * 3, axis=1)
    values[9, :5300] = 0
    (remark,) = remarks(replace(ecg, values=values))
    assert remark.message == "flat lead: V4 (in 1 of 3 windows)"


def test_leads_that_the_network_does_not_take_do_not_matter(ecg: Recording) -> None:
    record = spoiled(ecg, lambda values: values[8].fill(0.3))
    assert remarks(record, describe(leads=("I", "II", "V1"))) == []
    further = Recording(np.vstack([ecg.values, ecg.values[:1] * 0]), (*LEADS, "vx"), ecg.sampling_rate)
    assert remarks(further) == []


def test_missing_leads_are_not_flat_leads(ecg: Recording) -> None:
    record = Recording(ecg.values[:8], LEADS[:8], ecg.sampling_rate)
    ranges = SignalRanges(((0.01, 5.0),) * 12, ((0.1, 50.0),) * 12, 10).as_dict()
    assert remarks(record, describe(lead_dropout=True, signal_ranges=ranges)) == []


def test_a_record_unlike_the_training_records(ecg: Recording) -> None:
    own = [float(row.std()) for row in ecg.values]
    near = tuple((deviation / 2, deviation * 2) for deviation in own)
    description = describe(signal_ranges=SignalRanges(near, ((0.1, 50.0),) * 12, 10).as_dict())
    assert remarks(ecg, description) == []
    (remark,) = remarks(spoiled(ecg, lambda values: np.multiply(values, 4, out=values)), description)
    assert (remark.kind, remark.is_warning) == ("unfamiliar", True)
    assert remark.message.startswith("unlike the training records: standard deviation of all leads; ")


def test_padding_is_not_unfamiliar(ecg: Recording) -> None:
    own = [float(row[:500].std()) for row in ecg.values]
    near = tuple((deviation / 1.3, deviation * 1.3) for deviation in own)
    description = describe(signal_ranges=SignalRanges(near, ((0.1, 50.0),) * 12, 10).as_dict())
    assert remarks(replace(ecg, values=ecg.values[:, :500]), description) == []
