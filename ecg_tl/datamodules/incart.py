"""INCART's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.incart import Incart


class IncartDataModule(EcgDataModule):
    """INCART; its files name no patients, so each record counts as its own.

    Args:
        root: Folder below which the records lie.
        equivalences: Whether codes that the challenge scores as one count as one.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/incart", equivalences: bool = True, **kwargs: Any) -> None:
        super().__init__(Incart(equivalences=equivalences), root, **kwargs)
