"""Chapman-Shaoxing's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.chapman import Chapman


class ChapmanDataModule(EcgDataModule):
    """Chapman-Shaoxing; its files name no patients, so each record counts as its own.

    Args:
        root: Folder below which the records lie.
        equivalences: Whether codes that the challenge scores as one count as one.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/chapman", equivalences: bool = True, **kwargs: Any) -> None:
        super().__init__(Chapman(equivalences=equivalences), root, **kwargs)
