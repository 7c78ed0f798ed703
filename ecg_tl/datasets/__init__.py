"""The datasets: what lies on disk, turned into records, labels and signals. No torch here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.errors import SettingError

_CLASS_OF = {
    "ptbxl": "ptbxl.PtbXl",
    "cpsc2018": "cpsc2018.Cpsc2018",
    "georgia": "georgia.Georgia",
    "ptb": "ptb.Ptb",
    "code_test": "code.CodeTest",
    "ludb": "ludb.Ludb",
    "custom": "custom.Custom",
}


class _Registry(Mapping[str, type[EcgDataset]]):
    """The dataset classes by name; a class's module is imported when the class is asked for."""

    def __getitem__(self, name: str) -> type[EcgDataset]:
        module, _, class_name = _CLASS_OF[name].partition(".")
        dataset: type[EcgDataset] = getattr(import_module(f"{__name__}.{module}"), class_name)
        return dataset

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASS_OF)

    def __len__(self) -> int:
        return len(_CLASS_OF)


DATASETS: Mapping[str, type[EcgDataset]] = _Registry()
"""Every dataset that can be prepared, by the name that the command line uses."""


def dataset_names() -> tuple[str, ...]:
    """Return the names of all datasets."""
    return tuple(DATASETS)


def get_dataset(name: str, **options: Any) -> EcgDataset:
    """Make a dataset by name.

    Args:
        name: One of `dataset_names()`.
        **options: Settings of that dataset's class (`source_rate` of `ptbxl`, `equivalences` of `cpsc2018`).

    Raises:
        SettingError: If there is no such dataset, or it has no such setting.
    """
    if name not in DATASETS:
        raise SettingError("dataset", repr(name), f"one of {', '.join(DATASETS)}", "Choose one of these.")
    dataset = DATASETS[name]
    offered = inspect.signature(dataset).parameters
    unknown = [option for option in options if option not in offered]
    if unknown:
        raise SettingError(
            f"options of {name}",
            ", ".join(unknown),
            ", ".join(offered) or "none: this dataset has no options",
            "Remove or correct the option.",
        )
    return dataset(**options)
