"""`ecg-tl data`, the help, and what is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from simulated import OPTIONS

from ecg_tl import __version__
from ecg_tl.cli import main
from ecg_tl.datamodules import PtbXlDataModule
from ecg_tl.datasets import DATASETS, layout_names
from ecg_tl.store.reader import open_store


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ecg_tl.cli import main\n"
        "for words in (['--help'], [], ['--version'], ['nonsense']): main(words)\n"
        "heavy = {'torch', 'lightning', 'pandas', 'numpy', 'rich', 'jsonargparse'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("fit", "validate", "test", "predict", "data", "demo"):
        assert f"\n  {command} " in done.stdout
    assert __version__ in done.stdout


@pytest.mark.slow
def test_data_commands_do_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom ecg_tl.cli import main\n"
        f"root, stores = {str(tmp_path / 'r')!r}, {str(tmp_path / 's')!r}\n"
        "main(['data', 'list'])\n"
        "main(['data', 'synthesize', 'custom', '--root', root, '--records', '3'])\n"
        "main(['data', 'prepare', 'custom', '--root', root, '--store_dir', stores])\n"
        "main(['data', 'check', 'custom', '--root', root])\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "s").glob("custom-*"))


@pytest.mark.parametrize(
    "words", [["--help"], ["data", "--help"], ["data", "prepare", "--help"], ["fit", "--help"]]
)
def test_help_ends_well(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(words)
    except SystemExit as end:
        status = end.code
    assert not status
    assert "usage: ecg-tl" in capsys.readouterr().out


def test_a_command_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    error = capsys.readouterr().err
    assert "no command 'trian'" in error
    assert "fit" in error


def test_list_shows_classes_size_licence_and_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["data", "list"]) == 0
    shown = capsys.readouterr().out
    for name, entry in DATASETS.items():
        dataset = entry.reader
        for fact in (name, dataset.title, dataset.records, dataset.licence, dataset.source):
            assert fact in shown, fact
    for classes in ("NORM MI STTC HYP CD", "NORM AF IAVB LBBB RBBB PAC VEB STD STE", "1dAVb"):
        assert classes in shown


@pytest.mark.slow
@pytest.mark.parametrize("layout", layout_names())
def test_synthesize_prepare_check(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, stores = str(tmp_path / layout), str(tmp_path / "stores")
    options = ["--options", json.dumps(OPTIONS[layout])] if layout in OPTIONS else []
    assert main(["data", "synthesize", layout, "--root", root, "--records", "9", "--seed", "4"]) == 0
    # Records of nine leads are published as such, and are an error to whoever wants twelve.
    assert main(["data", "check", layout, "--root", root, *options]) == int(layout == "zzu_pecg")
    prepare = ["data", "prepare", layout, "--root", root, "--store_dir", stores, *options]
    assert main([*prepare, "--sampling_rate", "50", "--num_samples", "400", "--leads", "[II, V5]"]) == 0
    (folder,) = (tmp_path / "stores").glob(f"{layout}-*")
    assert open_store(folder).signals().shape == (9, 2, 400)
    shown = capsys.readouterr()
    assert "9 of 9 records" in shown.out
    assert "Traceback" not in shown.err


@pytest.mark.slow
def test_a_store_prepared_in_shards_trains_as_the_whole_one(
    ptbxl_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--sampling_rate", "50", "--num_samples", "100"]
    prepare = ["data", "prepare", "ptbxl", "--root", str(ptbxl_root), *size]
    shards, whole = tmp_path / "shards", tmp_path / "whole"
    for part in ("2/2", "1/2"):
        assert main([*prepare, "--store_dir", str(shards), "--shard", part]) == 0
    assert "1 of 2: records 1 to 30 of 60" in " ".join(capsys.readouterr().out.split())
    assert main(["data", "join", str(shards)]) == 0
    assert main(["data", "verify", str(shards)]) == 0
    assert main([*prepare, "--store_dir", str(whole)]) == 0
    batches = {}
    for name, residency in ((shards, "disk"), (shards, "memory"), (whole, "disk")):
        data = PtbXlDataModule(
            str(ptbxl_root),
            store_dir=str(name),
            sampling_rate=50,
            num_samples=100,
            residency=residency,
            batch_size=8,
        )
        data.prepare_data()
        data.setup()
        batches[name, residency] = [data.on_after_batch_transfer(b, 0) for b in data.train_dataloader()]
    expected = batches.pop((whole, "disk"))
    for found in batches.values():
        assert len(found) == len(expected) > 3
        for one, other in zip(found, expected, strict=True):
            assert all((one[key] == other[key]).all() for key in ("signal", "target", "index"))
    capsys.readouterr()
    for wrong, said in (("3/2", "a part such as 2/5"), ("1/61", "a record in each")):
        assert main([*prepare, "--store_dir", str(tmp_path / "none"), "--shard", wrong]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert main(["data", "join", str(tmp_path)]) == 2
    assert "no shards" in capsys.readouterr().err


def test_the_default_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "synthesize", "custom", "--records", "3"]) == 0
    assert main(["data", "prepare", "custom"]) == 0
    assert (tmp_path / "data" / "custom" / "labels.csv").is_file()
    assert list((tmp_path / "data" / "stores").glob("custom-*"))


def test_check_fails_where_a_record_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "custom"
    assert main(["data", "synthesize", "custom", "--root", str(root), "--records", "3"]) == 0
    next(root.rglob("*.dat")).unlink()
    before = sorted(path.name for path in root.rglob("*"))
    assert main(["data", "check", "custom", "--root", str(root)]) == 1
    assert "no file" in capsys.readouterr().out
    assert sorted(path.name for path in root.rglob("*")) == before
