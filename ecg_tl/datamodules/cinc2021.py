"""The PhysioNet/CinC Challenge 2021's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.cinc2021 import Cinc2021


class Cinc2021DataModule(EcgDataModule):
    """All eight collections of the challenge, with the classes that it scores; its files name no patients.

    Args:
        root: Folder below which the records lie.
        equivalences: Whether codes that the challenge scores as one count as one.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(self, root: str = "data/cinc2021", equivalences: bool = True, **kwargs: Any) -> None:
        super().__init__(Cinc2021(equivalences=equivalences), root, **kwargs)
