"""The names of a transfer's settings: those of now, and those that earlier versions had for them.

Earlier, all settings were side by side, and the recipe's was `schedule`, which now is the learning rate's
alone. Configs, study's arms, flags and calls with these names are understood, with a remark. Nothing here
imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ecg_tl.errors import SettingError
from ecg_tl.transfer.groups import ForeignFile, Matching, Training

TRANSFER = "TransferLearning"

GROUPS: dict[str, type[Any]] = {"file": ForeignFile, "match": Matching, "train": Training}

GROUP_OF = {one.name: group for group, kind in GROUPS.items() for one in fields(kind)}
"""Of each setting that is in a group, which."""

_NOW = {"schedule": "recipe"}

EARLIER = (*_NOW, *GROUP_OF)
"""Names that a setting had when all were side by side, and has no more."""


def name_now(name: str) -> str:
    """Return a setting's name of now, with its group: `recipe`, `match.head`."""
    name = _NOW.get(name, name)
    return f"{GROUP_OF[name]}.{name}" if name in GROUP_OF else name


def is_transfer(class_path: object) -> bool:
    """Say whether a class path in a list of callbacks names the transfer callback."""
    return str(class_path).rpartition(".")[2] == TRANSFER


def present(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings the names of now.

    Raises:
        SettingError: If a setting is there under both of its names.
    """
    found = {name: value for name, value in settings.items() if name not in EARLIER}
    for name in (one for one in settings if one in EARLIER):
        group, _, last = name_now(name).rpartition(".")
        inner = (found.get(group) or {}) if group else found
        if not isinstance(inner, Mapping):
            continue  # the parser says what is wrong with a group that is none
        if last in inner:
            both = f"both `{name}` and `{name_now(name)}`"
            raise SettingError("transfer", both, "one of them", f"Remove `{name}`, the earlier name.")
        if group:
            found[group] = {**inner, last: settings[name]}
        else:
            found[last] = settings[name]
    return found


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings side by side: each by its own name, without its group."""
    found: dict[str, Any] = {}
    for name, value in present(settings).items():
        if name in GROUPS and isinstance(value, Mapping):
            found |= value
        else:
            found[name] = value
    return found


def first_form(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings the names that they had first, which are part of the ids of a study's runs."""
    first = {now: name for name, now in _NOW.items()}
    return {first.get(name, name): value for name, value in flat(settings).items()}


def earlier_names(settings: Mapping[str, Any]) -> list[str]:
    """List the names among settings that are not those of now."""
    return [name for name in settings if name in EARLIER]


def remark(names: list[str]) -> str:
    """Say what settings are called now."""
    now = ", ".join(f"`{name}` is `{name_now(name)}`" for name in dict.fromkeys(names))
    return f"Settings of `transfer` have other names now: {now}. The earlier ones still work."


# In whole configs ---------------------------------------------------------------------------------------


def present_config(config: Any) -> tuple[Any, list[str]]:
    """Give a transfer's settings the names of now, wherever they are in a config of a training or a study.

    Args:
        config: What was read; left as it is.

    Returns:
        The config, and the earlier names that were in it.
    """
    found: list[str] = []

    def now(settings: Any) -> Any:
        if not isinstance(settings, Mapping):
            return settings
        found.extend(earlier_names(settings))
        return present(settings)

    return _changed(config, now), found


def first_form_of_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give a transfer's settings the names that they had first, in a run's config."""
    changed: dict[str, Any] = _changed(config, first_form)
    return changed


def _changed(config: Any, change: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    result = dict(config)
    if "transfer" in result:
        result["transfer"] = change(result["transfer"])
    if isinstance(result.get("trainer"), Mapping):
        trainer = dict(result["trainer"])
        for key in ("callbacks", "callbacks+"):
            if key in trainer:
                trainer[key] = _in_callbacks(trainer[key], change)
        result["trainer"] = trainer
    if isinstance(result.get("arms"), Mapping):
        result["arms"] = {name: _changed(arm, change) for name, arm in result["arms"].items()}
    for key in ("fit", "settings", "downstream_settings"):
        if isinstance(result.get(key), Mapping):
            result[key] = _changed(result[key], change)
    return result


def _in_callbacks(callbacks: Any, change: Any) -> Any:
    if isinstance(callbacks, list):
        return [_in_callbacks(one, change) for one in callbacks]
    if (
        isinstance(callbacks, Mapping)
        and is_transfer(callbacks.get("class_path"))
        and isinstance(callbacks.get("init_args"), Mapping)
    ):
        return {**callbacks, "init_args": change(callbacks["init_args"])}
    return callbacks
