"""Georgia's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.georgia import Georgia


class GeorgiaDataModule(EcgDataModule):
    """Georgia; it publishes no patients, so each record counts as its own.

    Args:
        root: Folder below which the records lie.
        equivalences: Whether codes that the challenge scores as one count as one; the paper maps exact codes.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/georgia", equivalences: bool = True, **kwargs: Any) -> None:
        super().__init__(Georgia(equivalences=equivalences), root, **kwargs)
