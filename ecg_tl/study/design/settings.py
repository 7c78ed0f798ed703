"""What a study compares, as its config file says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from jsonargparse import ArgumentError, ArgumentParser, get_loader
from yaml import YAMLError

from ecg_tl import printing
from ecg_tl.errors import SettingError
from ecg_tl.files import read_regular
from ecg_tl.limits import shown
from ecg_tl.parsing import hint, load_yaml, short_message
from ecg_tl.shipped import STUDIES, config_folder, config_names, find_config
from ecg_tl.transfer.words import present_config, remark
from ecg_tl.trust import parsing_limits

Overlay = dict[str, Any]
"""Part of a config of `ecg-tl fit` (keys `data`, `model`, `trainer`, `checkpoint`); merged key by key."""

if not TYPE_CHECKING:
    # A `class_path` in `Any` is for the parser an object to make: it would import the class, and put all of
    # the class's defaults over the layers below.
    Overlay = dict

Protocol = Literal["strict", "paper", "fm_benchmark"]
Keep = Literal["upstreams", "best"]

ALL_RECORDS: Final = "all"

_SECTIONS = ("data", "model", "trainer", "checkpoint", "speed", "pictures", "curves")
"""Of a config, that are mappings."""

OVERLAYS = (
    *("settings", "upstream_settings", "downstream_settings", "size_settings"),
    *("upstreams", "downstreams", "networks", "axes"),
)
"""Settings of a study that hold parts of configs."""


@dataclass(frozen=True)
class Arm:
    """One way to train downstream.

    Attributes:
        transfer: Settings of `TransferLearning` without `upstream`; null trains from scratch.
        pretrained: Whether it starts from an upstream; false with a `transfer` is a control on the network as
            initialised, such as a frozen random encoder.
        settings: Laid over the run's other settings.
    """

    transfer: Overlay | None = None
    pretrained: bool = True
    settings: Overlay = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A part of the grid: every combination of what it names. A name that is left out stands for all.

    Attributes:
        upstreams: Names of upstreams.
        downstreams: Names of downstreams.
        networks: Names of networks.
        arms: Names of arms.
        sizes: Training records; `all` for every one.
        seeds: Seeds of the training.
        axes: For each axis its values; an axis that is left out has its default.
    """

    upstreams: tuple[str, ...] | None = None
    downstreams: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    arms: tuple[str, ...] | None = None
    sizes: tuple[int | Literal["all"], ...] = (ALL_RECORDS,)
    seeds: tuple[int, ...] | None = None
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class StudySettings:
    """A study.

    A run's config is laid in layers, key by key, each over those before it: what `configs/protocol/` says of
    the protocol; `settings`; `upstream_settings` or `downstream_settings`; the network; the dataset; the
    value of each axis; and downstream the arm, the size and `size_settings`. A list takes the place of the
    one below it, but for `trainer.callbacks`, to which each layer adds.

    Attributes:
        name: Of the study; its folder is `folder`.
        title: The question, for the report.
        folder: Holds runs, speeds and the report.
        data_root: Folder below which the relative `root` of each dataset lies.
        store_dir: Folder of prepared stores; `stores` in `folder` if null.
        protocol: `strict` chooses everything on validation data; `paper` repeats the paper's, which chooses
            the epoch on test data, and is marked so; `fm_benchmark` is that of ecg-fm-benchmarking, with
            crops, and everything chosen on validation data.
        upstreams: For each its settings (`data`, and what else differs from `settings`), by which the study
            trains it; or a file: `checkpoint: best.ckpt`, or `published: ecgfounder` with `weights: FILE`. A
            file brings its network and the signals that it takes, and what else is said of it is laid over
            the runs that start from it and their partners from scratch. Relative paths begin in the working
            folder. With `allow_overlap: true` runs go on where it was trained on records of the downstream,
            and every result of theirs is marked. Or `pretraining`, for one that the study pre-trains without
            labels: see `ecg_tl.study.design.pretraining`.
        downstreams: For each its settings. One of the same name as an upstream is no pair with it.
        networks: For each its settings (`model`).
        arms: What is compared. One must have neither `transfer` nor a control: scratch.
        axes: Further settings that vary: for each axis, for each value, what it lays over a run and over its
            upstream. The first value of each is the default.
        settings: Of every run.
        upstream_settings: Of upstream runs, over `settings`.
        downstream_settings: Of downstream runs, over `settings`.
        size_settings: Of downstream runs of a training size (`"100"`), over all others: a small set that is
            trained for as many epochs as a large one is trained for fewer steps.
        seeds: Of downstream trainings; the same in all arms, which pairs them.
        splits: Divisions of the downstreams' patients. The first is the dataset's own; each further one is
            drawn anew by patient, in the same fractions, and all runs are done on it as well.
        folds: Divide each downstream's patients into so many folds in place of `splits`, and do all runs on
            each: every patient is tested once. Three at least; 0 for none.
        tuned: Axes (of learning rates, say) whose value each arm chooses by its validation scores. Every arm
            is run with all of their values, and so has the same budget; upstreams are trained without them.
        upstream_seed: Of upstream trainings.
        upstream_seeds: Of several trainings of each upstream, in place of `upstream_seed`: downstream
            trainings start from them in turn, so that they cost their own training and no more.
        grid: Which combinations are run, together; if empty, every one, with all training records.
        second_opinion: Whether to add, for each pair and network at the default of all axes, a scratch and a
            fine-tuned run of the first seed on the paper's split by record, chosen on test data, so that the
            report can say what these would have claimed. Only under `strict`.
        primary_arm: The arm that claims are tested on; the first pretrained one if null.
        margin: Difference in macro AUROC that does not matter. Arms that are shown to differ by less are
            equivalent, and not called better or worse.
        watts: Power that a device draws while a run uses it: a core of the processor, or a GPU. With it the
            report says what the runs took in kWh; null says nothing.
        kwh_price: Of a kWh, for the cost in `currency`; null for none.
        currency: Name of it, as the report writes it.
        keep: Whose checkpoints stay when a run is finished: those of `upstreams`, or the `best` one of each
            run.
    """

    name: str
    folder: str
    data_root: str = "."
    store_dir: str | None = None
    title: str = "Should I fine-tune, or train from scratch?"
    protocol: Protocol = "strict"
    upstreams: dict[str, Overlay] = field(default_factory=dict)
    downstreams: dict[str, Overlay] = field(default_factory=dict)
    networks: dict[str, Overlay] = field(default_factory=dict)
    arms: dict[str, Arm] = field(default_factory=dict)
    axes: dict[str, dict[str, Overlay]] = field(default_factory=dict)
    settings: Overlay = field(default_factory=dict)
    upstream_settings: Overlay = field(default_factory=dict)
    downstream_settings: Overlay = field(default_factory=dict)
    size_settings: dict[str, Overlay] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    splits: int = 1
    folds: int = 0
    tuned: tuple[str, ...] = ()
    upstream_seed: int = 0
    upstream_seeds: tuple[int, ...] = ()
    grid: tuple[Block, ...] = ()
    second_opinion: bool = True
    primary_arm: str | None = None
    margin: float = 0.01
    watts: float | None = None
    kwh_price: float | None = None
    currency: str = "EUR"
    keep: Keep = "upstreams"

    @property
    def divisions(self) -> int:
        """Of each downstream's patients: folds, or splits."""
        return self.folds or self.splits


