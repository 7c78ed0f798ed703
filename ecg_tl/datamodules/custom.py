"""The datamodule of a lab's own records."""

from __future__ import annotations

from typing import Any

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets.custom import Custom
from ecg_tl.datasets.custom_labels import EmptyCells


class CustomDataModule(EcgDataModule):
    """Your own records: a folder of recordings of any format and a table of labels.

    Args:
        root: Folder that holds both.
        empty_cells: What an empty cell of a class, or of `codes_column`, is: an `error` (of codes: none), or
            a question that is `unanswered`, so that the record is neither trained nor scored on that class.
        table: Name of the table in the folder; that of `TABLE_NAMES` which is there if None.
        record_column: That names the recordings.
        patient_column: Of patients, whose records stay together in a split.
        fold_column: Of folds.
        age_column: Of ages.
        sex_column: Of sexes.
        site_column: That is kept as `site`, for `query`.
        extra_columns: Others to keep for `query`, with commas between.
        label_columns: That are classes, with commas between; all that have no other meaning if None.
        codes_column: That lists the codes of each record, in place of columns of 0 and 1.
        code_separator: Between the codes of one record.
        code_names: Name of a table in the folder whose first two columns are codes and their classes. Codes
            with the same class are one; codes that it does not list are in no class.
        patient_pattern: A regular expression that finds the patient in a record's path: its first group, or
            all that it matches.
        recorded_leads: Names of the leads, with commas between, of files that do not name them.
        recorded_rate: In Hz, of files that do not say it.
        recorded_units: Of files that do not say them.
        **kwargs: Those of `EcgDataModule`.
    """

    def __init__(
        self,
        root: str = "data/custom",
        empty_cells: EmptyCells = "error",
        table: str | None = None,
        record_column: str = "record",
        patient_column: str = "patient_id",
        fold_column: str = "fold",
        age_column: str = "age",
        sex_column: str = "sex",
        site_column: str | None = None,
        extra_columns: str | None = None,
        label_columns: str | None = None,
        codes_column: str | None = None,
        code_separator: str = ";",
        code_names: str | None = None,
        patient_pattern: str | None = None,
        recorded_leads: str | None = None,
        recorded_rate: float | None = None,
        recorded_units: str | None = None,
        **kwargs: Any,
    ) -> None:
        dataset = Custom(
            empty_cells=empty_cells,
            table=table,
            record_column=record_column,
            patient_column=patient_column,
            fold_column=fold_column,
            age_column=age_column,
            sex_column=sex_column,
            site_column=site_column,
            extra_columns=extra_columns,
            label_columns=label_columns,
            codes_column=codes_column,
            code_separator=code_separator,
            code_names=code_names,
            patient_pattern=patient_pattern,
            recorded_leads=recorded_leads,
            recorded_rate=recorded_rate,
            recorded_units=recorded_units,
        )
        super().__init__(dataset, root, **kwargs)
