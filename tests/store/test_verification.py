from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from earlier_tables import as_format
from fake_dataset import FakeDataset
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.commands import data
from ecg_tl.datasets import get_dataset
from ecg_tl.errors import StoreError
from ecg_tl.store import digests, verification
from ecg_tl.store.build import prepare, prepare_again
from ecg_tl.store.columns import write_columns
from ecg_tl.store.digests import BlockHasher, damaged_blocks, digest_file
from ecg_tl.store.fingerprint import FORMAT_VERSION
from ecg_tl.store.manifest import DIGESTED_FILES
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.verification import NOTE_FILE, check_store
from ecg_tl.synthesis import synthesize

SETTINGS = StoreSettings(num_samples=100)


@pytest.fixture
def store(root: Path, store_dir: Path) -> Store:
    prepare(FakeDataset(), root, store_dir, SETTINGS, progress=False)
    verification._noted.clear()  # as in another process
    return open_store(next(store_dir.glob("fake-*")))


@pytest.mark.slow
@given(st.binary(max_size=40), st.integers(1, 9), st.integers(1, 7))
def test_bytes_that_come_in_pieces_have_the_digest_of_their_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, block: int, piece: int
) -> None:
    file = tmp_path_factory.mktemp("digest") / "file"
    file.write_bytes(content)
    hasher = BlockHasher(block)
    for start in range(0, len(content), piece):
        hasher.update(content[start : start + piece])
    assert hasher.digest() == digest_file(file, block)
    assert damaged_blocks(file, hasher.digest()) == []


@pytest.mark.slow
@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_flipped_bit_is_in_the_block_that_is_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, draw: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("digest") / "file"
    file.write_bytes(content)
    written = digest_file(file, 8)
    place, bit = draw.draw(st.integers(0, len(content) - 1)), draw.draw(st.integers(0, 7))
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    file.write_bytes(damaged)
    assert damaged_blocks(file, written) == [place // 8]
    file.write_bytes(content + b"x" * 9)
    assert damaged_blocks(file, written)
    file.write_bytes(content[:-1])
    assert damaged_blocks(file, written)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def zero_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    start = min(4096, len(content) // 2)
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    path.write_bytes(content)


@pytest.mark.parametrize("name", sorted(DIGESTED_FILES[FORMAT_VERSION]))
@pytest.mark.parametrize("damage", [flip, zero_a_page])
def test_a_file_that_is_not_what_was_written_is_refused(
    store: Store, name: str, damage: Callable[[Path], None]
) -> None:
    damage(store.path / name)
    with pytest.raises(StoreError) as caught:
        open_store(store.path)
    assert Path(caught.value.where).name == name
    assert check_store(store.path).faults
    with pytest.raises(StoreError, match=name):  # and again: what is damaged is never noted as verified
        open_store(store.path)


def test_an_edited_table_is_refused(store: Store) -> None:
    records = store.records.assign(age=51.5)
    write_columns(records, store.manifest.columns, store.path / "records.npz")
    with pytest.raises(StoreError, match=r"records\.npz: found 1 of 1 block"):
        open_store(store.path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda values: values["rules"]["default"]["classes"][0].update(codes=["2"]),
        lambda values: values["settings"].update(sampling_rate=250.0),
        lambda values: values["digests"].pop("signals.i16"),
        lambda values: values.pop("digests"),
        lambda values: values.pop("digest"),
        lambda values: values.update(notes=["another"]),
    ],
)
def test_an_edited_manifest_is_refused(store: Store, edit: Callable[[dict[str, Any]], None]) -> None:
    file = store.path / "store.json"
    values = json.loads(file.read_text())
    edit(values)
    file.write_text(json.dumps(values))
    with pytest.raises(StoreError, match=r"store\.json"):
        open_store(store.path)


def test_an_unchanged_file_is_digested_once_and_a_changed_one_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digested: list[str] = []
    digest = digests.digest_file
    monkeypatch.setattr(
        digests, "digest_file", lambda path, *rest: digested.append(path.name) or digest(path, *rest)
    )
    for _ in range(2):
        verification._noted.clear()
        open_store(store.path)
    assert digested == []
    os.utime(store.path / "signals.i16", ns=(0, 1))
    for _ in range(2):
        open_store(store.path)
    assert digested == ["signals.i16"]
    (store.path / NOTE_FILE).write_text("[broken")
    verification._noted.clear()
    open_store(store.path)
    assert sorted(digested[1:]) == sorted(DIGESTED_FILES[FORMAT_VERSION])


def test_a_page_that_the_disk_lost_without_a_trace_is_found_by_the_command(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    file = store.path / "signals.i16"
    times = file.stat().st_mtime_ns
    with file.open("r+b") as handle:
        handle.write(bytes(512))
    os.utime(file, ns=(times, times))
    open_store(store.path)
    assert data.run(["data", "verify", str(store.path)]) == 1
    assert "block(s) that differ" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(StoreError):
        open_store(store.path)


def test_a_store_of_format_3_opens_and_says_that_it_cannot_be_verified(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    as_format(store, 3)
    assert len(open_store(store.path)) == 8
    assert data.run(["data", "verify", str(store.path.parent)]) == 0
    assert "no digests" in capsys.readouterr().out


@pytest.mark.slow
def test_check_looks_at_the_stores_of_the_dataset_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, stores = tmp_path / "custom", tmp_path / "stores"
    synthesize("custom", root, 6, seed=1, progress=False)
    store = prepare(get_dataset("custom"), root, stores, StoreSettings(), progress=False)
    signals = np.array(store.signals())
    words = ["data", "check", "custom", "--root", str(root), "--store_dir", str(stores)]
    assert data.run(words) == 0
    zero_a_page(store.path / "signals.i16")
    assert data.run(words) == 1
    assert "signals.i16" in capsys.readouterr().out
    assert data.run(["data", "verify", str(stores), "--repair", "true"]) == 0
    assert data.run(words) == 0
    np.testing.assert_array_equal(open_store(store.path).signals(), signals)
    assert [path.name for path in stores.iterdir() if "damaged" in path.name] == []


def test_a_store_whose_source_is_gone_is_kept_damaged(tmp_path: Path) -> None:
    root, stores = tmp_path / "custom", tmp_path / "stores"
    synthesize("custom", root, 6, seed=1, progress=False)
    store = prepare(get_dataset("custom"), root, stores, StoreSettings(), progress=False)
    root.rename(tmp_path / "gone")
    with pytest.raises(Exception, match="custom: found nothing"):
        prepare_again(store.path)
    assert (store.path / "store.json").exists()


def test_a_folder_without_stores_is_one_error(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(StoreError, match="a prepared store, or a folder of some"):
            verification.find_stores(folder)
