"""Ningbo's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.ningbo import Ningbo


class NingboDataModule(EcgDataModule):
    """Ningbo; its files name no patients, so each record counts as its own.

    Args:
        root: Folder below which the records lie.
        equivalences: Whether codes that the challenge scores as one count as one.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/ningbo", equivalences: bool = True, **kwargs: Any) -> None:
        super().__init__(Ningbo(equivalences=equivalences), root, **kwargs)
