"""A store is made whole or not at all, whichever of its calls to the file system fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fake_dataset import FakeDataset, ecg, write_fake
from found_stores import find_store
from io_faults import every_fault

from ecg_tl.store.build import prepare
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.verification import verify_files


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, None], ids=["full", "broken", "crash"])
def test_a_store_is_whole_or_not_there(tmp_path: Path, code: int | None) -> None:
    root, stores = tmp_path / "root", tmp_path / "stores"
    write_fake(root, {name: ecg(number) for number, name in enumerate("abc")})
    dataset, settings = FakeDataset(), StoreSettings()

    def act() -> None:
        prepare(dataset, root, stores, settings, workers=1, progress=False)

    def check() -> None:
        store = find_store(dataset, root, stores, settings)
        if store is not None:
            assert store.manifest.counts.stored == 3
            assert verify_files(store.path, store.manifest) == []

    calls = every_fault(stores, code, lambda: None, act, check)
    assert calls > 20
    assert find_store(dataset, root, stores, settings) is not None
    assert [path.name for path in stores.iterdir() if ".partial-" in path.name] == []
