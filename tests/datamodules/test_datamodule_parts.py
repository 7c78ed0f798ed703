"""Which records train, validate and test; what is left out, and that it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.synthesis import synthesize

MakeData = Callable[..., EcgDataModule]


def column(data: EcgDataModule, name: str, part: str) -> list[Any]:
    return data.store.records[name].iloc[data.parts.split.parts()[part]].tolist()


def test_ptbxl_has_its_official_folds(ptbxl: MakeData) -> None:
    data = ptbxl()
    assert data.parts.kind == "official"
    assert set(column(data, "fold", "test")) == {10}
    assert set(column(data, "fold", "validation")) == {9}
    assert set(column(data, "fold", "train")) == set(range(1, 9))
    assert not data.parts.split.selects_on_test


def test_other_folds_can_be_named(ptbxl: MakeData) -> None:
    data = ptbxl(split=SplitSettings(validation_folds=(1, 2), test_folds=(3,)))
    assert set(column(data, "fold", "validation")) == {1, 2}
    assert set(column(data, "fold", "test")) == {3}
    assert set(column(data, "fold", "train")) == set(range(4, 11))


def test_without_folds_the_split_is_by_patient(cpsc2018: MakeData) -> None:
    data = cpsc2018()
    assert data.parts.kind == "patient"
    sizes = {part: len(rows) for part, rows in data.parts.split.parts().items()}
    assert sum(sizes.values()) == 40
    assert sizes["train"] > sizes["test"] > sizes["validation"]
    assert cpsc2018().parts.hash == data.parts.hash
    assert cpsc2018(split=SplitSettings(seed=1)).parts.hash != data.parts.hash


@pytest.mark.parametrize("seed", range(4))
def test_no_patient_is_in_two_parts(seed: int, ptbxl: MakeData) -> None:
    data = ptbxl(split=SplitSettings(kind="patient", fractions=(0.5, 0.25, 0.25), seed=seed))
    patients = [set(column(data, "patient_id", part)) for part in ("train", "validation", "test")]
    records = data.store.records["patient_id"].tolist()
    assert len(set(records)) < len(records), "these data have patients with several records"
    assert not patients[0] & patients[1]
    assert not patients[0] & patients[2]
    assert not patients[1] & patients[2]
    assert data.describe()["patients_shared"] == 0


def test_patients_that_the_papers_split_parts_are_counted(ptbxl: MakeData) -> None:
    data = ptbxl(split=SplitSettings(kind="paper"))
    trained, tested = (set(column(data, "patient_id", part)) for part in ("train", "test"))
    assert data.describe()["patients_shared"] == len(trained & tested) > 0


def test_official_needs_folds(cpsc2018: MakeData) -> None:
    with pytest.raises(SettingError, match=r"official.*no folds"):
        cpsc2018(split=SplitSettings(kind="official"))


def test_the_papers_split_says_that_it_selects_on_the_test_set(cpsc2018: MakeData) -> None:
    data = cpsc2018(split=SplitSettings(kind="paper"))
    split = data.parts.split
    assert split.selects_on_test
    assert np.array_equal(split.validation, split.test)
    assert (len(split.train), len(split.test)) == (26, 14)
    assert data.describe()["selects_on_test"] is True
    assert any("select on test data" in line for line in data.parts.summary())


@pytest.mark.parametrize("subset", ["stratified", "first"])
def test_smaller_training_sets_are_part_of_larger_ones(subset: Any, ptbxl: MakeData) -> None:
    whole = ptbxl().parts.split
    larger: set[int] = set(whole.train.tolist())
    for size in (30, 20, 8):
        data = ptbxl(split=SplitSettings(train_records=size, subset=subset))
        rows = set(data.parts.split.train.tolist())
        assert len(rows) == size
        assert rows < larger
        assert np.array_equal(data.parts.split.test, whole.test)
        assert np.array_equal(data.parts.split.validation, whole.validation)
        larger = rows


def test_more_training_records_than_there_are_is_refused(ptbxl: MakeData) -> None:
    with pytest.raises(SettingError, match="1000"):
        ptbxl(split=SplitSettings(train_records=1000))


def test_unlabelled_records_are_counted_and_left_out_or_kept(ptbxl: MakeData) -> None:
    dropping, keeping = ptbxl(task="form"), ptbxl(task="form", drop_unlabelled=False)
    unlabelled = set(np.flatnonzero(~dropping.parts.targets.any(axis=1)).tolist())
    assert 0 < len(unlabelled) < 60
    used = {name: {int(row) for rows in data.parts.split.parts().values() for row in rows}
            for name, data in (("dropping", dropping), ("keeping", keeping))}  # fmt: skip
    assert used["dropping"] == set(range(60)) - unlabelled
    assert used["keeping"] == set(range(60))
    for data, dropped in ((dropping, True), (keeping, False)):
        description = data.describe()
        assert (description["unlabelled"], description["unlabelled_dropped"]) == (len(unlabelled), dropped)
        verb = "left out" if dropped else "kept as all-zero rows"
        assert any(line.startswith(f"{len(unlabelled)} ") and verb in line for line in data.parts.summary())


def test_no_label_at_all_is_an_error(tmp_path: Path) -> None:
    synthesize("custom", tmp_path / "custom", 6, progress=False)
    table = pd.read_csv(tmp_path / "custom" / "labels.csv", dtype=str)
    reserved = {"record", "patient_id", "fold", "age", "sex"}
    classes = [name for name in table.columns if name not in reserved]
    table.loc[:, classes] = "0"
    table.to_csv(tmp_path / "custom" / "labels.csv", index=False)
    data = CustomDataModule(root=str(tmp_path / "custom"), store_dir=str(tmp_path / "stores"))
    with pytest.raises(DatasetError, match="none of the 6 records labelled"):
        data.setup()


def _overwrite(root: Path, table: pd.DataFrame, copy: int, original: int) -> None:
    """Put the files of record `original` in place of those of record `copy`."""
    name_of = table.set_index("ecg_id")["filename_hr"]
    source, target = root / name_of[original], root / name_of[copy]
    header = source.with_suffix(".hea").read_text().replace(source.name, target.name)
    target.with_suffix(".hea").write_text(header)
    shutil.copyfile(source.with_suffix(".dat"), target.with_suffix(".dat"))


@pytest.mark.slow
def test_signals_that_judge_do_not_train(ptbxl_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "ptbxl"
    shutil.copytree(ptbxl_root, root)
    table = pd.read_csv(root / "ptbxl_database.csv")
    in_fold = {fold: group["ecg_id"].tolist() for fold, group in table.groupby("strat_fold")}
    _overwrite(root, table, in_fold[1][0], in_fold[10][0])  # a training record with a test record's signal
    _overwrite(root, table, in_fold[2][0], in_fold[9][0])  # ... with a validation record's
    _overwrite(root, table, in_fold[9][1], in_fold[10][1])  # a validation record with a test record's
    _overwrite(root, table, in_fold[3][0], in_fold[3][1])  # twice in training: no leak
    data = PtbXlDataModule(
        root=str(root),
        store_dir=str(tmp_path / "stores"),
        sampling_rate=SAMPLING_RATE,
        num_samples=NUM_SAMPLES,
        drop_unlabelled=False,
    )
    data.setup()
    assert data.describe()["leaks_removed"] == {"train": 2, "validation": 1}
    ids = {part: set(column(data, "record_id", part)) for part in ("train", "validation", "test")}
    assert not ids["train"] & {str(in_fold[1][0]), str(in_fold[2][0])}
    assert str(in_fold[9][1]) not in ids["validation"]
    assert ids["test"] == set(map(str, in_fold[10]))
    assert {str(in_fold[3][0]), str(in_fold[3][1])} <= ids["train"]
    hashes = {part: set(column(data, "signal_hash", part)) for part in ids}
    assert not hashes["train"] & (hashes["validation"] | hashes["test"])
    assert not hashes["validation"] & hashes["test"]
    assert any("2 training and 1 validation records removed" in line for line in data.parts.summary())


def test_a_query_decides_which_records_there_are(ptbxl: MakeData) -> None:
    everything = ptbxl()
    young = ptbxl(query="age < 60")
    ages = young.store.records["age"].to_numpy()
    for rows in young.parts.split.parts().values():
        assert (ages[rows] < 60).all()
    (rows,) = [np.concatenate([batch["index"] for batch in young.predict_dataloader()])]
    assert set(rows) == set(np.flatnonzero(ages < 60))
    message = young.describe()
    assert message["query"] == "age < 60"
    assert message["filtered"] == (ages >= 60).sum() > 0
    assert message["split_hash"] != everything.describe()["split_hash"]
    assert (everything.describe()["query"], everything.describe()["filtered"]) == (None, 0)


def test_a_query_that_is_wrong_is_told_before_any_file_is_read() -> None:
    with pytest.raises(SettingError, match="query"):
        PtbXlDataModule(root="nowhere", query="import os")
