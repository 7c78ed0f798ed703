from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_dataset import FakeDataset, ecg, write_fake
from found_stores import find_store, store_path

from ecg_tl.datasets.base import LeftOut
from ecg_tl.errors import DatasetError, RecordError, SettingError, StoreError
from ecg_tl.store.build import prepare
from ecg_tl.store.encoding import decode
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings

SETTINGS = StoreSettings()


def made(root: Path, store_dir: Path, settings: StoreSettings = SETTINGS, **wanted: object) -> Store:
    return prepare(FakeDataset(), root, store_dir, settings, progress=False, **wanted)  # type: ignore[arg-type]


def visible(store_dir: Path) -> list[str]:
    return sorted(path.name for path in store_dir.iterdir() if not path.name.endswith(".lock"))


def test_signals_and_table_are_in_the_order_of_the_dataset(root: Path, store_dir: Path) -> None:
    store = made(root, store_dir)
    signals = store.signals()
    assert signals.shape == (8, 12, 1000)
    assert signals.dtype == np.int16
    assert list(store.records["record_id"]) == [f"r{number}" for number in range(8)]
    for number in range(8):
        # The strongest beats are where they were, at their height: nothing was shifted or scaled.
        original = ecg(number)[:, ::5]
        np.testing.assert_allclose(decode(signals[number])[:, 100:900], original[:, 100:900], atol=0.12)


def test_the_scanned_columns_come_through_exactly(root: Path, store_dir: Path) -> None:
    scanned = FakeDataset().scan(root).records
    records = made(root, store_dir).records
    pd.testing.assert_frame_equal(records[scanned.columns], scanned)
    made_here = ["signal_hash", "first_row", "nan_samples", "padded_samples"]
    assert list(records.columns) == [*scanned.columns, *made_here]


def test_the_manifest_says_what_happened(tmp_path: Path, store_dir: Path) -> None:
    holes, loud = ecg(1), ecg(2) * 100
    holes[4, 10:15] = np.nan
    root = tmp_path / "fake"
    signals = {
        "good": ecg(0),
        "holes": holes,
        "loud": loud,
        "short": ecg(3, 2500),
        "long": ecg(4, 6000),
        "twin": ecg(0),
        "copy": ecg(0) * 0.8,
    }
    write_fake(root, {**signals, "gone": None}, left_out=("headless",))
    manifest = made(root, store_dir).manifest
    counts = manifest.counts
    assert (counts.scanned, counts.stored, counts.left_out, counts.too_short) == (9, 7, 2, 0)
    assert (counts.mended, counts.nan_samples) == (1, 5)
    assert (counts.padded, counts.cropped, counts.clipped) == (1, 1, 1)
    assert counts.clipped_samples > 10
    assert manifest.left_out[0] == LeftOut("headless", "no header")
    assert manifest.left_out[1].record_id == "gone"
    assert "gone.npy" in manifest.left_out[1].reason
    assert manifest.identical == (("good", "twin"),)
    assert manifest.duplicates == (("good", "twin", "copy"),)
    assert manifest.unknown_codes == {"9": 2}
    assert manifest.notes == ("made up",)
    assert manifest.settings.crop == "start"
    assert manifest.dataset.options == {"gain": 1.0}
    assert {"python", "numpy", "ecg-tl", "h5py"} <= set(manifest.versions)


def test_the_store_carries_its_label_rules(root: Path, store_dir: Path) -> None:
    manifest = made(root, store_dir).manifest
    assert manifest.rule() == FakeDataset().label_rule()
    assert manifest.rule("coarse") == FakeDataset().label_rule("coarse")
    with pytest.raises(SettingError, match="fine"):
        manifest.rule("fine")


def test_a_second_call_reads_nothing(root: Path, store_dir: Path, tmp_path: Path) -> None:
    first = made(root, store_dir)
    log = tmp_path / "log"
    log.mkdir()
    again = prepare(FakeDataset(log=log), root, store_dir, SETTINGS)
    assert again.path == first.path
    assert not list(log.iterdir())
    found = find_store(FakeDataset(), root, store_dir, SETTINGS)
    assert found is not None
    assert found.path == first.path == store_path(FakeDataset(), root, store_dir, SETTINGS)


def test_another_setting_or_source_gets_another_store(root: Path, store_dir: Path) -> None:
    first = made(root, store_dir)
    other = made(root, store_dir, replace(SETTINGS, leads=("I", "II")))
    assert other.path != first.path
    assert other.signals().shape == (8, 2, 1000)
    np.save(root / "r0.npy", ecg(99))
    assert find_store(FakeDataset(), root, store_dir, SETTINGS) is None
    assert made(root, store_dir).path not in (first.path, other.path)


