"""Upstreams that a study pre-trains itself, without labels: what they are, and what they make of a run.

    upstreams:
      own:
        pretraining: jepa
        data: [ludb]
        records: train
        batch_size: 128
        options: {predictor_depth: 2}
        trainer: {max_epochs: 200}

Such an upstream is trained once for each network and value of the axes, on the records of the study's
datasets under `data`, divided as the downstream divides them; arms, sizes and seeds share it. Validation and
test records of all downstreams, and all records of their patients, are left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ecg_tl.datasets import DATASETS
from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.study.design.overlay import layered
from ecg_tl.study.design.settings import Overlay, StudySettings, is_a_file

PRETRAINING = "pretraining"
"""The key that says so: of an upstream its method, of a run's config all that its training differs by."""

KEYS = (PRETRAINING, "data", "records", "batch_size", "options", "trainer", "speed")
RECORDS = ("train", "train+unlabelled", "transductive")
TRANSDUCTIVE = "transductive"
METHOD_NAMES = ("jepa", "cpc", "simclr")

_CLASSIFIERS_OWN = ("optimizer", "learning_rate", "weight_decay", "schedule")
"""Settings of a classifier that are a pre-training's too, by the same names."""

COST = {"jepa": 1.0, "cpc": 1.5, "simclr": 2.0}
"""About how many times what a classifier's step costs a step of each method does: `jepa` encodes the whole
signal without gradients and a part of it with them, `cpc` predicts several steps ahead, `simclr` takes two
crops."""


def is_pretrained_here(upstream: Mapping[str, Any]) -> bool:
    """Whether an upstream of a study is one that it pre-trains without labels."""
    return PRETRAINING in upstream


def is_transductive(upstream: Mapping[str, Any]) -> bool:
    """Whether it is fed records on which a downstream is validated and tested."""
    return is_pretrained_here(upstream) and upstream.get("records") == TRANSDUCTIVE


def check_pretrained(name: str, upstream: Mapping[str, Any], known: Mapping[str, Overlay]) -> None:
    """Check what an upstream says of its pre-training.

    Args:
        name: Of the upstream.
        upstream: Its entry.
        known: The study's datasets by name.

    Raises:
        SettingError: If a key or a value is not one that it has.
    """
    where = f"upstreams.{name}"
    unknown = [key for key in upstream if key not in KEYS]
    if unknown:
        raise SettingError(where, f"the key {unknown[0]!r}", f"{', '.join(KEYS)}", "Correct it.")
    for key, choices in ((PRETRAINING, METHOD_NAMES), ("records", RECORDS)):
        if upstream.get(key, choices[0]) not in choices:
            raise SettingError(
                f"{where}.{key}", shown(upstream[key]), f"one of {', '.join(choices)}", "Choose one of these."
            )
    data = upstream.get("data")
    names = data if isinstance(data, list) else []
    if not names or not all(isinstance(one, str) and one in known for one in names):
        raise SettingError(
            f"{where}.data",
            shown(data),
            f"a list of datasets out of {', '.join(known)}",
            "Name some of them.",
        )
    for key in ("options", "trainer", "speed"):
        if not isinstance(upstream.get(key, {}), dict):
            raise SettingError(f"{where}.{key}", shown(upstream[key]), "settings by name", "Correct it.")


def known_datasets(settings: StudySettings) -> dict[str, Overlay]:
    """Return the datasets that a pre-training can be fed, by name: downstreams, and supervised upstreams."""
    upstreams = {
        name: one
        for name, one in settings.upstreams.items()
        if not is_pretrained_here(one) and not is_a_file(one)  # which has no records
    }
    return {**upstreams, **settings.downstreams}


def pretraining_section(
    settings: StudySettings, upstream: Mapping[str, Any], sections: Mapping[str, Overlay]
) -> Overlay:
    """Return what a run's config says of its pre-training, beside what a training's says.

    Args:
        settings: The study.
        upstream: The upstream's entry.
        sections: The section `data` of each dataset, with its paths.
    """
    first, *further = upstream["data"]
    records = upstream.get("records", RECORDS[0])
    kept_out = [] if records == TRANSDUCTIVE else list(settings.downstreams)
    named = [name for name in kept_out if name not in upstream["data"]]
    return {
        PRETRAINING: {
            "method": upstream[PRETRAINING],
            "records": records,
            "options": dict(upstream.get("options", {})),
            **({"batch_size": upstream["batch_size"]} if "batch_size" in upstream else {}),
            "sources": {name: sections[name] for name in further},
            "excluded": {name: sections[name] for name in named},
            "exclude": [f"{part} of {name}" for name in kept_out for part in ("validation", "test")],
            "dataset": first,
        }
    }


