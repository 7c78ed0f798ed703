"""What `docs/architecture.md` promises: a dataset is a reader, a datamodule, a layout, and one entry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny import GRU, HALF_TRAINS, fit

from ecg_tl.cli import main
from ecg_tl.datasets import DATASETS, DatasetEntry
from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.diagnoses import class_concept
from ecg_tl.store.reader import open_store

READER = """
import csv
from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, make_scan
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.recordings.wfdb_header import header_path, read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb


class Village(EcgDataset):
    name = "village"
    title, records, licence, citation, source = "Village ECGs", "any", "CC0-1.0", "nobody", "nowhere"
    vocabulary = Vocabulary("village", {"flutter of the village": "AF"})

    def source_files(self, root):
        yield root / "people.csv"
        for name, _ in self._rows(root):
            yield header_path(root / name)

    def _rows(self, root):
        with (root / "people.csv").open(newline="") as stream:
            return list(csv.reader(stream))

    def scan(self, root):
        rows = []
        for name, said in self._rows(root):
            header = read_header(root / name)
            rows.append({"record_id": name, "patient_id": None, "path": name, "fold": None, "age": 50.0,
                         "sampling_rate": header.sampling_rate, "length": header.length, "sex": None,
                         "codes": (said,)})
        return make_scan(rows, root)

    def read(self, root, path):
        return read_wfdb(root / path)

    def label_rule(self, task=None, root=None):
        self.check_task(task)
        names = {"AF": "flutter of the village", "none": "well"}
        return LabelRule(tuple(LabelClass(name, frozenset({code})) for name, code in names.items()))
"""
DATAMODULE = '''
from typing import Any
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.village import Village


class VillageDataModule(EcgDataModule):
    """The village's datamodule."""

    def __init__(self, root: str = "data/village", **kwargs: Any) -> None:
        super().__init__(Village(), root, **kwargs)
'''
LAYOUT = """
from ecg_tl.signals import LEADS
from ecg_tl.synthesis.cohort import PatientGroup
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_samples


def write(folder, cases):
    with (folder / "people.csv").open("w") as table:
        for case in cases:
            path = folder / f"v{case.index}"
            steps = to_steps(case.signal(100, 4), 1000.0)
            write_samples(path.with_suffix(".dat"), steps)
            lines = signal_lines(f"{path.name}.dat", LEADS, steps, HeaderStyle(), [1000.0] * 12, [0] * 12)
            write_header(path.with_suffix(".hea"), 100, steps.shape[1], lines)
            table.write(f"{path.name},{'flutter of the village' if 'AF' in case.labels else 'well'}\\n")
            yield


LAYOUT = Layout({name: PatientGroup(0.5, {(name,): 1.0}, {}) for name in ("NORM", "AF")}, write)
"""
MODULES = {
    "ecg_tl.datasets": READER,
    "ecg_tl.datamodules": DATAMODULE,
    "ecg_tl.synthesis.layouts": LAYOUT,
}


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetEntry:
    """Put three files into the rooms, and one entry into the registry."""
    for room, text in MODULES.items():
        folder = tmp_path / room
        folder.mkdir()
        (folder / "village.py").write_text(text)
        __import__(room)
        monkeypatch.setattr(sys.modules[room], "__path__", [*sys.modules[room].__path__, str(folder)])
    entry = DatasetEntry(
        "ecg_tl.datasets.village:Village",
        "ecg_tl.datamodules.village:VillageDataModule",
        "ecg_tl.synthesis.layouts.village:LAYOUT",
    )
    monkeypatch.setitem(DATASETS, "village", entry)
    # Choices, and the classes that `--data` knows, are made from the registry when these are imported.
    monkeypatch.delitem(sys.modules, "ecg_tl.commands.data", raising=False)
    assert entry.datamodule.__name__ == "VillageDataModule"
    return entry


@pytest.mark.slow
def test_a_reader_a_datamodule_a_layout_and_an_entry_are_a_dataset(
    village: DatasetEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, stores = tmp_path / "root", tmp_path / "stores"
    assert main(["data", "list"]) == 0
    assert "Village ECGs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["data", "prepare", "--help"])
    assert "custom,village" in "".join(capsys.readouterr().out.split())
    assert main(["data", "synthesize", "village", "--root", str(root), "--records", "24"]) == 0
    assert main(["data", "check", "village", "--root", str(root)]) == 0
    size = ["--sampling_rate", "25", "--num_samples", "100"]
    words = ["data", "prepare", "village", "--root", str(root), "--store_dir", str(stores), *size]
    assert main(words) == 0
    (folder,) = stores.glob("village-*")
    assert len(open_store(folder)) == 24
    data = ["--data", "VillageDataModule", "--data.root", str(root), "--data.store_dir", str(stores)]
    data += [
        "--data.sampling_rate",
        "25",
        "--data.num_samples",
        "100",
        "--data.batch_size",
        "8",
        *HALF_TRAINS,
    ]
    run = fit(data, tmp_path / "runs", model=GRU)
    assert (run / "result.json").is_file()
    assert list(stores.glob("village-*")) == [folder]
    flutter = LabelClass("AF", frozenset({"flutter of the village"}))
    assert class_concept("village", flutter) == "AF"
