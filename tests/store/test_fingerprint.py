from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fake_dataset import FakeDataset

from ecg_tl.errors import DatasetError
from ecg_tl.store import fingerprint
from ecg_tl.store.fingerprint import Fingerprint, source_fingerprint, store_name
from ecg_tl.store.settings import StoreSettings

SUFFIXES = (".hea", ".dat")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "g1").mkdir(parents=True)
    for name in ("A1.hea", "A1.dat", "g1/A2.HEA", "g1/A2.dat", "readme.txt"):
        (root / name).write_text(name)
    return root


def test_it_counts_the_files_that_matter(source: Path) -> None:
    found = source_fingerprint(source, SUFFIXES)
    assert found.files == 4
    assert found.size == sum(len(name) for name in ("A1.hea", "A1.dat", "g1/A2.HEA", "g1/A2.dat"))


def test_a_copy_elsewhere_with_its_times_is_the_same(source: Path, tmp_path: Path) -> None:
    before = source_fingerprint(source, SUFFIXES)
    assert source_fingerprint(source.rename(tmp_path / "moved"), SUFFIXES) == before


@pytest.mark.parametrize("change", ["content", "time", "name", "new", "gone"])
def test_any_change_of_a_source_file_shows(source: Path, change: str) -> None:
    before = source_fingerprint(source, SUFFIXES)
    file = source / "g1" / "A2.dat"
    if change == "content":
        file.write_text("longer than it was")
    elif change == "time":
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1000))
    elif change == "name":
        file.rename(file.with_name("A3.dat"))
    elif change == "new":
        (source / "A9.hea").touch()
    else:
        file.unlink()
    assert source_fingerprint(source, SUFFIXES).digest != before.digest


def test_other_files_hidden_folders_and_stores_inside_do_not_matter(source: Path) -> None:
    before = source_fingerprint(source, SUFFIXES)
    (source / "readme.txt").write_text("changed")
    for folder in (".hidden", "ptbxl-0123456789ab"):
        (source / folder).mkdir()
        (source / folder / "x.dat").touch()
    (source / "ptbxl-0123456789ab" / fingerprint.SIGNALS_FILE).touch()
    assert source_fingerprint(source, SUFFIXES) == before


def test_links_are_followed_and_circles_end(source: Path, tmp_path: Path) -> None:
    (source / "g1" / "up").symlink_to(source)
    assert source_fingerprint(source, SUFFIXES).files == 4
    link = tmp_path / "link"
    link.symlink_to(source)
    assert source_fingerprint(link, SUFFIXES) == source_fingerprint(source, SUFFIXES)


@pytest.mark.parametrize("where", ["absent", "source/A1.hea"])
def test_a_root_that_is_no_folder_is_named(source: Path, where: str) -> None:
    with pytest.raises(DatasetError, match=Path(where).name):
        source_fingerprint(source.parent / where, SUFFIXES)


def test_whatever_decides_the_content_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    source, settings = Fingerprint("0" * 64, 1, 1), StoreSettings()
    names = {store_name(FakeDataset(), settings, source)}
    names.add(store_name(FakeDataset(gain=2.0), settings, source))
    names.add(store_name(FakeDataset(), settings, replace(source, digest="1" * 64)))
    for change in (
        {"leads": ("I",)},
        {"sampling_rate": 250},
        {"num_samples": 999},
        {"resampling": "stride"},
        {"short": "drop"},
        {"crop": "center"},
    ):
        names.add(store_name(FakeDataset(), replace(settings, **change), source))  # type: ignore[arg-type]
    monkeypatch.setattr(fingerprint, "FORMAT_VERSION", fingerprint.FORMAT_VERSION + 1)
    names.add(store_name(FakeDataset(), settings, source))
    assert len(names) == 10


def test_what_does_not_decide_the_content_does_not() -> None:
    source = Fingerprint("0" * 64, 1, 1)
    name = store_name(FakeDataset(), StoreSettings(), source)
    assert store_name(FakeDataset(delay=1.0), StoreSettings(crop="start"), source) == name
    assert name.startswith("fake-")
    assert len(name) == len("fake-") + 12
