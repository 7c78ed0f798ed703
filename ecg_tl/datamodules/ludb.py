"""LUDB's datamodule."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.ludb import Ludb
from ecg_tl.recordings.wfdb_recording import Amplitude


class LudbDataModule(EcgDataModule):
    """LUDB: 200 records of 200 people, divided into stratified parts.

    Args:
        root: Folder that holds `ludb.csv` and `data/`.
        min_records: Classes with fewer records are left out.
        amplitude: `steps` takes a stored step as 1 µV; `header` applies the published per-lead scaling.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/ludb",
        min_records: int = 10,
        amplitude: Amplitude = "steps",
        **kwargs: Any,
    ) -> None:
        super().__init__(Ludb(min_records=min_records, amplitude=amplitude), root, **kwargs)
