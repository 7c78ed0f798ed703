"""PTB-XL's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.ptbxl import PtbXl


class PtbXlDataModule(EcgDataModule):
    """PTB-XL with its official folds: 1-8 train, 9 validate, 10 test.

    Args:
        root: Folder that holds `ptbxl_database.csv`.
        task: Which of the benchmark's label sets.
        source_rate: Which published version is read, 500 or 100 Hz.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/ptbxl",
        task: Literal[
            "superdiagnostic", "subdiagnostic", "diagnostic", "form", "rhythm", "all"
        ] = "superdiagnostic",
        source_rate: Literal[500, 100] = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(PtbXl(source_rate=source_rate), root, task=task, **kwargs)
