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
        own: Whether a transformer is pre-trained on the records themselves, without their labels, as well.
    """

    scratch: tuple[str, ...]
    tuned: tuple[str, ...]
    recipes: tuple[str, ...]
    seeds: int
    splits: int = 1
    epochs: int = 20
    upstream_epochs: int = 15
    own: bool = False


OWN = "own"
"""The upstream that is pre-trained on the records of the folder, without their labels."""

OWN_NETWORK = "vit-xs"

_OWN_MODEL: dict[str, Any] = {"network": "weimann_vit", "network_options": {"size": "xs", "pooling": "mean"}}
_OWN_PRETRAINING: dict[str, Any] = {
    "pretraining": "jepa",
    "records": "train+unlabelled",
    "batch_size": 64,
    # A predictor and an average as fast as few records allow; leads are dropped so that none is leant on.
    "options": {"augmentation": {"lead_dropout": 0.5}, "momentum": 0.99, "predictor_depth": 2},
}
_OWN_EPOCHS = 4
"""Of such a pre-training, for each of a supervised upstream's: an epoch of it says less."""

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
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=3, own=True),
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=3, splits=3, own=True),
    Rung(_ALL, ("resnet1d18", "xresnet1d101"), _RECIPES, seeds=5, splits=5, own=True),
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
        upstreams: Of each upstream its settings in the study, by name: `data`, or a file. None are needed
            where the step pre-trains one on the records themselves.
        records: Of the downstream.
        target: One of `TARGETS`.
    """
    data: dict[str, Any] = {**downstream, "init_args": dict(downstream["init_args"])}
    data["init_args"].setdefault("batch_size", 16 if records < FEW_RECORDS else 32)
    if records < FEW_RECORDS and "split" not in data["init_args"]:
        data["init_args"]["split"] = {"fractions": [0.5, 0.2, 0.3]}
    named: dict[str, dict[str, Any]] = {
        network: {"network": network} for network in (*step.scratch, *step.tuned)
    }
    sources = {upstream: dict(how) for upstream, how in upstreams.items()}
    blocks = [Block(networks=tuple(named), arms=("scratch",))]
    if upstreams:
        given = tuple(upstreams) if step.own else None
        blocks.append(Block(networks=step.tuned, upstreams=given, arms=("scratch", *step.recipes)))
    if step.own:
        named[OWN_NETWORK] = _OWN_MODEL
        epochs = {"max_epochs": _OWN_EPOCHS * step.upstream_epochs}
        sources[OWN] = _OWN_PRETRAINING | {"data": [name], "trainer": epochs}
        blocks.append(Block(networks=(OWN_NETWORK,), upstreams=(OWN,), arms=("scratch", *step.recipes)))
    warm = max(step.epochs // 5, 1)
    ways = {"lp_ft": {"recipe": "lp_ft", "train": {"phase_epochs": warm}}}
    recipes = step.recipes if sources else ()
    arms = {"scratch": Arm()} | {one: Arm(transfer=ways.get(one, {"recipe": one})) for one in recipes}
    batch = 64 if records > MANY_RECORDS else 32
    return StudySettings(
        name=name,
        title=f"{name}: fine-tune, or train from scratch?",
        folder=str(folder),
        upstreams=sources,
        downstreams={name: {"data": data}},
        networks={
            network: {"model": {"class_path": "EcgClassifier", "init_args": model}}
            for network, model in named.items()
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
        grid=tuple(blocks),
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
    given = {name: how for name, how in upstreams.items() if name != OWN}
    trained = [name for name, how in given.items() if "data" in how]
    files = [name for name in given if name not in trained]
    recipes = ", ".join(step.recipes)
    lines = [f"from scratch: {', '.join(step.scratch)}{f', {OWN_NETWORK}' if step.own else ''}"]
    if trained:
        lines.append(f"pre-trained on {', '.join(trained)}: {', '.join(step.tuned)}, with {recipes}")
    if files:
        lines.append(f"from {', '.join(files)}, each on its own network, also from scratch: {recipes}")
    if step.own:
        lines.append(
            "pre-trained by JEPA on the records themselves, without labels and without validation and test "
            f"records: {OWN_NETWORK}, with {recipes}"
        )
    return [
        *lines,
        f"{step.seeds} seeds{splits}; all is chosen by validation records; a run scores its test records "
        "once, at its end",
    ]
