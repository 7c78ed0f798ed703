"""A folder of one's own looked at, and the config that reads it: what `ecg-tl data init` does."""

from __future__ import annotations

from pathlib import Path

from ecg_tl.datasets.custom import listed
from ecg_tl.recordings.settings import recorded
from ecg_tl.survey.columns import ColumnsSaid
from ecg_tl.survey.folder import LOOK_AT, FolderFound, survey_folder
from ecg_tl.survey.writing import write_dataset_yaml


def init_data(
    folder: str | Path,
    *,
    table: str | None = None,
    record_column: str | None = None,
    patient_column: str | None = None,
    fold_column: str | None = None,
    age_column: str | None = None,
    sex_column: str | None = None,
    site_column: str | None = None,
    label_columns: str | None = None,
    codes_column: str | None = None,
    code_separator: str | None = None,
    patient_pattern: str | None = None,
    recorded_leads: str | None = None,
    recorded_rate: float | None = None,
    recorded_units: str | None = None,
    look_at: int = LOOK_AT,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> tuple[FolderFound, Path]:
    """Look at a folder of recordings and a table, and write the config that reads them.

    Args:
        folder: Of recordings, with a table of labels in it.
        table: Name of the table; looked for if None, as all that follows.
        record_column: That names the recordings.
        patient_column: Of patients.
        fold_column: Of folds.
        age_column: Of ages.
        sex_column: Of sexes.
        site_column: Of sites.
        label_columns: That are classes, with commas between.
        codes_column: That lists the codes of each record.
        code_separator: Between the codes of one record.
        patient_pattern: A regular expression that finds the patient in a record's path.
        recorded_leads: Names of the leads, with commas between, of files that do not name them.
        recorded_rate: In Hz, of files that do not say it.
        recorded_units: Of files that do not say them.
        look_at: How many recordings are read at most.
        output: The config to write; `dataset.yaml` in the folder if None.
        overwrite: Whether a config that is there is replaced.

    Returns:
        What was found, and the config.

    Raises:
        DatasetError: If there are no recordings, no table that names them, or something may be two things.
        SettingError: If a setting makes no sense, or the config is there already.
    """
    reading = recorded(listed(recorded_leads) or None, recorded_rate, recorded_units)
    said = ColumnsSaid(
        record=record_column,
        patient=patient_column,
        fold=fold_column,
        age=age_column,
        sex=sex_column,
        site=site_column,
        labels=listed(label_columns),
        codes=codes_column,
        separator=code_separator,
    )
    found = survey_folder(
        Path(folder),
        table=table,
        said=said,
        patient_pattern=patient_pattern,
        reading=reading,
        look_at=look_at,
    )
    where = None if output is None else Path(output)
    return found, write_dataset_yaml(found, where, reading, overwrite=overwrite)
