"""The settings that a checkpoint keeps of its task: read from a file that anybody may have written.

Lightning's `load_from_checkpoint` gives them to a parser that makes an object of every `class_path` it meets,
and so calls whatever a file names. Here they are primitives, checked against the types that the task's
`__init__` declares, and given to the task itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any, get_type_hints

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import (
    CLASSES,
    HIDDEN_SIZE,
    LEADS,
    NETWORK_SAMPLES,
    NUM_LAYERS,
    Limit,
    fits_type,
    in_words,
    require_tree,
    shown,
)
from ecg_tl.models import NETWORKS, require_options

LIGHTNINGS_OWN = ("_class_path", "_instantiator")
"""What LightningCLI writes beside a task's settings; only the name of the class is looked at."""

PRETRAINING = "pretraining"
"""A setting of checkpoints of a pre-training without labels: its method. They hold no task."""

_MAKES_OBJECTS = ("class_path", "init_args", "dict_kwargs")
"""Keys by which the parser of the command line knows what it should make."""

_TASKS: dict[str, type] = {}
"""The classes that a checkpoint may be of, by name: those that declared themselves."""

_FACES = {"cnn": "CnnClassifier", "rnn": "RnnClassifier"}
"""By a network's family: the classes that there were before a task took any network."""

_LIMITS: dict[str, Limit] = {
    "num_classes": CLASSES,
    "num_leads": LEADS,
    "num_samples": NETWORK_SAMPLES,
    "hidden_size": HIDDEN_SIZE,
    "num_layers": NUM_LAYERS,
}

# A number among a network's options: of layers, of channels, of samples. No network has more of anything.
_OPTION = Limit("number", -NETWORK_SAMPLES.highest, NETWORK_SAMPLES.highest)
MOST_IN_A_LIST = 256


def declare_task(task: type) -> None:
    """Let checkpoints be of a class: its `__init__` declares what their settings may be."""
    _TASKS[task.__name__] = task


def task_class(hyperparameters: Mapping[str, Any]) -> type | None:
    """Find the class by its name, which the command line leaves in a checkpoint, or else by the network's."""
    if PRETRAINING in hyperparameters:
        return None
    named = _TASKS.get(str(hyperparameters.get("_class_path")).rpartition(".")[2])
    entry = NETWORKS.get(str(hyperparameters.get("network")))
    if named is not None or entry is None:
        return named
    takes_any = "network_options" in hyperparameters or entry.family not in _FACES
    return _TASKS.get("EcgClassifier" if takes_any else _FACES[entry.family])


def require_task(hyperparameters: Mapping[str, Any], where: object) -> None:
    """Refuse a checkpoint of a pre-training where one is asked for that knows classes.

    Args:
        hyperparameters: A checkpoint's.
        where: The checkpoint.

    Raises:
        CheckpointError: If it is one.
    """
    if PRETRAINING in hyperparameters:
        raise CheckpointError(
            where,
            f"a network that was pre-trained without labels ({shown(hyperparameters[PRETRAINING])})",
            "one that was trained on classes",
            f"Fine-tune it first: `ecg-tl fit ... --transfer.upstream {where}`.",
        )


def require_stored_settings(hyperparameters: object, where: object) -> None:
    """Refuse settings that no fit of this project writes; those of classes that are not imported, if plain.

    Args:
        hyperparameters: A checkpoint's `hyper_parameters`.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: Names the setting.
    """
    if not isinstance(hyperparameters, Mapping):
        raise CheckpointError(
            where,
            f"hyper_parameters that are a {type(hyperparameters).__name__}",
            "a table",
            "Give an intact checkpoint.",
        )
    require_plain(hyperparameters, where)
    task = task_class(hyperparameters)
    if task is not None:
        declared_settings(task, hyperparameters, where)


def require_plain(settings: Mapping[str, Any], where: object) -> None:
    """Refuse settings that hold anything but primitives, or that ask for an object to be made.

    Args:
        settings: A checkpoint's `hyper_parameters`.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: Names the first setting that is not plain.
    """
    require_tree(settings, where, CheckpointError)
    for name, value in settings.items():
        # `_class_path` is a name, and nothing else.
        if not (isinstance(value, str) if name in LIGHTNINGS_OWN else _is_plain(value)):
            raise _not_declared(where, name, value, "numbers, names, and lists and tables of them")


def declared_settings(task: type, settings: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return what a task is made from, after checking each setting against its declared type.

    Args:
        task: The class.
        settings: A checkpoint's `hyper_parameters`.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: If a setting is not one of the task's, is of another type than declared, or beyond
            what an ECG or a network can be.
    """
    require_plain(settings, where)
    schema = _schema(task)
    kept = {name: value for name, value in settings.items() if name not in LIGHTNINGS_OWN}
    for name, value in kept.items():
        if name not in schema:
            known = ", ".join(schema)
            raise _not_declared(where, name, value, f"the settings of {task.__name__}: {known}")
        if not fits_type(value, schema[name]):
            raise _not_declared(where, name, value, in_words(schema[name]))
        if name in _LIMITS and not _LIMITS[name].holds(value):
            raise _not_declared(where, name, value, str(_LIMITS[name]))
    _require_options(kept, where)
    return kept


def _require_options(settings: Mapping[str, Any], where: object) -> None:
    """Check the options of a network, which are a table among the settings, as settings are checked."""
    options = settings.get("network_options") or {}
    for name, value in options.items():
        limit = _LIMITS.get(name, _OPTION)
        numbers = value if isinstance(value, list | tuple) else [value]
        beyond = [one for one in numbers if isinstance(one, int | float) and not limit.holds(float(one))]
        if len(numbers) > MOST_IN_A_LIST or beyond:
            raise _not_declared(where, name, value, f"{limit}, or at most {MOST_IN_A_LIST} of them")
    try:
        if options:
            require_options(str(settings.get("network")), options)
    except SettingError as error:
        raise CheckpointError(where, f"{error.where}: {error.found}", error.expected, error.remedy) from error


def _schema(task: type) -> dict[str, Any]:
    """Return the declared type of each setting; a class hands `**kwargs` to the class above it."""
    schema: dict[str, Any] = {}
    for owner in task.__mro__:
        init = vars(owner).get("__init__")
        if init is None:
            continue
        hints = get_type_hints(init)
        parameters = [*signature(init).parameters.values()][1:]
        named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        for one in parameters:
            if one.kind in named:
                schema.setdefault(one.name, hints.get(one.name, Any))
        if not any(one.kind is Parameter.VAR_KEYWORD for one in parameters):
            break
    return schema


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        named = all(isinstance(name, str) and name not in _MAKES_OBJECTS for name in value)
        return named and all(_is_plain(one) for one in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    return value is None or type(value) in (bool, int, float, str)


def _not_declared(where: object, name: object, value: object, expected: str) -> CheckpointError:
    called = name if isinstance(name, str) and name.isidentifier() else shown(name)
    return CheckpointError(
        where,
        f"{called} {shown(value, 100)} in its settings",
        expected,
        "Nothing of it was executed. Give an intact checkpoint, written by a fit of ecg_tl.",
    )
