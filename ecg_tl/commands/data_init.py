"""`ecg-tl data init`: a folder of recordings and a table looked at, and the config that reads them."""

from __future__ import annotations

from ecg_tl import printing, terminal
from ecg_tl.commands.arguments import path_argument
from ecg_tl.survey.folder import LOOK_AT
from ecg_tl.survey.initial import init_data
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
    found, path = init_data(
        path_argument("folder", folder),
        table=table,
        record_column=record_column,
        patient_column=patient_column,
        fold_column=fold_column,
        age_column=age_column,
        sex_column=sex_column,
        site_column=site_column,
        label_columns=label_columns,
        codes_column=codes_column,
        code_separator=code_separator,
        patient_pattern=patient_pattern,
        recorded_leads=recorded_leads,
        recorded_rate=recorded_rate,
        recorded_units=recorded_units,
        look_at=look_at,
        output=output,
        overwrite=overwrite,
    )
    terminal.console().print(render_folder(found), highlight=False)
    shown = printing.visible(path)
    printing.say(f"Wrote {shown}. Next: ecg-tl fit -c {shown} -c resnet1d18", error=True)
    return 0
