"""Studies that answer one question, from the least that gives an answer to one that leaves little open.

Each step of `LADDER` has all that the one below it has. More time goes first to further recipes, then to
stronger networks from scratch, then to further splits and seeds, which say whether the answer holds beyond
one division of the records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ecg_tl.study.design.settings import Arm, Block, StudySettings

Target = Literal["auroc_macro", "auprc_macro", "f1_macro", "f1_weighted"]
"""The validation score that epochs and candidates are chosen by."""

TARGETS: tuple[str, ...] = get_args(Target)

FEW_RECORDS = 1000
"""Below it half of the records train, so that enough are left to choose and to judge by."""

MANY_RECORDS = 5000


@dataclass(frozen=True)
class Rung:
    """How much is compared.

    Attributes:
        scratch: Networks trained from scratch.
        tuned: Networks that are pre-trained on each upstream and fine-tuned.
        recipes: Ways to fine-tune.
        seeds: Trainings of each.
        splits: Divisions of the records.
        epochs: Of each downstream training.
        upstream_epochs: Of each upstream's.
    """

    scratch: tuple[str, ...]
    tuned: tuple[str, ...]
    recipes: tuple[str, ...]
    seeds: int
    splits: int = 1
    epochs: int = 20
    upstream_epochs: int = 15


_RECIPES = ("full", "lp_ft", "linear_probe")
_STRONG = ("resnet1d18", "xresnet1d101", "inception1d")
_ALL = (*_STRONG, "s4")

QUICK = Rung(("resnet1d18",), ("resnet1d18",), ("full",), seeds=2, epochs=5, upstream_epochs=4)
"""A look at whether everything works: too few epochs for an answer to be trusted."""

LADDER = (
    Rung(("resnet1d18",), ("resnet1d18",), ("full",), seeds=3),
    Rung(("resnet1d18",), ("resnet1d18",), _RECIPES, seeds=3),
    Rung(_STRONG, ("resnet1d18",), _RECIPES, seeds=3),
    Rung(_ALL, ("resnet1d18",), _RECIPES, seeds=3),
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=3),
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=3, splits=3),
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=5, splits=5),
)


def study_of(
    step: Rung,
    *,
    name: str,
    folder: Path,
    downstream: Mapping[str, Any],
    upstreams: Mapping[str, Mapping[str, Any]],
    records: int,
    target: str = "auroc_macro",
) -> StudySettings:
    """Write a step down as a study.

    Args:
        step: How much is compared.
        name: Of the downstream.
        folder: Of the study.
        downstream: How its records are read: a section `data`.
        upstreams: Of each upstream its settings in the study, by name: `data`, or a file.
        records: Of the downstream.
        target: One of `TARGETS`.
    """
    data: dict[str, Any] = {**downstream, "init_args": dict(downstream["init_args"])}
    data["init_args"].setdefault("batch_size", 16 if records < FEW_RECORDS else 32)
    if records < FEW_RECORDS and "split" not in data["init_args"]:
        data["init_args"]["split"] = {"fractions": [0.5, 0.2, 0.3]}
    networks = dict.fromkeys((*step.scratch, *step.tuned))
    warm = max(step.epochs // 5, 1)
    ways = {"lp_ft": {"recipe": "lp_ft", "train": {"phase_epochs": warm}}}
    arms = {"scratch": Arm()} | {one: Arm(transfer=ways.get(one, {"recipe": one})) for one in step.recipes}
    batch = 64 if records > MANY_RECORDS else 32
    return StudySettings(
        name=name,
        title=f"{name}: fine-tune, or train from scratch?",
        folder=str(folder),
        upstreams={upstream: dict(how) for upstream, how in upstreams.items()},
        downstreams={name: {"data": data}},
        networks={
            network: {"model": {"class_path": "EcgClassifier", "init_args": {"network": network}}}
            for network in networks
        },
        arms=arms,
        settings={"checkpoint": {"monitor": f"val/{target}"}},
        upstream_settings={
            "trainer": {"max_epochs": step.upstream_epochs},
            "data": {"init_args": {"batch_size": batch}},
        },
        downstream_settings={"trainer": {"max_epochs": step.epochs}},
        seeds=tuple(range(step.seeds)),
        splits=step.splits,
        grid=(
            Block(networks=tuple(networks), arms=("scratch",)),
            Block(networks=step.tuned, arms=("scratch", *step.recipes)),
        ),
        second_opinion=False,
    )


def as_yaml(settings: StudySettings) -> dict[str, Any]:
    """Give a study's settings as its YAML holds them, without those that are usual."""
    usual = asdict(StudySettings(name="", folder=""))
    said = {key: _plain(value) for key, value in asdict(settings).items() if value != usual[key]}
    for arm in said.get("arms", {}).values():
        for key in [key for key, value in arm.items() if value == asdict(Arm()).get(key)]:
            del arm[key]
    for block in said.get("grid", []):
        for key in [key for key, value in block.items() if value == _plain(asdict(Block())[key])]:
            del block[key]
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def rung_lines(step: Rung, upstreams: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say in lines what a step compares."""
    splits = f" on each of {step.splits} patient-wise splits" if step.splits > 1 else ""
    trained = [name for name, how in upstreams.items() if "data" in how]
    files = [name for name in upstreams if name not in trained]
    recipes = ", ".join(step.recipes)
    lines = [f"from scratch: {', '.join(step.scratch)}"]
    if trained:
        lines.append(f"pre-trained on {', '.join(trained)}: {', '.join(step.tuned)}, with {recipes}")
    if files:
        lines.append(f"from {', '.join(files)}, each on its own network, also from scratch: {recipes}")
    return [
        *lines,
        f"{step.seeds} seeds{splits}; all is chosen by validation records; a run scores its test records "
        "once, at its end",
    ]
