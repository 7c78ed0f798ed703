"""SPH's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.sph import Sph


class SphDataModule(EcgDataModule):
    """SPH: AHA statements, patients kept together.

    Args:
        root: Folder that holds `metadata.csv` and `records/`.
        task: The 44 statements, or their 11 categories.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/sph",
        task: Literal["statements", "categories"] = "statements",
        **kwargs: Any,
    ) -> None:
        super().__init__(Sph(), root, task=task, **kwargs)