FILE_KEYS = ("checkpoint", "published", "weights")
"""Of an upstream that is a file: a checkpoint of this project, or a published upstream and its weights."""


ALLOW_OVERLAP = "allow_overlap"
"""Of an upstream: whether runs go on where it was trained on records of the downstream; they are marked."""


def config_of(upstream: Overlay) -> Overlay:
    """Return what is said of an upstream for the configs of runs, without what says what it is."""
    apart = (*FILE_KEYS, ALLOW_OVERLAP) if is_a_file(upstream) else (ALLOW_OVERLAP,)
    return {key: value for key, value in upstream.items() if key not in apart}


def is_a_file(upstream: Overlay) -> bool:
    """Say whether an upstream is a file; `checkpoint` may also be the section of a config."""
    is_path = not isinstance(upstream.get("checkpoint", {}), dict)
    return is_path or "published" in upstream or "weights" in upstream


def read_study(path: str | Path, overrides: Sequence[str] = ()) -> StudySettings:
    """Read a study's YAML.

    Args:
        path: The file, or the name of a study that is shipped (`paper`).
        overrides: Settings that take the place of the file's, as words of a command line: `--seeds [0,1]`, or
            one value inside of a part of a config: `--settings.trainer.max_epochs 3`.

    Raises:
        SettingError: If the file cannot be read, or a key or value is not one that a study has.
    """
    file = find_config(path, (STUDIES,))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(StudySettings)
    try:
        words, inner = _apart(overrides)
        with parsing_limits():
            parsed = parser.parse_args(["--config", str(file), *words]).as_dict()
    except UnicodeDecodeError as error:
        raise SettingError(file, str(error), "text in UTF-8", "Name another file.") from error
    except (ArgumentError, ValueError) as error:
        raise _refusal(file, overrides, str(error)) from error
    for name in sorted(_never_null(StudySettings)):
        _require_given(file, name, parsed[name])
    for name, kind, values in (
        *((f"arms.{arm}", Arm, value) for arm, value in parsed["arms"].items()),
        *((f"grid.{number}", Block, value) for number, value in enumerate(parsed["grid"])),
    ):
        _require_given(file, name, values)
        for key in sorted(_never_null(kind)):
            _require_given(file, f"{name}.{key}", values.get(key, ""))
    for section in ("upstreams", "downstreams"):
        for name, overlay in parsed[section].items():
            if isinstance(overlay, dict) and isinstance(overlay.get("data"), str):
                overlay["data"] = _data_of(file, f"{section}.{name}.data", overlay["data"])
    parsed, earlier = present_config(parsed)
    if earlier:
        printing.say(remark(earlier), error=True)
    # Made here, not by the parser: it would make an object of every `class_path` in a part of a config.
    parsed |= {
        "arms": {name: Arm(**arm) for name, arm in parsed["arms"].items()},
        "grid": tuple(Block(**block) for block in parsed["grid"]),
    }
    settings = StudySettings(**{field.name: parsed[field.name] for field in fields(StudySettings)})
    for (name, *inside), value in inner:
        settings = replace(settings, **{name: _with(getattr(settings, name), inside, value)})
    for name, overlay in _overlays(settings):
        _require_sections(file, name, overlay)
    for name, overlay in settings.upstreams.items():
        allowed = overlay.get(ALLOW_OVERLAP, False)
        if not isinstance(allowed, bool):
            raise SettingError(
                file, f"{shown(allowed)} as upstreams.{name}.{ALLOW_OVERLAP}", "true or false", "Correct it."
            )
    return settings


