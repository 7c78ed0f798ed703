"""`ecg-tl data init`: a folder of recordings and a table looked at, and the config that reads them."""

from __future__ import annotations

import re
from pathlib import Path

from ecg_tl import printing, terminal
from ecg_tl.commands.arguments import path_argument
from ecg_tl.datasets.custom import listed
from ecg_tl.recordings.settings import recorded
from ecg_tl.survey import ColumnsSaid, survey_folder, write_dataset_yaml
from ecg_tl.survey.folder import LOOK_AT
from ecg_tl.survey.rendering import render_folder


def init(
    folder: str,
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
    output: str | None = None,
    overwrite: bool = False,
) -> int:
    """Look at a folder of recordings and a table, say what was found, and write a config that reads them.

    Args:
        folder: Of recordings, with a table of labels in it.
        table: Name of the table; looked for if not given, as all that follows.
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
        output: The config to write; `dataset.yaml` in the folder if not given.
        overwrite: Whether a config that is there is replaced.
    """
    leads = None if recorded_leads is None else tuple(re.findall(r"[^\s,]+", recorded_leads))
    reading = recorded(leads, recorded_rate, recorded_units)
    said = ColumnsSaid(
        record=record_column,
        patient=patient_column,
        fold=fold_column,
        age=age_column,
        sex=sex_column,
        site=site_column,
        labels=() if label_columns is None else listed(label_columns),
        codes=codes_column,
        separator=code_separator,
    )
    found = survey_folder(
        path_argument("folder", folder),
        table=table,
        said=said,
        patient_pattern=patient_pattern,
        reading=reading,
        look_at=look_at,
    )
    terminal.console().print(render_folder(found), highlight=False)
    where = None if output is None else Path(output)
    path = write_dataset_yaml(found, where, reading, overwrite=overwrite)
    printing.say(
        f"Wrote {printing.visible(path)}: ecg-tl fit -c {printing.visible(path)} -c resnet1d18", error=True
    )
    return 0
