"""How many records each run of a study trains, chooses and tests on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_utilities.core import rank_zero

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.study.design.check import make_data
from ecg_tl.study.design.measured import PartSizes
from ecg_tl.study.design.overlay import digest
from ecg_tl.study.design.pretraining import PRETRAINING
from ecg_tl.study.design.runs import Run


@dataclass(frozen=True)
class StudySizes:
    """What is known of a study's data.

    Attributes:
        parts: Of each run, by id; runs whose data are not there are missing.
        absent: For each dataset that is not there, why, by its name in the study.
        data: The datamodule of each run whose data are there, without its size and seed.
    """

    parts: Mapping[str, PartSizes]
    absent: Mapping[str, str]
    data: Mapping[str, EcgDataModule]


def measure_sizes(runs: Iterable[Run]) -> StudySizes:
    """Divide each dataset once for each way in which the runs divide it; prepare stores that are not there.

    Raises:
        SettingError: If a run asks for more training records than there are, or a split cannot be made.
    """
    parts: dict[str, PartSizes] = {}
    absent: dict[str, str] = {}
    known: dict[str, EcgDataModule | None] = {}
    data: dict[str, EcgDataModule] = {}
    for run in runs:
        whole = _without_size(run)
        key = digest(whole.config["data"])
        if key not in known:
            known[key] = _divided(whole, absent)
        divided = known[key]
        if divided is not None:
            data[run.id] = divided
            parts[run.id] = _sizes(run, divided)
            for section in run.config.get(PRETRAINING, {}).get("sources", {}).values():
                also = replace(run, config={"data": section})
                key = digest(section)
                if key not in known:
                    known[key] = _divided(also, absent)
                more = known[key]
                if more is not None:
                    of_run = parts[run.id]
                    parts[run.id] = replace(of_run, train=of_run.train + len(more.parts.split.train))
    return StudySizes(parts, absent, data)


def _without_size(run: Run) -> Run:
    section: dict[str, Any] = dict(run.config["data"])
    init_args = dict(section.get("init_args", {}))
    if "split" in init_args:
        init_args["split"] = {k: v for k, v in init_args["split"].items() if k != "train_records"}
    return replace(run, config={**run.config, "data": {**section, "init_args": init_args}})


def _divided(run: Run, absent: dict[str, str]) -> EcgDataModule | None:
    data = make_data(run)
    source = data.root if data.store_path is None else data.store_path
    if not Path(source).exists():
        absent[run.dataset] = f"{source} is not there"
        return None
    try:
        with _unsaid():
            data.prepare_data()
            data.setup()
    except DatasetError as error:
        absent[run.dataset] = str(error)
        return None
    return data


@contextmanager
def _unsaid() -> Iterator[None]:
    """Leave out what a datamodule logs of its split: it would be said for every way of dividing."""
    logger = rank_zero.log
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _sizes(run: Run, data: EcgDataModule) -> PartSizes:
    sizes = PartSizes(**{part: len(rows) for part, rows in data.parts.split.parts().items()})
    wanted = run.config["data"].get("init_args", {}).get("split", {}).get("train_records")
    if wanted is None:
        return sizes
    if wanted > sizes.train:
        raise SettingError(
            f"size of {run.id}",
            f"{wanted} training records",
            f"at most {sizes.train}, as many as {run.dataset} has to train on",
            "Correct the sizes of the grid, or name the downstreams that they are for.",
        )
    return replace(sizes, train=wanted)
