"""Stores as tests find them: where `prepare` would put them."""

from __future__ import annotations

from pathlib import Path

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.store.fingerprint import source_fingerprint, store_name
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import StoreSettings


def store_path(dataset: EcgDataset, root: Path, store_dir: Path, settings: StoreSettings) -> Path:
    """Return where the store of these files with these settings is, or would be."""
    return store_dir / store_name(dataset, settings, source_fingerprint(dataset, root))


def find_store(dataset: EcgDataset, root: Path, store_dir: Path, settings: StoreSettings) -> Store | None:
    """Open the store of these files with these settings; None if it has not been prepared."""
    path = store_path(dataset, root, store_dir, settings)
    return open_store(path) if path.exists() else None
