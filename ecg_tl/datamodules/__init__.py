"""LightningDataModules, one a dataset. Importing this package makes their short names known to the CLI."""

from __future__ import annotations

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets import DATASETS

# Configs name them as `ecg_tl.datamodules.PtbXlDataModule`.
_classes = {entry.datamodule.__name__: entry.datamodule for entry in DATASETS.values()}
globals().update(_classes)

__all__ = ["EcgDataModule", "SplitSettings", *_classes]


def datamodule_class(dataset: str) -> type[EcgDataModule]:
    """Return a dataset's datamodule."""
    found: type[EcgDataModule] = DATASETS[dataset].datamodule
    return found