@pytest.mark.slow
def test_several_processes_give_what_one_gives(tmp_path: Path, store_dir: Path) -> None:
    root = tmp_path / "fake"
    write_fake(root, {f"r{number}": ecg(number % 7, 500) if number % 50 else None for number in range(510)})
    serial, parallel = made(root, store_dir, workers=1), made(root, tmp_path / "others", workers=2)
    assert serial.manifest.counts.left_out == 11
    assert np.array_equal(serial.signals(), parallel.signals())
    pd.testing.assert_frame_equal(serial.records, parallel.records)
    assert serial.manifest.left_out == parallel.manifest.left_out


def test_error_stops_at_the_first_bad_record_and_leaves_nothing(root: Path, store_dir: Path) -> None:
    (root / "r3.npy").unlink()
    with pytest.raises(RecordError, match=r"r3\.npy"):
        made(root, store_dir, bad_records="error")
    assert visible(store_dir) == []


def test_error_minds_what_an_earlier_call_skipped(root: Path, store_dir: Path) -> None:
    (root / "r3.npy").unlink()
    made(root, store_dir)
    with pytest.raises(RecordError, match="r3"):
        made(root, store_dir, bad_records="error")


def test_error_minds_what_the_scan_left_out(tmp_path: Path, store_dir: Path) -> None:
    write_fake(tmp_path / "fake", {"a": ecg(0)}, left_out=("headless",))
    with pytest.raises(RecordError, match="headless"):
        made(tmp_path / "fake", store_dir, bad_records="error")


def test_a_file_that_cannot_be_opened_is_a_bad_record(root: Path, store_dir: Path) -> None:
    (root / "r3.npy").unlink()
    (root / "r3.npy").mkdir()
    manifest = made(root, store_dir).manifest
    assert [record.record_id for record in manifest.left_out] == ["r3"]
    assert "directory" in manifest.left_out[0].reason


@pytest.mark.parametrize("shape", [(12, 0), (0, 0), (5000,)])
def test_a_record_without_samples_is_a_bad_record(
    root: Path, store_dir: Path, shape: tuple[int, ...]
) -> None:
    np.save(root / "r3.npy", np.zeros(shape, dtype=np.float32))
    assert made(root, store_dir).manifest.counts.left_out == 1


def test_a_store_of_no_records_is_refused(tmp_path: Path, store_dir: Path) -> None:
    write_fake(tmp_path / "fake", {"a": None, "b": None})
    with pytest.raises(StoreError, match="2 that cannot be used"):
        made(tmp_path / "fake", store_dir)
    assert visible(store_dir) == []


def test_dropping_short_records_is_not_an_error(tmp_path: Path, store_dir: Path) -> None:
    write_fake(tmp_path / "fake", {"a": ecg(0), "b": ecg(1, 4000)})
    drop = replace(SETTINGS, short="drop")
    manifest = made(tmp_path / "fake", store_dir, drop, bad_records="error").manifest
    assert manifest.too_short == ("b",)
    assert manifest.counts.stored == 1
    with pytest.raises(StoreError, match="2 shorter than 5000 samples"):
        made(tmp_path / "fake", store_dir, replace(drop, num_samples=5000))


def test_a_source_that_changes_meanwhile_is_refused(
    root: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FakeDataset.read

    def read_and_touch(dataset: FakeDataset, folder: Path, path: str) -> object:
        os.utime(folder / "r0.npy", ns=(0, 1))
        return read(dataset, folder, path)

    monkeypatch.setattr(FakeDataset, "read", read_and_touch)
    with pytest.raises(DatasetError, match="changed while they were read"):
        made(root, store_dir)
    assert visible(store_dir) == []


def test_settings_that_the_records_rate_forbids_are_the_settings_fault(root: Path, store_dir: Path) -> None:
    with pytest.raises(SettingError, match="stride"):
        made(root, store_dir, replace(SETTINGS, resampling="stride", sampling_rate=300))
    assert visible(store_dir) == []


@pytest.mark.parametrize("wanted", [{"bad_records": "ignore"}, {"workers": 0}])
def test_wrong_arguments_are_refused(root: Path, store_dir: Path, wanted: dict) -> None:
    with pytest.raises(SettingError):
        made(root, store_dir, **wanted)


def test_a_missing_root_is_named(tmp_path: Path, store_dir: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        made(tmp_path / "nowhere", store_dir)


def test_the_last_line_says_what_was_done(
    root: Path, store_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = prepare(FakeDataset(), root, store_dir, SETTINGS)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "8 records stored, 0 left out" in err
    assert str(store.path) in err


def test_a_store_needs_nothing_but_itself(root: Path, store_dir: Path, tmp_path: Path) -> None:
    moved = made(root, store_dir).path.rename(tmp_path / "carried")
    for file in root.iterdir():
        file.unlink()
    assert len(open_store(moved)) == 8
