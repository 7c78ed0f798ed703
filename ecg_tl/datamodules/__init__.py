"""LightningDataModules, one a dataset. Importing them makes their short names known to the CLI."""

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datamodules.code_test import CodeTestDataModule
from ecg_tl.datamodules.cpsc2018 import Cpsc2018DataModule
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datamodules.georgia import GeorgiaDataModule
from ecg_tl.datamodules.ludb import LudbDataModule
from ecg_tl.datamodules.ptb import PtbDataModule
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.settings import SplitSettings

__all__ = [
    "CodeTestDataModule",
    "Cpsc2018DataModule",
    "CustomDataModule",
    "EcgDataModule",
    "GeorgiaDataModule",
    "LudbDataModule",
    "PtbDataModule",
    "PtbXlDataModule",
    "SplitSettings",
]
