"""A store in shards is the store that is made in one go, or is refused in one line that names the shard."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_dataset import FakeDataset, ecg, write_fake
from found_stores import find_store
from io_faults import every_fault
from test_store_crash import die_at, in_child, leftovers

from ecg_tl.datamodules.batches import StoreRows
from ecg_tl.errors import EcgTlError, SettingError, StoreError
from ecg_tl.store import writer
from ecg_tl.store.build import prepare, prepare_again
from ecg_tl.store.digests import with_own_digest
from ecg_tl.store.parts import RowParts
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.shards import ShardNumber, join, stores_in_shards
from ecg_tl.store.verification import check_store

SETTINGS = StoreSettings(short="drop")
OF = 3


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten records: one without a file, one too short, one implausible, copies in other shards."""
    root = tmp_path_factory.mktemp("many") / "fake"
    signals: dict[str, np.ndarray | None] = {f"r{number}": ecg(number) for number in range(10)}
    signals["r4"], signals["r6"] = None, ecg(6, 700)
    signals["r7"] = signals["r1"]  # the same, sample for sample
    later = ecg(2, 7500)
    signals["r2"], signals["r9"] = later[:, :5000], later[:, 700:5700]  # the same, shifted
    signals["r8"] = ecg(8) / 400
    write_fake(root, signals, left_out=("r99",), fold={"r0": None}, sex={"r9": 3}, codes={"r1": ["9", "7"]})
    return root


@pytest.fixture(scope="module")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare(FakeDataset(), many, tmp_path_factory.mktemp("whole"), SETTINGS, progress=False)


