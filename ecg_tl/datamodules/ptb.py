"""The PTB Diagnostic database's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.ptb import Ptb


class PtbDataModule(EcgDataModule):
    """PTB Diagnostic: infarction against healthy controls, divided by patient.

    Args:
        root: Folder that holds `patient001`, `patient002`, ...
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/ptb", **kwargs: Any) -> None:
        super().__init__(Ptb(), root, **kwargs)
