"""What lies in a folder of records, as the section `data` of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from ecg_tl.datasets import DATASETS, get_dataset
from ecg_tl.downloading.fetching import fetched_files
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.files import read_regular
from ecg_tl.limits import shown
from ecg_tl.parsing import load_yaml
from ecg_tl.published import UPSTREAMS
from ecg_tl.survey import dataset_config, survey_folder

DATASET_FILE = "dataset.yaml"
"""How the records of a folder are read, as `ecg-tl data init` writes it."""


def find_source(folder: Path, dataset: str | None = None, *, survey: bool = True) -> dict[str, Any]:
    """Say how a folder's records are read: by its `dataset.yaml`, as a known dataset, or as they look.

    Args:
        folder: The folder, or a YAML that says it.
        dataset: Name of the dataset, where its files could be those of several.
        survey: Whether recordings and a table of labels are looked at, where there is no `dataset.yaml`.

    Returns:
        `class_path` and `init_args` of a datamodule, with the `root`.

    Raises:
        SettingError: If it is no folder, or of no dataset that is known, or of several.
        DatasetError: If what lies there is not clear.
    """
    if folder.is_file():
        return _from_yaml(folder)
    if not folder.is_dir():
        raise SettingError(folder, "no such folder", "a folder of records", "Name the folder they lie in.")
    if dataset is None and (folder / DATASET_FILE).is_file():
        return _from_yaml(folder / DATASET_FILE)
    named = [dataset] if dataset is not None else _recognised(folder)
    if dataset is not None and dataset not in DATASETS:
        raise SettingError(
            "dataset", shown(dataset), f"one of {', '.join(DATASETS)}", "Choose one, or leave it out."
        )
    if not named and survey:
        return dataset_config(survey_folder(folder))
    if not named:
        raise SettingError(
            folder,
            f"no {DATASET_FILE}, and files of no dataset that is known",
            f"{DATASET_FILE}, or the files of one of {', '.join(DATASETS)}",
            f"`ecg-tl data init {folder}` looks at recordings and a table of labels, and writes it.",
        )
    if len(named) > 1:
        raise SettingError(
            folder,
            f"files that may be of {', '.join(named)}",
            "those of one dataset",
            f"Say which: `--dataset {named[0]}`.",
        )
    return {"class_path": datamodule_name(named[0]), "init_args": {"root": str(folder.resolve())}}


def upstream_source(word: str) -> tuple[str, dict[str, Any]]:
    """Say what an upstream is: records to pre-train on, a checkpoint, or a published upstream.

    Args:
        word: A folder of records, a checkpoint's path, the name of a published upstream whose file lies in
            `weights/NAME` (where `ecg-tl upstream download` puts it), or `NAME=FILE`.

    Returns:
        Its name in the study, and its settings there.

    Raises:
        SettingError: If it is none of these.
    """
    name, equals, file = word.partition("=")
    if equals and name in UPSTREAMS:
        return name, {"published": name, "weights": str(_file(Path(file)))}
    place = Path(word)
    if word in UPSTREAMS and not place.exists():
        folder = Path("weights", word)
        files = fetched_files(folder)
        if len(files) != 1:
            raise SettingError(
                "upstreams",
                f"{len(files)} files in {folder}",
                f"the one of {word}",
                f"`ecg-tl upstream download {word}` fetches it; or name it: `{word}=FILE`.",
            )
        return word, {"published": word, "weights": str(files[0].resolve())}
    if place.suffix == ".ckpt":
        checkpoint = _file(place)
        return _run_of(checkpoint), {"checkpoint": str(checkpoint)}
    return name_of(place), {"data": find_source(place)}


def name_of(place: Path) -> str:
    """Name a folder of records, or the one that a file says how to read, for a study."""
    place = place.resolve()
    called = (place.parent if place.is_file() else place).name
    return re.sub(r"[^A-Za-z0-9_.]+", "-", called).strip("-.") or "records"


def datamodule_name(dataset: str) -> str:
    """Give the name of a dataset's datamodule, as configs have it."""
    return DATASETS[dataset].datamodule_path.rpartition(":")[2]


def _recognised(folder: Path) -> list[str]:
    """List the datasets whose files lie in a folder; the one that it is named after, if there is one."""
    found = []
    for name in DATASETS:
        reader = get_dataset(name)
        try:
            files = list(islice(reader.source_files(folder), 2))
            if files and len(reader.scan(folder).records):
                found.append(name)
        except (EcgTlError, OSError):
            continue
    called = re.sub(r"[^a-z0-9]", "", folder.resolve().name.lower())
    return [name for name in found if re.sub(r"[^a-z0-9]", "", name) == called] or found


def _from_yaml(file: Path) -> dict[str, Any]:
    expected = "a section `data` with a `class_path`"
    try:
        content = load_yaml(read_regular(file).decode("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise SettingError(file, said, expected, "Correct it, or write it anew.") from error
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(data.get("class_path"), str):
        raise SettingError(file, shown(content), expected, "`ecg-tl data init` writes one.")
    init_args = data.get("init_args") or {}
    if not isinstance(init_args, Mapping):
        raise SettingError(file, f"{shown(init_args)} as `init_args`", "settings by name", "Correct it.")
    root = init_args.get("root")
    if isinstance(root, str):  # as the YAML says it: beside itself
        init_args = {**init_args, "root": str((file.parent / root).resolve())}
    return {"class_path": data["class_path"], "init_args": dict(init_args)}


def _run_of(checkpoint: Path) -> str:
    """Name a checkpoint by its run: `pretrained` for `runs/pretrained/version_0/checkpoints/best.ckpt`."""
    own = [one for one in checkpoint.parents if not re.fullmatch(r"checkpoints|version_\d+", one.name)]
    return name_of(own[0])


def _file(path: Path) -> Path:
    if not path.is_file():
        raise SettingError(path, "no such file", "a file of weights", "Correct the path.")
    return path.resolve()
