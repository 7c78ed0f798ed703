"""The config that says how a lab's own folder is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ecg_tl.errors import SettingError
from ecg_tl.files import write_text
from ecg_tl.recordings import ReadSettings
from ecg_tl.signals import LEADS
from ecg_tl.survey.folder import FolderFound

CONFIG_NAME = "dataset.yaml"

_RATE = 100
_SECONDS = 10.0
_LONGEST_SECONDS = 30.0
_CHOICE = (
    "    # Each row has exactly one class. If they exclude each other, this setting has one chosen:\n"
    "    # single_choice: true\n"
)


def dataset_config(found: FolderFound, reading: ReadSettings | None = None) -> dict[str, Any]:
    """Return the section `data` of a config that reads a folder as it was found."""
    columns = found.columns
    settings: dict[str, Any] = {"root": str(found.root.resolve()), "table": found.table.name}
    settings["record_column"] = columns.record
    for name in ("patient", "fold", "age", "sex", "site"):
        column = getattr(columns, name)
        if column is not None:
            settings[f"{name}_column"] = column
    if found.patient_pattern is not None:
        settings["patient_pattern"] = found.patient_pattern
    if columns.codes is not None:
        settings |= {"codes_column": columns.codes, "code_separator": columns.separator}
    else:
        settings["label_columns"] = ",".join(map(_quoted, columns.labels))
        if columns.empty:
            settings["empty_cells"] = "unanswered"
    if reading is not None:
        said = {
            "recorded_leads": None if reading.leads is None else ",".join(reading.leads),
            "recorded_rate": reading.sampling_rate,
            "recorded_units": reading.units,
        }
        settings |= {name: value for name, value in said.items() if value is not None}
    leads = found.recordings.common_leads
    if leads != LEADS:
        settings["leads"] = list(leads)
    lengths = list(found.recordings.seconds)
    if len(lengths) == 1 and lengths[0] != _SECONDS and lengths[0] <= _LONGEST_SECONDS:
        settings["num_samples"] = max(1, round(lengths[0] * _RATE))
    return {"class_path": "CustomDataModule", "init_args": settings}


def write_dataset_yaml(
    found: FolderFound,
    path: Path | None = None,
    reading: ReadSettings | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write the config beside the recordings, as `dataset.yaml`, or where it is said.

    Raises:
        SettingError: If there is one already and it is not to be replaced.
        StoreError: If it cannot be written.
    """
    path = found.root / CONFIG_NAME if path is None else path
    if path.exists() and not overwrite:
        raise SettingError(
            path,
            "a config that is there already",
            "a new file",
            "Give --overwrite true, or another --output.",
        )
    folder = found.root.resolve().name  # also of `.`
    head = (
        f"# How the records of {folder} are read: {found.rows:,} rows of {found.table.name}, "
        f"{len(found.recordings.names):,} recordings.\n"
        "# Written by `ecg-tl data init`; correct it as you see fit. Every setting: `ecg-tl fit --data.help "
        "CustomDataModule`.\n"
    )
    body = yaml.safe_dump(
        {"data": dataset_config(found, reading)}, sort_keys=False, allow_unicode=True, width=1000
    )
    tail = _CHOICE if found.columns.have_one_class else ""
    write_text(path, "".join(_printable(line) for line in head) + body + tail)
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def _printable(letter: str) -> str:
    return letter if letter.isprintable() or letter == "\n" else "?"