def _data_of(file: Path, where: str, named: str) -> dict[str, Any]:
    """Return the data of a config that is named, as `ecg-tl data init` writes one.

    Args:
        file: The study's; a relative path is looked for beside it first.
        where: In the study.
        named: Path of the config.

    Raises:
        SettingError: If there is none, or it has no `data`.
    """
    path = next((one for one in (file.parent / named, Path(named)) if one.is_file()), Path(named))
    try:
        content = load_yaml(read_regular(path).decode("utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise SettingError(
            f"{file}: {where}", f"{named} ({reason})", "a config with `data`", "Name another file."
        ) from error
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict) or "class_path" not in data:
        raise SettingError(
            f"{file}: {where}", f"{named} without `data.class_path`", "a config of data", "Name another file."
        )
    return data


def _examples() -> str:
    names = ", ".join(config_names(STUDIES))
    return f"Correct it; the shipped studies ({names}) are examples, in {config_folder() / STUDIES}."


def _never_null(kind: type[StudySettings | Arm | Block]) -> set[str]:
    # The parser takes null for a value of any type.
    return {one.name for one in fields(kind) if "None" not in str(one.type)}


def _require_given(file: Path, name: str, value: object) -> None:
    if value is None:
        raise SettingError(file, f"null as {name}", "a value, or no such key", "Correct it or leave it out.")


