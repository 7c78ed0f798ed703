"""The datamodule of a lab's own records."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.custom import Custom, EmptyCells


class CustomDataModule(EcgDataModule):
    """Your own records: a folder of WFDB records and a `labels.csv`.

    Args:
        root: Folder that holds `labels.csv`, with a column `record` and one 0/1 column a class.
        empty_cells: Whether an empty cell of a class is an `error`, or a question that is `unanswered`: the
            record is then neither trained nor scored on that class.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/custom", empty_cells: EmptyCells = "error", **kwargs: Any) -> None:
        super().__init__(Custom(empty_cells), root, **kwargs)
