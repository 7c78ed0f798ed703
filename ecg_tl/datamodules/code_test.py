"""The CODE test set's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.code import CodeTest


class CodeTestDataModule(EcgDataModule):
    """The CODE test set ("Ribeiro"): 827 tracings with six diagnoses and the absence of all six.

    Args:
        root: Folder that holds `ecg_tracings.hdf5` and `annotations/`.
        expected_records: Number of rows that every file must have; None for a set of another size.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self, root: str = "data/code_test", expected_records: int | None = 827, **kwargs: Any
    ) -> None:
        super().__init__(CodeTest(expected_records=expected_records), root, **kwargs)