def _overlays(settings: StudySettings) -> Iterator[tuple[str, Any]]:
    """Yield each part of a config with where it is."""
    for name in ("settings", "upstream_settings", "downstream_settings"):
        yield name, getattr(settings, name)
    for name in ("size_settings", "upstreams", "downstreams", "networks"):
        for key, overlay in getattr(settings, name).items():
            if name == "upstreams" and "pretraining" in overlay:
                continue  # of another form, and checked as such
            if name == "upstreams" and isinstance(overlay, dict):
                overlay = config_of(overlay)
            yield f"{name}.{key}", overlay
    axes: dict[str, Any] = settings.axes  # null is taken by the parser for a value of any type
    for axis, values in axes.items():
        if not isinstance(values, dict):
            yield f"axes.{axis}", values
            continue
        for value, overlay in values.items():
            yield f"axes.{axis}.{value}", overlay
    for arm, how in settings.arms.items():
        yield f"arms.{arm}.settings", how.settings


def _require_sections(file: Path, name: str, overlay: Any) -> None:
    """Refuse a part of a config whose sections are no mappings: laid over others, it would replace them."""
    parts = [(name, overlay)]
    if isinstance(overlay, dict):
        parts += [(f"{name}.{section}", overlay[section]) for section in _SECTIONS if section in overlay]
    parts += [
        (f"{where}.init_args", part["init_args"])
        for where, part in parts[1:]
        if isinstance(part, dict) and "init_args" in part
    ]
    for where, part in parts:
        if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
            raise SettingError(
                file,
                f"{shown(part)} as {where}",
                "keys and values of a config, such as `trainer: {max_epochs: 3}`",
                _examples(),
            )
        if not isinstance(part.get("root", ""), str | None):
            raise SettingError(
                file, f"{shown(part['root'])} as {where}.root", "a folder's name", "Correct it."
            )


def _apart(overrides: Sequence[str]) -> tuple[list[str], list[tuple[list[str], Any]]]:
    """Take `--settings.trainer.max_epochs 3` out of the words, which the parser would read as text."""
    words: list[str] = []
    inner: list[tuple[list[str], Any]] = []
    rest = iter(overrides)
    for word in rest:
        option, equals, value = word.partition("=")
        path = option.removeprefix("--").split(".")
        if not option.startswith("--") or len(path) < 2 or path[0] not in OVERLAYS:
            words.append(word)
            continue
        text = value if equals else next(rest, None)
        if text is None:
            raise ValueError(f"no value behind {option}")
        try:
            inner.append((path, get_loader("yaml")(text)))
        except YAMLError as error:
            raise ValueError(f"{text!r} behind {option}, which is no YAML") from error
    return words, inner


def _with(content: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    below = content if isinstance(content, dict) else {}
    return {**below, path[0]: _with(below.get(path[0]), path[1:], value)}


def _refusal(file: Path, overrides: Sequence[str], message: str) -> SettingError:
    fault = short_message(message)
    unknown = "not accepted" in fault or "unrecognized" in fault
    nearest = hint(fault, (StudySettings, Block, Arm)) if unknown else ""
    overridden = any(word.split("=")[0].lstrip("-").split(".")[0] in fault for word in overrides)
    return SettingError(
        "command line" if overridden else file,
        fault,
        f"keys and values of a study{nearest}",
        _examples(),
    )
