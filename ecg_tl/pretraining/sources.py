"""The datasets of a pre-training: how each is made of an entry of `sources`, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jsonargparse import ArgumentError, ArgumentParser

from ecg_tl.datamodules import datamodule_class
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datasets import DATASETS
from ecg_tl.errors import SettingError
from ecg_tl.limits import Limit, require, shown
from ecg_tl.parsing import own_error, short_message
from ecg_tl.pretraining.records import Rows

_WEIGHT = Limit("weight", 1e-9, 1e9)

SHARED = (
    *("store_dir", "leads", "sampling_rate", "num_samples", "resampling", "short", "bad_records"),
    *("normalization", "normalization_options", "batch_size", "seed", "residency", "num_workers"),
    "prepare_workers",
)
"""Settings of a dataset that all datasets of a pre-training share, so that they are set once."""

_NOT_HERE = ("augmentation", "allow_overlap", "crop_seconds", "crop_stride_seconds", *SHARED)
"""What an entry of `sources` does not have."""


def lengths_of(source: EcgDataModule) -> Rows:
    """Return the samples of each stored record of a dataset that are no padding."""
    padded = source.store.column("padded_samples").to_numpy(np.int64)
    lengths: Rows = source.record_samples - padded
    return lengths


def make_source(table: Mapping[str, Any], shared: Mapping[str, Any]) -> EcgDataModule:
    """Make one dataset of a pre-training.

    Args:
        table: As an entry of `sources`.
        shared: What all datasets share, by the names of `SHARED`.

    Raises:
        SettingError: If there is no such dataset or setting, or a value makes no sense.
    """
    name = table.get("dataset")
    if not isinstance(name, str) or name not in DATASETS:
        raise SettingError(
            "sources", f"the dataset {shown(name)}", f"one of {', '.join(DATASETS)}", "Choose one of these."
        )
    own = {key: value for key, value in table.items() if key not in ("dataset", "weight")}
    twice = [key for key in own if key in _NOT_HERE]
    if twice:
        raise SettingError(
            f"data of {name}",
            ", ".join(twice),
            "settings of this dataset alone: signals and batches are the same for all, crops and "
            "augmentation are the model's",
            "Set it once, beside `sources`, or leave it out.",
        )
    made = datamodule_class(name)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(made, skip={*_NOT_HERE})
    try:
        parsed = parser.instantiate(parser.parse_object(own))
    except (ArgumentError, ValueError) as error:
        own_fault = own_error(error)
        if own_fault is not None:
            raise own_fault from error
        raise SettingError(
            f"data of {name}",
            short_message(str(error)),
            f"settings of the dataset {name}",
            "Correct it; `ecg-tl fit --data " + made.__name__ + " --help` lists them.",
        ) from error
    return made(**vars(parsed), **shared)


def weight_of(table: Mapping[str, Any]) -> float | None:
    """Return the share of an epoch that an entry of `sources` asks for; None if it asks for none.

    Raises:
        SettingError: If it is no weight.
    """
    weight = table.get("weight")
    if weight is None:
        return None
    require(_WEIGHT, weight, f"weight of {shown(table.get('dataset'))}", remedy="Correct the weight.")
    return float(weight)