@pytest.fixture(scope="module")
def made(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all shards, each prepared in a folder of its own."""
    gathered = tmp_path_factory.mktemp("gathered")
    for number in (2, 1, 3):
        shard = prepare_shard(many, tmp_path_factory.mktemp("machine"), number)
        shard.path.rename(gathered / shard.path.name)
    return gathered


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> tuple[Path, ...]:
    shutil.copytree(made, tmp_path / "shards")
    return stores_in_shards(tmp_path / "shards")[0]


def prepare_shard(root: Path, stores: Path, number: int, **more: Any) -> Store:
    return prepare(
        FakeDataset(), root, stores, SETTINGS, progress=False, part=ShardNumber(number, OF), **more
    )


def assert_same_store(joined: Store, whole: Store) -> None:
    np.testing.assert_array_equal(np.array(joined.signals()), whole.signals())
    np.testing.assert_array_equal(joined.fingerprints(), whole.fingerprints())
    np.testing.assert_array_equal(joined.traces(), whole.traces())
    assert (joined.path / "records.npz").read_bytes() == (whole.path / "records.npz").read_bytes()
    same = dict.fromkeys(("created", "digests", "parts"))
    same |= {"created": "", "digests": {}, "parts": ()}
    assert replace(joined.manifest, **same) == replace(whole.manifest, **same)
    assert joined.path.name == whole.path.name


def test_shards_are_joined_to_the_store_that_is_made_in_one_go(
    shards: tuple[Path, ...], whole: Store
) -> None:
    joined = join(shards)
    assert_same_store(joined, whole)
    assert whole.manifest.duplicates == (("r1", "r7"), ("r2", "r9"))
    assert whole.manifest.counts.left_out == 2
    assert whole.manifest.counts.too_short == 1
    assert any("amplitudes" in note for note in whole.manifest.notes)
    assert isinstance(joined.signals(), RowParts)
    assert [len(part) for part in joined.signals().parts] == [3, 2, 3]  # type: ignore[union-attr]
    rows = np.array([7, 0, 4, 3])
    targets = np.zeros((8, 1), dtype=np.float32)
    batch, expected = (
        StoreRows(store.signals(), targets, rows).__getitems__([2, 0, 3]) for store in (joined, whole)
    )
    assert (batch["signal"] == expected["signal"]).all()
    assert check_store(joined.path).faults == ()
    assert join(shards).path == joined.path  # which is there
    file = shards[0] / "signals.i16"
    assert os.path.samefile(file, joined.path / "signals-1-of-3.i16")  # noqa: PTH121
    shutil.rmtree(shards[0])
    assert_same_store(open_store(joined.path), whole)


def test_where_links_are_impossible_signals_are_copied(
    shards: tuple[Path, ...], whole: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*args: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(writer.os, "link", no_link)
    assert_same_store(join(shards), whole)


def test_preparing_joins_the_shards_where_they_are_complete(
    many: Path, shards: tuple[Path, ...], whole: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, folder = tmp_path / "log", shards[0].parent
    log.mkdir()
    aside = shards[1].rename(tmp_path / "aside")
    alone = prepare(FakeDataset(log=log), many, folder, SETTINGS, progress=False)
    assert "of 3 shards 2 are there, not 2: all are read" in capsys.readouterr().err
    assert len(list(log.iterdir())) == 10
    shutil.rmtree(alone.path)
    aside.rename(shards[1])
    joined = prepare(FakeDataset(log=log), many, folder, SETTINGS, progress=False)
    assert len(list(log.iterdir())) == 10
    assert_same_store(joined, whole)
    # The whole store serves for every shard of it.
    assert prepare_shard(many, folder, 2).path == joined.path


def test_a_shard_is_prepared_once_and_is_no_whole_store(many: Path, made: Path, tmp_path: Path) -> None:
    store = prepare_shard(many, tmp_path, 2)
    assert store.path.name.endswith(".shard-2-of-3")
    assert [len(store), store.manifest.counts.scanned] == [2, 3]
    assert prepare_shard(many, tmp_path, 2).path == store.path
    with pytest.raises(StoreError, match=r"found shard 2 of 3, some of the records, expected a whole store"):
        open_store(store.path)
    with pytest.raises(EcgTlError, match="no file"):
        prepare_shard(many, tmp_path, 2, bad_records="error")


def rewrite(shard: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = shard / "store.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(with_own_digest(values)))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda values: values["source"].update(digest="1" * 64), "source files with the digest"),
        (lambda values: values["settings"].update(resampling="stride"), "settings"),
        (lambda values: values["dataset"]["options"].update(gain=2.0), "dataset"),
        (lambda values: values["shard"].update(total=11), "listed records"),
        (lambda values: values["shard"].update(number=3), "shard 3"),
        (lambda values: values["shard"].update(of=4), "a division into"),
        (lambda values: values["shard"].update(begin=4), "records 5 to 6 of 10"),
        (lambda values: values["shard"].update(number=0), "a damaged manifest"),
        (lambda values: values["shard"].update(end="6"), "a damaged manifest"),
        (lambda values: values.pop("shard"), "a whole store"),
        (lambda values: values["rules"]["default"].update(negative="ONE"), "label rules"),
    ],
)
def test_a_shard_of_something_else_is_refused_and_named(
    shards: tuple[Path, ...], change: Callable[[dict[str, Any]], None], found: str
) -> None:
    rewrite(shards[1], change)
    with pytest.raises(StoreError, match=found) as refused:
        join(shards)
    assert "shard-2-of-3" in str(refused.value) or "shard-3-of-3" in str(refused.value)
    assert [path.name for path in shards[0].parent.iterdir() if "shard" not in path.name] == [
        f".{shards[0].name.partition('.')[0]}.lock"
    ]


def test_a_missing_and_a_damaged_shard_are_named(shards: tuple[Path, ...]) -> None:
    with pytest.raises(StoreError, match=r"shard-2-of-3: found no shard 2"):
        join((shards[0], shards[2]))
    content = bytearray((shards[2] / "signals.i16").read_bytes())
    content[1000] ^= 1
    (shards[2] / "signals.i16").write_bytes(content)
    with pytest.raises(StoreError, match=r"shard-3-of-3/signals\.i16: found 1 of 1 block"):
        join(shards)
    with pytest.raises(StoreError, match="no shards"):
        stores_in_shards(shards[0])
    (shards[0].parent / f"{shards[0].name.partition('.')[0]}.shard-1-of-2").mkdir()
    with pytest.raises(StoreError, match="shards of several divisions: 1 of 2 and 3 of 3"):
        stores_in_shards(shards[0].parent)


def test_a_record_in_two_shards_is_refused(shards: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    read = Store._read

    def again(self: Store, names: list[str] | None) -> pd.DataFrame:
        table = read(self, names)
        return table.assign(record_id=["r5", "r1"]) if "shard-2" in self.path.name else table

    monkeypatch.setattr(Store, "_read", again)
    with pytest.raises(StoreError, match=r"shard-2-of-3: found record 'r1', which another shard has"):
        join(shards)


@pytest.mark.slow
def test_a_shard_without_a_usable_record_is_joined_and_a_whole_without_one_is_not(tmp_path: Path) -> None:
    root, stores = tmp_path / "fake", tmp_path / "stores"
    write_fake(root, {"a": ecg(0), "b": None, "c": None})
    for number in (1, 2, 3):
        prepare_shard(root, stores, number)
    joined = prepare(FakeDataset(), root, stores, SETTINGS, progress=False)
    assert joined.records["record_id"].tolist() == ["a"]
    assert joined.manifest.parts == (1, 0, 0)
    (root / "a.npy").unlink()
    for number in (1, 2, 3):
        prepare_shard(root, tmp_path / "empty", number)
    with pytest.raises(StoreError, match="none can be stored: 3 that cannot be used"):
        prepare(FakeDataset(), root, tmp_path / "empty", SETTINGS, progress=False)


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/99999", "1.5/2", "", "1/2/3"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="shard"):
        ShardNumber.parse(text)


def test_parts_hold_every_record_once() -> None:
    for total in (3, 7, 100):
        for of in (1, 2, 3):
            parts = [ShardNumber.parse(f"{number}/{of}").rows(total) for number in range(1, of + 1)]
            rows = [row for part in parts for row in range(total)[part]]
            assert rows == list(range(total))
    with pytest.raises(SettingError, match="fewer shards"):
        ShardNumber(1, 4).rows(3)


def test_a_damaged_shard_and_the_store_of_it_are_repaired(
    monkeypatch: pytest.MonkeyPatch, many: Path, shards: tuple[Path, ...], whole: Store
) -> None:
    monkeypatch.setattr("ecg_tl.store.build.get_dataset", lambda name, **options: FakeDataset(**options))
    joined = join(shards)
    with (shards[1] / "signals.i16").open("r+b") as file:  # and the store's, which are the same bytes
        file.write(b"wrong")
    assert check_store(shards[1]).faults
    assert check_store(joined.path).faults
    assert prepare_again(shards[1]).path == shards[1]
    assert_same_store(prepare_again(joined.path), whole)


@pytest.mark.parametrize("call", [*range(8), "rename"])
def test_a_kill_at_any_step_of_joining_leaves_the_shards_and_no_half_store(
    shards: tuple[Path, ...], whole: Store, monkeypatch: pytest.MonkeyPatch, call: int | str
) -> None:
    with monkeypatch.context() as patched:
        if call == "rename":
            die_at(patched, writer.Path, "rename", 0)
        else:
            die_at(patched, writer.os, "fsync", int(call))
        assert in_child(lambda: join(shards) and None) == -signal.SIGKILL
    folder = shards[0].parent
    assert not (folder / whole.path.name).exists()
    assert [check_store(shard).faults for shard in shards] == [(), (), ()]
    assert_same_store(join(shards), whole)
    assert leftovers(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, None], ids=["full", "broken", "crash"])
def test_a_joined_store_is_whole_or_not_there(tmp_path: Path, code: int | None) -> None:
    root, stores, made = tmp_path / "root", tmp_path / "stores", tmp_path / "made"
    write_fake(root, {name: ecg(number) for number, name in enumerate("abc")})
    for number in (1, 2, 3):
        prepare_shard(root, made, number)

    def lay_out() -> None:
        shutil.copytree(made, stores, dirs_exist_ok=True)

    def act() -> None:
        prepare(FakeDataset(), root, stores, SETTINGS, progress=False)

    def check() -> None:
        store = find_store(FakeDataset(), root, stores, SETTINGS)
        if store is not None:
            assert store.manifest.counts.stored == 3
            assert check_store(store.path).faults == ()

    assert every_fault(stores, code, lay_out, act, check) > 15
    assert find_store(FakeDataset(), root, stores, SETTINGS) is not None
    assert leftovers(stores) == []
