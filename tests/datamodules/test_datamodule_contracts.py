"""Under a contract, store and device together give what the contract's own preparation gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_tl.cli import main
from ecg_tl.datamodules.contracts import NamedContract, find_contract, fit_scaling
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datasets.ptbxl import PtbXl
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.preprocessing import Chain, Contract, Crop, Leads, Resample, TrainingScale, ZScore
from ecg_tl.published import UPSTREAMS, find_upstream
from ecg_tl.recordings import find_records, read_record
from ecg_tl.signals import LEADS, Recording
from ecg_tl.store.conform import StoredSignal, TooShort, conform
from ecg_tl.store.encoding import decode
from ecg_tl.store.settings import StoreSettings
from ecg_tl.transforms import Augmentation, ChainScaling, create_normalization

every_upstream = pytest.mark.parametrize("name", UPSTREAMS)


@pytest.fixture(scope="session")
def recordings(ptbxl_root: Path) -> list[Recording]:
    dataset = PtbXl()
    return [dataset.read(ptbxl_root, path) for path in dataset.scan(ptbxl_root).records["path"][:4]]


def through_store_and_device(contract: Contract, recording: Recording) -> np.ndarray:  # type: ignore[type-arg]
    settings = StoreSettings.under(contract)
    stored = conform(recording, settings, "record")
    assert isinstance(stored, StoredSignal)
    assert not stored.clipped_samples
    normalization = create_normalization(**NamedContract("", contract).normalization)
    signal = torch.from_numpy(decode(stored.steps, settings.resolution))[None]
    prepared: np.ndarray = normalization(signal)[0].numpy()  # type: ignore[type-arg]
    return prepared


def largest_error(contract: Contract, recording: Recording, wanted: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """What half a step comes to behind the scaling, a number for each lead, with room for float32."""
    half = StoreSettings.under(contract).resolution / 2
    whole = contract.stored(recording.values, recording.sampling_rate, recording.leads).values
    factor = np.ones(len(contract.leads))
    size = float(np.abs(wanted).max())
    for step in contract.scaling.steps:
        over_all = getattr(step, "over", None) == "all"
        axis = None if over_all else 1
        if step.name == "z_score":
            factor = np.broadcast_to(1 / whole.std(axis=axis), factor.shape)
        elif step.name == "min_max":
            factor = np.broadcast_to((step.high - step.low) / np.ptp(whole, axis=axis), factor.shape)  # type: ignore[attr-defined]
        elif step.name == "training_scale":
            factor = np.broadcast_to(1 / np.asarray(step.deviation), factor.shape)  # type: ignore[attr-defined]
    # Extremes, means and deviations are of rounded values too: half a step each, and of a deviation far less.
    return (3 * half * factor + 2e-6 * max(size, 1.0))[:, None]


@pytest.fixture(scope="session")
def real_recordings(sample_data: Path) -> list[Recording]:
    """Two of LUDB's, of 500 Hz, and one of PTB's, of 1,000 Hz and nearly two minutes."""
    places = ("ludb/data/1", "ludb/data/2", "ptbdb/patient001/s0010_re")
    return [
        read_record(record).recording for place in places for record in find_records([sample_data / place])[0]
    ]


@every_upstream
def test_store_and_device_give_the_contracts_numbers(name: str, recordings: list[Recording]) -> None:
    agree(name, recordings)


@pytest.mark.slow
@pytest.mark.realdata
@every_upstream
def test_they_do_on_real_recordings(name: str, real_recordings: list[Recording]) -> None:
    agree(name, real_recordings)


def agree(name: str, recordings: list[Recording]) -> None:
    contract = find_upstream(name).contract
    contract = contract.fit([(r.values, r.sampling_rate, r.leads) for r in recordings])
    for recording in recordings:
        wanted = contract.prepare(recording.values, recording.sampling_rate, recording.leads)
        found = through_store_and_device(contract, recording)
        assert found.shape == wanted.shape
        assert (np.abs(found - wanted) <= largest_error(contract, recording, wanted)).all()


@every_upstream
def test_a_contract_can_be_written_down(name: str) -> None:
    contract = find_upstream(name).contract
    assert Contract.from_json(contract.to_json()) == contract
    settings = StoreSettings.under(contract)
    assert StoreSettings.from_json(settings.to_json()) == settings


def test_a_store_without_a_chain_says_what_it_said_before_there_were_chains() -> None:
    assert StoreSettings().to_json() == {
        "leads": list(LEADS),
        "sampling_rate": 100.0,
        "num_samples": 1000,
        "resampling": "polyphase",
        "short": "pad",
        "crop": None,
    }


def test_the_chain_decides_the_stores_name(ptbxl_root: Path, tmp_path: Path) -> None:
    from ecg_tl.store.fingerprint import Fingerprint, store_name

    source = Fingerprint("0" * 64, 1, 1)
    contract = find_upstream("ecgfounder").contract
    changed = replace(contract, chain=Chain((*contract.stored.steps[:-1], Crop(5000))))
    names = {
        store_name(PtbXl(), settings, source)
        for settings in (
            StoreSettings.under(contract),
            StoreSettings.under(changed),
            StoreSettings(sampling_rate=500, num_samples=5000, short="drop", crop="start"),
        )
    }
    assert len(names) == 3


SLOW = Contract(LEADS, 50, 100, Chain((Leads(LEADS), Resample(50), Crop(100), TrainingScale("lead"))))


def data(root: Path, stores: Path, **settings: Any) -> PtbXlDataModule:
    made = PtbXlDataModule(root=str(root), store_dir=str(stores), batch_size=16, **settings)
    made.prepare_data()
    made.setup()
    return made


@pytest.mark.slow
def test_data_prepare_makes_the_store_that_a_datamodule_opens(ptbxl_root: Path, tmp_path: Path) -> None:
    words = ["data", "prepare", "ptbxl", "--root", str(ptbxl_root), "--store_dir", str(tmp_path)]
    assert main([*words, "--contract", "ked"]) == 0
    (path,) = tmp_path.glob("ptbxl-*/")
    assert data(ptbxl_root, tmp_path, contract="ked").store.path == path
    assert main([*words, "--contract", "kedd"]) == 2


@pytest.mark.slow
def test_statistics_are_those_of_the_training_records(ptbxl_root: Path, tmp_path: Path) -> None:
    module = data(ptbxl_root, tmp_path, contract=SLOW.to_json())
    scaling = module.fitted_scaling
    assert scaling is not None
    (step,) = scaling.steps
    assert isinstance(step, TrainingScale)
    rows = np.sort(module.parts.split.train)
    values = decode(np.array(module.store.signals()[rows])).astype(np.float64)
    np.testing.assert_allclose(step.mean, values.mean(axis=(0, 2)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(step.deviation, values.std(axis=(0, 2)), rtol=1e-6)
    assert fit_scaling(scaling, module.store, rows) == scaling
    described = module.describe()
    assert described["contract"]["chain"][-1]["mean"] == list(step.mean or ())
    assert described["normalization"] == {"name": "chain", "steps": [TrainingScale("lead").to_json()]}


def test_unfitted_statistics_are_no_silent_nan() -> None:
    scaling = create_normalization("chain", steps=[TrainingScale("lead").to_json()])
    with pytest.raises(SettingError, match="those of the training records"):
        scaling(torch.ones(1, 12, 5))


def test_fitted_statistics_travel_with_the_weights() -> None:
    fitted = Chain((TrainingScale("lead", tuple(range(12)), (2.0,) * 12),))
    one, other = (create_normalization("chain", steps=[TrainingScale("lead").to_json()]) for _ in range(2))
    assert isinstance(one, ChainScaling)
    assert isinstance(other, ChainScaling)
    one.expect(12)
    one.fit(fitted)
    other.expect(12)
    other.load_state_dict(one.state_dict())
    assert other.is_fitted
    signal = torch.randn(2, 12, 7)
    assert torch.equal(one(signal), other(signal))


def test_a_contract_sets_leads_rate_and_length(ptbxl_root: Path) -> None:
    module = PtbXlDataModule(root=str(ptbxl_root), contract="ecg-jepa")
    assert (module.leads, module.sampling_rate, module.num_samples) == (
        ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"],
        250,
        2500,
    )
    assert module.normalization == {"name": "none"}
    some = PtbXlDataModule(root=str(ptbxl_root), contract="ecgfounder", leads=["II", "V1"])
    assert some.leads == ["II", "V1"]
    assert some.normalization["steps"][0]["step"] == "z_score"


def test_one_lead_may_stand_for_another_where_the_contract_has_one() -> None:
    assert find_contract("clef-small", ["II"]).contract.leads == ("II",)
    assert find_contract("weimann-vit-s", ["V1"]).contract.scaling.steps[0].to_json()["deviation"] == [0.235]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contract": "ecgfouner"}, "Did you mean ecgfounder"),
        ({"contract": "nothing.ckpt"}, "no such file"),
        ({"contract": {"leads": ["I"]}}, "a table with leads, sampling_rate"),
        ({"contract": {**SLOW.to_json(), "chain": [{"step": "notsch"}]}}, "Did you mean notch"),
        ({"contract": "ecgfounder", "sampling_rate": 100}, "the contract decides it"),
        ({"contract": "ecgfounder", "normalization": "min_max"}, "the contract decides it"),
        ({"contract": "ecg-jepa", "leads": ["III"]}, "some of I II V1"),
        ({"contract": "ecgfounder", "num_samples": 100}, "at least 5000"),
        ({"contract": "ecg-fm", "augmentation": Augmentation(gaussian_noise=0.1)}, "not in mV"),
    ],
)
def test_senseless_contracts_are_one_line(
    settings: Mapping[str, Any], message: str, ptbxl_root: Path
) -> None:
    with pytest.raises(EcgTlError, match=message) as error:
        PtbXlDataModule(root=str(ptbxl_root), **settings)
    assert "\n" not in str(error.value)


def written(seconds: float, rate: float, leads: tuple[str, ...] = LEADS) -> Recording:
    values = np.random.default_rng(0).normal(size=(len(leads), int(seconds * rate)))
    return Recording(values.astype(np.float32), leads, rate)


def test_records_that_cannot_meet_the_contract_are_named() -> None:
    settings = StoreSettings.under(find_upstream("clef-small").contract)
    assert conform(written(5, 500), settings, "r") == TooShort(2500)
    with pytest.raises(EcgTlError, match="r: found no lead I"):
        conform(written(10, 500, ("II", "V1")), settings, "r")
    low = replace(find_upstream("clef-small").contract)
    band = Contract(("I",), 60, 600, Chain(tuple(s for s in low.stored.steps if s.name == "butterworth")))
    with pytest.raises(EcgTlError, match="a rate above 80 Hz for a filter at 40 Hz"):
        conform(written(10, 60), StoreSettings.under(band), "r")


def test_data_of_which_no_record_meets_the_contract_are_one_line(ptbxl_root: Path, tmp_path: Path) -> None:
    contract = Contract(LEADS, 100, 2000, Chain((Leads(LEADS), Resample(100), Crop(2000), ZScore())))
    with pytest.raises(EcgTlError, match="60 shorter than 2000 samples at 100 Hz"):
        data(ptbxl_root, tmp_path, contract=contract.to_json())


def test_gaps_are_filled_before_a_chain_that_says_nothing_of_them() -> None:
    recording = written(10, 100)
    recording.values[3, 50:52] = np.nan
    settings = StoreSettings.under(replace(SLOW, chain=SLOW.stored))
    stored = conform(recording, settings, "r")
    assert isinstance(stored, StoredSignal)
    assert stored.nan_samples == 2
    recording.values[3, 50:100] = np.nan
    with pytest.raises(EcgTlError, match="without values in lead aVR"):
        conform(recording, settings, "r")


def test_longer_records_are_kept_for_windows_to_be_cut_from() -> None:
    named = find_contract("ecg-fm")
    settings = named.store_settings(5000)
    assert (settings.num_samples, settings.shortest) == (5000, 2500)
    long, middle = conform(written(10, 500), settings, "r"), conform(written(7, 500), settings, "r")
    assert isinstance(long, StoredSignal)
    assert isinstance(middle, StoredSignal)
    assert (long.padded_samples, middle.padded_samples) == (0, 1500)
    assert (middle.steps[:, 3500:] == 0).all()
    assert conform(written(4, 500), settings, "r") == TooShort(2000)
    wanted = named.contract.prepare(written(10, 500).values, 500, LEADS)
    found = decode(long.steps[:, :2500], settings.resolution)
    assert np.abs(found - wanted).max() <= 0.5e-3 + 1e-5