def pretraining_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a run's config into one of `ecg-tl pretrain`.

    Raises:
        SettingError: If a dataset is not one of this project's, by which the pre-training could name it.
    """
    said = config[PRETRAINING]
    own = dict(config["data"].get("init_args", {}))
    from ecg_tl.pretraining.sources import SHARED  # with torch, which a plan has no use for

    sections = {said["dataset"]: config["data"], **said["sources"]}
    names = {name: _dataset_of(section) for name, section in {**sections, **said["excluded"]}.items()}
    shared = {name: own[name] for name in (*SHARED, "crop_seconds") if name in own}
    model = dict(config["model"].get("init_args", {}))
    kept = {
        key: deepcopy(value)
        for key, value in config.items()
        if key not in ("data", "model", PRETRAINING, "pictures", "curves")
    }
    return {
        **kept,
        "model": {
            "class_path": _class_of(said["method"]),
            "init_args": {
                "network": model.get("network"),
                "network_options": _network_options(model),
                **{name: model[name] for name in _CLASSIFIERS_OWN if name in model},
                **said["options"],
            },
        },
        "data": {
            **shared,
            **({"batch_size": said["batch_size"]} if "batch_size" in said else {}),
            "records": said["records"],
            "sources": [_source(names[name], section) for name, section in sections.items()],
            "excluded_data": [_source(names[name], one) for name, one in said["excluded"].items()],
            "exclude": list(dict.fromkeys(_renamed(one, names) for one in said["exclude"])),
        },
        "checkpoint": {"monitor": "epoch"},
        "pictures": {"records": 0},
    }


def section_of_dataset(settings: StudySettings, dataset: str, above: tuple[Overlay, ...]) -> Overlay:
    """Return the section `data` of a dataset as its downstream runs have it, without size and augmentation.

    Args:
        settings: The study.
        dataset: Its name.
        above: What lies over the dataset's own settings: the values of axes, and the paths.
    """
    from ecg_tl import shipped

    known = known_datasets(settings)
    over = settings.downstream_settings if dataset in settings.downstreams else settings.upstream_settings
    whole = layered(shipped.protocol(settings.protocol), settings.settings, over, known[dataset], *above)
    section: Overlay = whole["data"]
    init_args = section.get("init_args", {})
    for name in ("augmentation", "allow_overlap"):
        init_args.pop(name, None)
    init_args.get("split", {}).pop("train_records", None)
    return section


def _source(dataset: str, section: Mapping[str, Any]) -> dict[str, Any]:
    from ecg_tl.pretraining.sources import SHARED

    apart = (*SHARED, "augmentation", "allow_overlap", "crop_seconds", "crop_stride_seconds")
    own = {name: value for name, value in section.get("init_args", {}).items() if name not in apart}
    return {"dataset": dataset, **own}


def _dataset_of(section: Mapping[str, Any]) -> str:
    kind = str(section.get("class_path")).rpartition(".")[2]
    for name, entry in DATASETS.items():
        if entry.datamodule_path.rpartition(":")[2] == kind:
            return name
    raise SettingError(
        "pretraining", f"records of {kind}", f"one of {', '.join(DATASETS)}", "Name another dataset."
    )


def _renamed(exclude: str, names: Mapping[str, str]) -> str:
    """Say an entry of `exclude` by the datasets' own names instead of the study's."""
    part, _, name = exclude.partition(" of ")
    return f"{part} of {names[name]}"


def _class_of(method: str) -> str:
    from ecg_tl.pretraining.running import METHODS

    kind = METHODS[method]
    return f"{kind.__module__}.{kind.__name__}"


def _network_options(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a network that a classifier, or one of its faces, is set to."""
    from ecg_tl.models import find_network

    if model.get("network_options") is not None:
        return dict(model["network_options"])
    return {name: model[name] for name in find_network(model.get("network")).options if name in model}
