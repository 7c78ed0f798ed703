"""Brugada-HUCA's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.brugada_huca import BrugadaHuca


class BrugadaHucaDataModule(EcgDataModule):
    """Brugada-HUCA: people who were examined for Brugada syndrome.

    Args:
        root: Folder that holds `metadata.csv` and `files/`.
        task: The diagnosis, that or its atypical form, or all columns.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/brugada_huca",
        task: Literal["brugada", "brugada_or_atypical", "all"] = "brugada",
        **kwargs: Any,
    ) -> None:
        super().__init__(BrugadaHuca(), root, task=task, **kwargs)
