from __future__ import annotations

import json

import pytest

from ecg_tl.errors import SettingError
from ecg_tl.store.settings import StoreSettings


def test_json_round_trip_is_exact() -> None:
    settings = StoreSettings(leads=("I", "V6"), sampling_rate=250, num_samples=2500, resampling="stride")
    assert StoreSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_equal_meanings_are_equal_settings() -> None:
    written = json.dumps(StoreSettings(leads=("AVR",), sampling_rate=100).to_json())  # type: ignore[arg-type]
    assert written == json.dumps(StoreSettings(leads=("avr",), sampling_rate=100.0).to_json())


@pytest.mark.parametrize(
    "wrong",
    [
        {"leads": ()},
        {"leads": ("I", "I")},
        {"leads": ("V9",)},
        {"sampling_rate": 0},
        {"sampling_rate": float("nan")},
        {"sampling_rate": "100"},
        {"num_samples": -1},
        {"num_samples": 10.5},
        {"num_samples": True},
        {"resampling": "linear"},
        {"short": "repeat"},
        {"crop": "end"},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict) -> None:
    with pytest.raises(SettingError):
        StoreSettings(**wrong)


def test_unknown_or_missing_keys_are_named() -> None:
    values = StoreSettings().to_json()
    with pytest.raises(SettingError, match="colour"):
        StoreSettings.from_json({**values, "colour": "red"})
    del values["short"]
    with pytest.raises(SettingError, match="short"):
        StoreSettings.from_json(values)


def test_the_datasets_crop_fills_in_only_where_none_is_set() -> None:
    assert StoreSettings().resolved("center").crop == "center"
    assert StoreSettings(crop="start").resolved("center").crop == "start"
