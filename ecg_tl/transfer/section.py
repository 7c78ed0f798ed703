"""The settings `transfer`: what a training starts from, wherever else its callbacks are listed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from ecg_tl.errors import SettingError
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.words import EARLIER, GROUP_OF, GROUPS, TRANSFER, flat, is_transfer, name_now

RENAMED = (
    "The upstream is now a setting of its own: `transfer:` in a config, `--transfer.upstream` as a flag. "
    "TransferLearning in `trainer.callbacks` still works."
)
_FLAG = "--trainer.callbacks."
_ADD = ("--trainer.callbacks+", "--trainer.callbacks")
_SETTING = "--transfer."


def start_from(upstream: str | None = None, **kwargs: Any) -> TransferLearning:
    """Make the callback that starts a training from an upstream.

    Args:
        upstream: A checkpoint of this project, or any file of weights (`.ckpt`, `.pt`, `.safetensors`); null
            for a network that stays as initialised. With null and nothing else set there is no transfer. With
            `weights`, the name of a published upstream.
        **kwargs: Those of `TransferLearning`.
    """
    return TransferLearning(upstream, **kwargs)


def defaults() -> dict[str, Any]:
    """Return the settings of `transfer` that mean none, in primitives."""
    parameters = inspect.signature(TransferLearning.__init__).parameters
    found = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in ("self", "upstream") and parameter.kind is not parameter.VAR_KEYWORD
    }
    return {"upstream": None, **{name: in_primitives(value) for name, value in found.items()}}


def in_primitives(value: Any) -> Any:
    """Give a setting as YAML has it: groups as tables."""
    if is_dataclass(value) and not isinstance(value, type):
        return in_primitives(asdict(value))
    if hasattr(value, "as_dict"):  # the parser's namespaces
        return in_primitives(value.as_dict())
    if isinstance(value, Mapping):
        return {name: in_primitives(inner) for name, inner in value.items()}
    return [in_primitives(inner) for inner in value] if isinstance(value, list) else value


def is_asked_for(settings: Mapping[str, Any]) -> bool:
    """Say whether any setting is another than that of no transfer."""
    given, known = flat(in_primitives(settings)), flat(defaults())
    return any(given.get(name, default) != default for name, default in known.items())


def join_settings(
    callbacks: Iterable[Mapping[str, Any]], settings: Mapping[str, Any], named: Iterable[str]
) -> dict[str, Any]:
    """Join the settings `transfer` with the callback's in `trainer.callbacks`, where it was once listed.

    Args:
        callbacks: The `init_args` of each `TransferLearning` in the list.
        settings: Of `transfer`.
        named: Those of them that the command line names, without their groups, which are above all others.

    Raises:
        SettingError: If there is more than one callback.
    """
    listed = list(callbacks)
    if len(listed) > 1:
        raise SettingError(
            "trainer.callbacks",
            f"{len(listed)} times {TRANSFER}",
            "one upstream to start from",
            "Keep one, as `transfer:` in the config.",
        )
    own, named, known = flat(in_primitives(settings)), set(named), flat(defaults())
    above = {name: value for name, value in own.items() if name in named or value != known.get(name)}
    together = {**own, **(flat(in_primitives(listed[0])) if listed else {}), **above}
    grouped: dict[str, Any] = {}
    for name, value in together.items():
        if name in GROUP_OF:
            grouped.setdefault(GROUP_OF[name], {})[name] = value
        else:
            grouped[name] = value
    return grouped


def renamed(words: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    """Address `transfer` with flags of earlier versions.

    `--trainer.callbacks.upstream X` becomes `--transfer.upstream X`, whichever callback is the last of the
    list; `--trainer.callbacks+ TransferLearning` is left out, since the flags that follow it say enough.
    `--transfer.schedule X` becomes `--transfer.recipe X`, and `--transfer.head X` `--transfer.match.head X`.

    Args:
        words: Of the command line.

    Returns:
        The words; whether any addressed the list of callbacks; the earlier names of settings among them.
    """
    settings = {*defaults(), *EARLIER}
    changed: list[str] = []
    earlier: list[str] = []
    in_list = False
    rest = list(words)
    of_another = False  # flags belong to another callback, which the words have just added
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in _ADD:
            given = value if equals else (rest[0] if rest else "")
            of_another = not is_transfer(given)
            if not of_another and not given.lstrip().startswith(("{", "[")):
                in_list = True
                if not equals:
                    rest.pop(0)
                continue
        name = option.removeprefix(_FLAG).removeprefix("init_args.")
        if option.startswith(_FLAG) and name.partition(".")[0] in settings and not of_another:
            in_list = True
            option = f"{_SETTING}{name}"
        if option.startswith(_SETTING):
            first, dot, inner = option.removeprefix(_SETTING).partition(".")
            if first in EARLIER:
                earlier.append(first)
                option = f"{_SETTING}{name_now(first)}{dot}{inner}"
        changed.append(f"{option}{equals}{value}")
    return changed, in_list, earlier


def named_in(words: Sequence[str]) -> set[str]:
    """Return the settings of `transfer` that flags name, without their groups."""
    found: set[str] = set()
    for word in words:
        if not word.startswith(_SETTING):
            continue
        first, _, inner = word.partition("=")[0].removeprefix(_SETTING).partition(".")
        if first not in GROUPS:
            found.add(first)
        elif inner:
            found.add(inner.partition(".")[0])
        else:  # the whole group at once
            found |= {one.name for one in fields(GROUPS[first])}
    return found
