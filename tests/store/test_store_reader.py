from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from earlier_tables import as_format
from fake_dataset import FakeDataset

from ecg_tl.errors import StoreError
from ecg_tl.store.build import prepare
from ecg_tl.store.columns import Columns, write_columns
from ecg_tl.store.manifest import Manifest
from ecg_tl.store.matching import comparable
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings


@pytest.fixture
def store(root: Path, store_dir: Path) -> Store:
    return prepare(FakeDataset(), root, store_dir, StoreSettings(), progress=False)


def test_the_signals_are_mapped_and_cannot_be_changed(store: Store) -> None:
    signals = store.signals()
    assert isinstance(signals, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        signals[0, 0, 0] = 1


def test_a_store_can_be_sent_to_another_process(store: Store) -> None:
    sent = pickle.loads(pickle.dumps(store))
    assert np.array_equal(sent.signals(), store.signals())


def test_the_manifest_round_trip_is_exact(store: Store) -> None:
    assert Manifest.from_json(json.loads(json.dumps(store.manifest.to_json()))) == store.manifest


@pytest.mark.parametrize("name", ["store.json", "records.npz", "signals.i16", "fingerprints.i8"])
def test_a_missing_file_is_named(store: Store, name: str) -> None:
    (store.path / name).unlink()
    with pytest.raises(StoreError, match=name) as error:
        open_store(store.path)
    assert "prepare" in str(error.value).lower()


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize(("name", "size"), [("signals.i16", "192,000"), ("fingerprints.i8", "1,536")])
def test_an_array_of_another_size_is_refused(store: Store, name: str, size: str, change: int) -> None:
    file = store.path / name
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size + change)
    with pytest.raises(StoreError, match=rf"{name}: .* {size} bytes"):
        open_store(store.path)


def test_fingerprints_are_mapped_one_a_record(store: Store) -> None:
    assert store.fingerprints().shape == (8, 192)
    assert comparable(store.fingerprints()).all()


def test_a_shorter_table_is_refused(store: Store) -> None:
    file = store.path / "records.npz"
    write_columns(store.records.iloc[:-1], store.manifest.columns, file)
    with pytest.raises(StoreError, match=r"records\.npz: found .* block"):
        open_store(store.path)
    with pytest.raises(StoreError, match=r"records\.npz: found 7 rows"):
        open_store(store.path, verify=False).column("record_id")


def test_opening_reads_no_column_and_asking_for_one_reads_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, asked = store.records, []
    read = Columns.read

    def noting(self: Columns, names: list[str] | None = None) -> pd.DataFrame:
        asked.append(names)
        return read(self, names)

    monkeypatch.setattr(Columns, "read", noting)
    opened = open_store(store.path)
    assert asked == []
    for _ in range(2):
        pd.testing.assert_series_equal(opened.column("codes"), table["codes"])
    assert asked == [["codes"]]
    pd.testing.assert_frame_equal(opened.columns(["fold", "nowhere"]), table[["fold"]])
    with pytest.raises(KeyError, match="nowhere"):
        opened.column("nowhere")
    pd.testing.assert_frame_equal(opened.records, table)
    assert asked == [["codes"], ["fold"], ["nowhere"], None]


def test_a_store_of_format_5_opens_with_its_table_of_csv(store: Store) -> None:
    as_format(store, 5)
    opened = open_store(store.path)
    pd.testing.assert_frame_equal(opened.records, store.records)
    pd.testing.assert_series_equal(opened.column("codes"), store.records["codes"])


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.pop(key)


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.update(format_version=0),
        without("format_version"),
        without("settings"),
        without("counts"),
        without("rules"),
        lambda values: values.update(rules={}),
        lambda values: values["settings"].update(short="maybe"),
        lambda values: values["settings"].update(num_samples=500),
        lambda values: values["counts"].update(stored="8"),
        lambda values: values["counts"].update(stored=-8),
        lambda values: values.update(counts=None),
        lambda values: values.update(dataset=[1]),
    ],
)
def test_a_damaged_manifest_is_refused(store: Store, damage: Callable[[dict[str, Any]], None]) -> None:
    file = store.path / "store.json"
    values = json.loads(file.read_text())
    damage(values)
    file.write_text(json.dumps(values))
    with pytest.raises(StoreError, match=r"store\.json"):
        open_store(store.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_manifest_that_is_no_json_object_is_refused(store: Store, text: str) -> None:
    (store.path / "store.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"store\.json"):
        open_store(store.path)


def test_a_folder_that_is_not_there_says_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Prepare the dataset first"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"store\.json"):
        open_store(tmp_path)


def test_a_store_of_format_3_opens_with_its_patients_put_right(store: Store) -> None:
    table = as_format(store, 3)
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame["patient_id"] = ["7", "7.0", "NA", "unknown", "", "007", "p7", "p7"]
    frame.to_csv(table, index=False)
    opened = open_store(store.path)
    assert opened.records["patient_id"].tolist() == ["7", "7", None, None, None, "007", "p7", "p7"]
