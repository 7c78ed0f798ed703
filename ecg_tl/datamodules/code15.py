"""CODE-15%'s datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.code15 import Code15


class Code15DataModule(EcgDataModule):
    """CODE-15%: six abnormalities, patients kept together.

    Args:
        root: Folder that holds `exams.csv` and the parts, or some of them.
        task: The six abnormalities, these and the flag of normal ones, or death.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/code15",
        task: Literal["abnormalities", "abnormalities_normal", "death"] = "abnormalities",
        **kwargs: Any,
    ) -> None:
        super().__init__(Code15(), root, task=task, **kwargs)
