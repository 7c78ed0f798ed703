"""Numbers and names that no training can have, wherever they enter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets.demographics import parse_age
from ecg_tl.errors import EcgTlError, SettingError, StoreError
from ecg_tl.store.manifest import read_manifest
from ecg_tl.store.parallel import count_workers
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis.writing import synthesize
from ecg_tl.tasks import RnnClassifier

ABSURD = st.sampled_from([10**20, 10**400, -1, -(10**20), float("nan"), float("inf"), "4", None, True, 0.5])

TAKERS: dict[str, Callable[[Any], object]] = {
    "batch_size": lambda value: PtbXlDataModule(batch_size=value),
    "num_workers": lambda value: PtbXlDataModule(num_workers=value),
    "seed": lambda value: PtbXlDataModule(seed=value),
    "split.seed": lambda value: SplitSettings(seed=value),
    "train_records": lambda value: SplitSettings(train_records=0 if value is None else value),
    "sampling_rate": lambda value: StoreSettings(sampling_rate=value),
    "num_samples": lambda value: StoreSettings(num_samples=value),
    "workers": lambda value: count_workers(0 if value is None else value, 10),
    "records": lambda value: synthesize("custom", Path("never"), value, progress=False),
    "synthesis seed": lambda value: synthesize("custom", Path("never"), 1, value, progress=False),
}


@pytest.mark.parametrize("name", TAKERS)
@given(value=ABSURD)
def test_a_number_that_cannot_be_meant_is_one_line(name: str, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        TAKERS[name](value)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=8) | st.floats() | st.integers())
def test_an_age_is_one_that_a_person_can_have_or_unknown(cell: object) -> None:
    age = parse_age(cell)
    assert age != age or 0 <= age < 130


@pytest.mark.parametrize("cell", ["1_0", "1e400", "9" * 5000, "-1", "nan", "inf"])
def test_an_absurd_age_is_unknown(cell: str) -> None:
    age = parse_age(cell)
    assert age != age


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.data())
def test_a_manifest_with_anything_in_a_field_is_read_or_refused_in_one_line(
    ptbxl_store: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = json.loads((ptbxl_store.path / "store.json").read_text())
    values["format_version"] = 3  # whose manifests have no digest that would tell
    path: list[Any] = [data.draw(st.sampled_from(sorted(values)))]
    inner = values
    while isinstance(inner[path[-1]], dict | list) and inner[path[-1]] and data.draw(st.booleans()):
        inner = inner[path[-1]]
        keys = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
        path = [data.draw(st.sampled_from(keys))]
    inner[path[-1]] = data.draw(VALUES)
    folder = tmp_path_factory.mktemp("store")
    (folder / "store.json").write_text(json.dumps(values))
    with pytest.raises(StoreError) as caught:  # the signals are not there
        read_manifest(folder)
    assert "\n" not in str(caught.value)[:200]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"notes": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\xff\xfe{}",
        b'{"format_version": ' + b"9" * 5000 + b"}",
        b"",
        b"null",
    ],
)
def test_a_manifest_that_is_no_manifest_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.json").write_bytes(content)
    with pytest.raises(EcgTlError, match=r"store\.json") as caught:
        read_manifest(tmp_path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("names", ["AF", [1, 2], ["AF", "AF"]])
def test_class_names_are_a_list_of_different_names(names: Any) -> None:
    with pytest.raises(SettingError, match="class_names"):
        RnnClassifier("gru", 2, 3, 64, class_names=names, normalization={"name": "none"})
