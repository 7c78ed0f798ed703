"""A store that was given by its path need not be the one that a datamodule would have made."""

from __future__ import annotations

from ecg_tl.datamodules.contracts import said_of
from ecg_tl.errors import StoreError
from ecg_tl.store.reader import Store
from ecg_tl.store.settings import StoreSettings


def require_as_asked(store: Store, dataset: str, wanted: StoreSettings) -> None:
    """Refuse a store that holds something other than what was asked for.

    Args:
        store: The store.
        dataset: Name of the dataset that it should be of.
        wanted: How it should have been prepared.

    Raises:
        StoreError: Names the first thing in which the two differ.
    """
    manifest = store.manifest
    found = {
        "dataset": (manifest.dataset.name, dataset),
        "leads": (list(manifest.settings.leads), list(wanted.leads)),
        "sampling_rate": (manifest.settings.sampling_rate, wanted.sampling_rate),
        "num_samples": (manifest.settings.num_samples, wanted.num_samples),
        "preprocessing": (said_of(manifest.settings.chain), said_of(wanted.chain)),
    }
    for field, (here, asked) in found.items():
        if here != asked:
            raise StoreError(
                store.path,
                f"{field} {here}",
                f"{field} {asked}",
                "Give another store, or other settings.",
            )
