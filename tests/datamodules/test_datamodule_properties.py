"""What a datamodule says of its data: before anything is read, and in every checkpoint."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.code_test import CodeTestDataModule
from ecg_tl.datamodules.cpsc2018 import Cpsc2018DataModule
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datamodules.georgia import GeorgiaDataModule
from ecg_tl.datamodules.ludb import LudbDataModule
from ecg_tl.datamodules.ptb import PtbDataModule
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import DatasetError, SettingError, StoreError
from ecg_tl.store.reader import Store
from ecg_tl.synthesis import synthesize
from ecg_tl.transforms import Augmentation

SIGNALS: dict[str, Any] = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES}


@pytest.mark.parametrize(
    ("datamodule", "classes"),
    [
        (PtbXlDataModule, ["NORM", "MI", "STTC", "HYP", "CD"]),
        (Cpsc2018DataModule, ["NORM", "AF", "IAVB", "LBBB", "RBBB", "PAC", "VEB", "STD", "STE"]),
        (GeorgiaDataModule, ["NORM", "AF", "IAVB", "SB", "LAD", "STach", "TAb", "TInv", "LQT", "PAC"]),
        (PtbDataModule, ["NORM", "MI"]),
        (CodeTestDataModule, ["NORM", "1dAVb", "RBBB", "LBBB", "SB", "AF", "ST"]),
    ],
)
def test_shape_and_classes_are_known_before_any_file_is_there(
    datamodule: type[EcgDataModule], classes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"opened {args[0]}")

    data = datamodule(root=str(tmp_path / "none"), leads=["v1", "II"], **SIGNALS)
    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    assert data.class_names == classes
    assert data.num_classes == len(classes)
    assert (data.leads, data.num_leads) == (["V1", "II"], 2)
    assert (data.num_samples, data.sampling_rate) == (NUM_SAMPLES, SAMPLING_RATE)
    assert data.normalization == {"name": "fixed_scale", "scale_mv": 0.3, "clip": 20.0}


@pytest.mark.parametrize(
    ("task", "count"),
    [
        ("superdiagnostic", 5),
        ("subdiagnostic", 23),
        ("diagnostic", 44),
        ("form", 19),
        ("rhythm", 12),
        ("all", 71),
    ],
)
def test_every_task_of_ptbxl(task: Any, count: int) -> None:
    assert PtbXlDataModule(task=task).num_classes == count


@pytest.mark.slow
@pytest.mark.parametrize("datamodule", [CustomDataModule, LudbDataModule])
def test_classes_that_the_files_define_need_the_label_table_alone(
    datamodule: type[EcgDataModule], tmp_path: Path
) -> None:
    layout, table = {CustomDataModule: ("custom", "labels.csv"), LudbDataModule: ("ludb", "ludb.csv")}[
        datamodule
    ]
    synthesize(layout, tmp_path / "whole", 60, seed=3, progress=False)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / table).write_bytes((tmp_path / "whole" / table).read_bytes())
    whole, alone = (datamodule(root=str(tmp_path / folder)) for folder in ("whole", "table"))
    assert alone.class_names == whole.class_names
    assert alone.num_classes == len(alone.class_names) > 1
    with pytest.raises(DatasetError, match=table):
        _ = datamodule(root=str(tmp_path / "none")).class_names


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"leads": ["I", "V7"]}, "V7"),
        ({"leads": []}, "leads"),
        ({"batch_size": 0}, "batch_size"),
        ({"num_samples": 0}, "num_samples"),
        ({"sampling_rate": -1.0}, "sampling_rate"),
        ({"normalization": "unit"}, "unit"),
        ({"normalization_options": {"scale": 1.0}}, "scale"),
        ({"task": "rythm"}, "rythm"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        PtbXlDataModule(**settings)


def prepared_ptbxl(root: Path, prepared: Path, **settings: Any) -> PtbXlDataModule:
    data = PtbXlDataModule(root=str(root), store_dir=str(prepared), **SIGNALS, **settings)
    data.prepare_data()
    data.setup()
    return data


def test_the_description_loads_as_plain_values(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    data = prepared_ptbxl(ptbxl_root, prepared)
    description = data.describe()
    torch.save(description, tmp_path / "description.pt")
    assert torch.load(tmp_path / "description.pt", weights_only=True) == description
    assert description["leads"] == data.leads
    assert description["store"] == ptbxl_store.path.name
    assert description["records"] == {part: len(rows) for part, rows in data.parts.split.parts().items()}
    assert sum(description["records"].values()) + description["unlabelled"] == 60
    assert description["class_codes"]["HYP"] == ["LAO/LAE", "LVH", "RAO/RAE", "RVH", "SEHYP"]


def test_the_description_holds_what_inference_needs(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path
) -> None:
    description = prepared_ptbxl(ptbxl_root, prepared, augmentation=Augmentation(lead_dropout=0.2)).describe()
    assert description["augmentation"]["lead_dropout"] == 0.2
    assert description["augmentation"]["lead_dropout_probability"] == 0.5
    assert description["crop"] == "start"
    ranges = description["signal_ranges"]
    assert ranges["records"] == description["records"]["train"]
    assert len(ranges["deviation_mv"]) == len(ranges["frequency_hz"]) == 12
    subset = SplitSettings(train_records=10)
    other = prepared_ptbxl(ptbxl_root, prepared, split=subset).describe()["signal_ranges"]
    assert other["records"] < ranges["records"]
    assert other != ranges


@pytest.mark.slow
def test_the_description_names_what_decides_the_scores(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path
) -> None:
    one = prepared_ptbxl(ptbxl_root, prepared).describe()
    again = prepared_ptbxl(ptbxl_root, prepared, batch_size=8, seed=5, residency="disk").describe()
    assert again == one
    others = [
        prepared_ptbxl(ptbxl_root, prepared, task="rhythm").describe(),
        prepared_ptbxl(ptbxl_root, prepared, drop_unlabelled=False).describe(),
        prepared_ptbxl(ptbxl_root, prepared, normalization="z_score").describe(),
    ]
    assert all(other != one for other in others)
    assert others[1]["split_hash"] != one["split_hash"]


def test_a_store_given_by_path_serves_without_the_source(ptbxl_root: Path, ptbxl_store: Store) -> None:
    data = PtbXlDataModule(root="/nowhere", store=str(ptbxl_store.path), **SIGNALS)
    assert data.class_names == PtbXlDataModule().class_names
    data.prepare_data()
    data.setup()
    assert len(next(iter(data.train_dataloader()))["index"]) == min(64, len(data.parts.split.train))
    rhythm = PtbXlDataModule(root="/nowhere", store=str(ptbxl_store.path), task="rhythm", **SIGNALS)
    assert rhythm.num_classes == 12


@pytest.mark.parametrize(
    ("datamodule", "settings", "here", "asked"),
    [
        (PtbXlDataModule, {"sampling_rate": 50.0}, "sampling_rate 25", "sampling_rate 50"),
        (PtbXlDataModule, {"num_samples": 125}, "num_samples 250", "num_samples 125"),
        (PtbXlDataModule, {"leads": ["I"]}, "V6", r"leads \['I'\]"),
        (Cpsc2018DataModule, {}, "dataset ptbxl", "dataset cpsc2018"),
    ],
)
def test_a_store_that_holds_something_else_is_refused(
    datamodule: type[EcgDataModule], settings: dict[str, Any], here: str, asked: str, ptbxl_store: Store
) -> None:
    data = datamodule(root="/nowhere", store=str(ptbxl_store.path), **{**SIGNALS, **settings})
    with pytest.raises(StoreError, match=f"found .*{here}.*expected.*{asked}"):
        data.setup()


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no-store"):
        PtbXlDataModule(store=str(tmp_path / "no-store")).setup()


@pytest.mark.slow
def test_the_store_is_made_when_it_is_missing_and_found_when_not(
    cpsc2018_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        Cpsc2018DataModule(root=str(cpsc2018_root), store_dir=str(tmp_path), **SIGNALS).prepare_data()
    assert len(list(tmp_path.glob("cpsc2018-*"))) == 1
    assert capsys.readouterr().err.count("Prepared cpsc2018: 40 records") == 1
