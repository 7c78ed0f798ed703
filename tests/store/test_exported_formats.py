"""The records of the demo study in other formats give the store that they give as they are."""

from __future__ import annotations

from pathlib import Path

import cart_files
import h5py
import numpy as np
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.signals import LEADS, Recording, select_leads
from ecg_tl.store.build import prepare
from ecg_tl.store.settings import StoreSettings

RECORDS = 5


def export(format_name: str, folder: Path, name: str, recording: Recording) -> str:
    values = select_leads(recording, LEADS, name).astype(np.float64)
    path = folder / f"{name}.{format_name}"
    rate = int(recording.sampling_rate)
    if format_name == "edf":
        cart_files.write_edf(path, values, rate)
    elif format_name == "dcm":
        steps = np.rint(values * 1000).astype(np.int16)
        cart_files.write_dicom(path, steps, rate=rate, sensitivity=1.0)
    else:
        with h5py.File(path, "w") as file:
            file["signal"], file["leads"] = values, list(LEADS)
            file["sampling_rate"], file["units"] = rate, "mV"
    return path.name


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["edf", "dcm", "h5"])
@pytest.mark.parametrize("name", ["ptbxl", "cpsc2018"])
def test_exported_records_give_the_same_store(
    name: str, format_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(f"{name}_root")
    dataset = get_dataset(name)
    paths = dataset.scan(root).records["path"].tolist()[:RECORDS]
    folder = tmp_path / "exported"
    folder.mkdir()
    files = [
        export(format_name, folder, f"r{number}", dataset.read(root, path))
        for number, path in enumerate(paths)
    ]
    (folder / "labels.csv").write_text("record,AF\n" + "".join(f"{file},1\n" for file in files))
    settings = StoreSettings(sampling_rate=100, num_samples=1000)
    made = prepare(get_dataset("custom"), folder, tmp_path / "stores", settings, workers=1, progress=False)
    whole = prepare(dataset, root, tmp_path / "stores", settings, workers=1, progress=False)
    rows = [whole.records["path"].tolist().index(path) for path in paths]
    assert len(made) == RECORDS
    difference = made.signals()[:].astype(np.int64) - whole.signals()[rows]
    assert np.abs(difference).max() <= 1  # a step is 1 µV
    assert np.abs(whole.signals()[rows]).max() > 500
