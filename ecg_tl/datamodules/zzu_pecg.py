"""ZZU pECG's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.zzu_pecg import ZzuPecg


class ZzuPecgDataModule(EcgDataModule):
    """ZZU pECG, children: AHA statements or groups of diseases, patients kept together.

    Args:
        root: Folder that holds `AttributesDictionary.csv` and `Child_ecg/`.
        task: The AHA statements, or four groups of diseases.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/zzu_pecg",
        task: Literal["statements", "diseases"] = "statements",
        **kwargs: Any,
    ) -> None:
        super().__init__(ZzuPecg(), root, task=task, **kwargs)
