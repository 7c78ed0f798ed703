"""Contracts turn recordings into inputs, or refuse them in one line."""

import json

import numpy as np
import pytest

from ecg_tl.errors import SettingError
from ecg_tl.models import find_network
from ecg_tl.models.registry import require_options
from ecg_tl.preprocessing import Chain
from ecg_tl.signals import LEADS
from ecg_tl.upstreams import UPSTREAMS, find_upstream

every_upstream = pytest.mark.parametrize("name", UPSTREAMS)


def recording(seconds: float, rate: float) -> np.ndarray:  # type: ignore[type-arg]
    return 0.3 * np.random.default_rng(0).normal(size=(12, int(seconds * rate)))


@every_upstream
@pytest.mark.parametrize("rate", [500.0, 257.0])
def test_a_recording_becomes_the_input(name: str, rate: float) -> None:
    contract = find_upstream(name).contract
    values = recording(12, rate)
    contract = contract.fit([(values, rate, LEADS)])
    prepared = contract.prepare(values, rate, LEADS)
    assert prepared.shape == (len(contract.leads), contract.num_samples)
    assert np.isfinite(prepared).all()


@every_upstream
def test_a_short_recording_is_refused_or_filled(name: str) -> None:
    contract = find_upstream(name).contract
    values = recording(2, 500)
    contract = contract.fit([(values, 500, LEADS)])
    if "pad" in {step["step"] for step in contract.chain.to_json()}:
        assert contract.prepare(values, 500, LEADS).shape[1] == contract.num_samples
    else:
        with pytest.raises(SettingError, match="found 2 s, expected at least"):
            contract.prepare(values, 500, LEADS)


@every_upstream
def test_missing_leads_are_named(name: str) -> None:
    contract = find_upstream(name).contract.fit([(recording(12, 500), 500, LEADS)])
    first = contract.leads[0]
    others = [row for row, lead in enumerate(LEADS) if lead != first]
    with pytest.raises(SettingError, match=f"no single lead {first}"):
        contract.prepare(recording(12, 500)[others], 500, [LEADS[row] for row in others])


@every_upstream
def test_an_entry_is_whole(name: str) -> None:
    entry = find_upstream(name)
    find_network(entry.network)
    require_options(entry.network, entry.options)
    assert Chain.from_json(json.loads(json.dumps(entry.contract.chain.to_json()))) == entry.contract.chain
    assert all((entry.title, entry.source, entry.citation, entry.recipe, entry.feature, entry.unverified))
    assert entry.non_commercial == ("NC" in entry.weights_licence)
    assert entry.trained_on or any("trained" in text for text in entry.unverified)


def test_mimics_order_of_leads_is_kept() -> None:
    values = np.arange(12.0)[:, None] + np.zeros((12, 5000))
    prepared = find_upstream("ked").contract.prepare(values, 500, LEADS)
    assert prepared[:, 500].round().tolist() == [0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]
