"""`ecg-tl pretrain`: an upstream from records without labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml
from lightning.pytorch import Trainer

from ecg_tl.acceleration import Speed
from ecg_tl.callbacks import RunCheckpoint
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.commands.fragments import located
from ecg_tl.datasets import DATASETS
from ecg_tl.errors import SettingError
from ecg_tl.parsing import load_yaml, parameters
from ecg_tl.pretraining.data import PretrainingData
from ecg_tl.pretraining.pictures import PretrainingPictures
from ecg_tl.pretraining.running import METHODS, pretrain
from ecg_tl.shipped import PRETRAINING
from ecg_tl.training import silence_noise


def run(words: Sequence[str]) -> int:
    """Run `pretrain`."""
    silence_noise()
    owners: list[Any] = [
        Trainer,
        Speed,
        RunCheckpoint,
        PretrainingPictures,
        PretrainingData,
        *METHODS.values(),
    ]
    keys = ["trainer", "model", "data", "checkpoint", "pictures", "speed", "runs_dir", "experiment"]
    located_words = located(sources_together(words), (PRETRAINING, "trainer"))
    with argument_errors(words[0], located_words[1:], owners, [*keys, "seed_everything"]):
        pretrain(located_words[1:])
    return 0


def sources_together(words: Sequence[str]) -> list[str]:
    """Put `--data ludb --data.root X --data ptbxl --data.root Y` together as `--data.sources [...]`.

    Each `--data` begins a dataset, by its name or that of its datamodule; the settings behind it are its own,
    but for those that all datasets share, which may stand anywhere.

    Args:
        words: Of the command line.

    Raises:
        SettingError: If a dataset is unknown, a setting has no value, or stands before any dataset.
    """
    shared = set(parameters(PretrainingData)) - {"self", "sources"}
    by_class = {entry.datamodule_path.rpartition(":")[2]: name for name, entry in DATASETS.items()}
    kept: list[str] = []
    sources: list[dict[str, Any]] = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        path = option.removeprefix("--").split(".")
        if option == "--data":
            name = _value(option, value if equals else next(rest, None))
            name = by_class.get(name.rpartition(".")[2], name)
            if name not in DATASETS:
                raise SettingError(
                    "--data", repr(name), f"one of {', '.join(DATASETS)}", "Choose one of these."
                )
            sources.append({"dataset": name})
        elif option.startswith("--data.") and path[1] not in shared and path[1].rstrip("+") != "sources":
            text = _value(option, value if equals else next(rest, None))
            if not sources:
                raise SettingError(
                    option,
                    "no dataset before it",
                    "`--data NAME` before its settings",
                    "Name the dataset first.",
                )
            _set(sources[-1], path[1:], _parsed(option, text))
        else:
            kept.append(word)
    return [*kept, "--data.sources", json.dumps(sources)] if sources else kept


def _value(option: str, value: str | None) -> str:
    if value is None:
        raise SettingError(option, "no value behind it", "a value", "Give one.")
    return value


def _parsed(option: str, text: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise SettingError(option, repr(text), "a value as in YAML", "Correct it.") from error


def _set(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise SettingError(
                f"--data.{'.'.join(path)}", f"a value for {key} too", "one of both", "Remove one."
            )
    table[path[-1]] = value
