"""MIMIC-IV-ECG's datamodule."""

from __future__ import annotations

from typing import Any, Literal

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.mimic_iv_ecg import Diagnoses, MimicIvEcg


class MimicIvEcgDataModule(EcgDataModule):
    """MIMIC-IV-ECG with ICD-10 labels and the folds that come with these: 18 validates, 19 tests.

    Args:
        root: Folder that holds `record_list.csv`, `files/` and `records_w_diag_icd10.csv`.
        task: Blocks of ICD-10's chapter on the circulation, or categories of the heart.
        diagnoses: Which column of the table of labels counts.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/mimic_iv_ecg",
        task: Literal["blocks", "categories"] = "blocks",
        diagnoses: Diagnoses = "all_diag_all",
        **kwargs: Any,
    ) -> None:
        super().__init__(MimicIvEcg(diagnoses=diagnoses), root, task=task, **kwargs)
