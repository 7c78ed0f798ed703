"""EchoNext's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.echonext import EchoNext


class EchoNextDataModule(EcgDataModule):
    """EchoNext with the publisher's splits; signals are standardised already, and are not normalised again.

    Args:
        root: Folder that holds `echonext_metadata_100k.csv` and the arrays.
        task: The eleven findings of the echocardiogram, or structural heart disease as a whole.
        normalization: As of every datamodule; none, unless asked for.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/echonext",
        task: Literal["findings", "structural"] = "findings",
        normalization: str = "none",
        **kwargs: Any,
    ) -> None:
        super().__init__(EchoNext(), root, task=task, normalization=normalization, **kwargs)
