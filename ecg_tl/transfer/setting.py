"""The settings `transfer`: what a training starts from, wherever else its callbacks are listed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecg_tl.errors import SettingError
from ecg_tl.transfer.callback import TransferLearning

TRANSFER = "TransferLearning"
RENAMED = (
    "The upstream is now a setting of its own: `transfer:` in a config, `--transfer.upstream` as a flag. "
    "TransferLearning in `trainer.callbacks` still works."
)
_FLAG = "--trainer.callbacks."
_ADD = ("--trainer.callbacks+", "--trainer.callbacks")


def start_from(upstream: str | None = None, **kwargs: Any) -> TransferLearning:
    """Make the callback that starts a training from an upstream.

    Args:
        upstream: A checkpoint of this project, or any file of weights (`.ckpt`, `.pt`, `.safetensors`); null
            for a network that stays as initialised. With null and nothing else set there is no transfer.
        **kwargs: Those of `TransferLearning`.
    """
    return TransferLearning(upstream, **kwargs)


def defaults() -> dict[str, Any]:
    """Return the settings of `transfer` that mean none."""
    parameters = inspect.signature(TransferLearning.__init__).parameters
    found = {
        name: parameter.default for name, parameter in parameters.items() if name not in ("self", "upstream")
    }
    return {"upstream": None, **found}


def is_asked_for(settings: Mapping[str, Any]) -> bool:
    """Say whether any setting is another than that of no transfer."""
    return any(settings.get(name, default) != default for name, default in defaults().items())


def is_transfer(class_path: object) -> bool:
    """Say whether a class path in a list of callbacks names the transfer callback."""
    return str(class_path).rpartition(".")[2] == TRANSFER


def joined(
    callbacks: Iterable[Mapping[str, Any]], settings: Mapping[str, Any], named: Iterable[str]
) -> dict[str, Any]:
    """Join the settings `transfer` with the callback's in `trainer.callbacks`, where it was once listed.

    Args:
        callbacks: The `init_args` of each `TransferLearning` in the list.
        settings: Of `transfer`.
        named: Those of them that the command line names, which are above all others.

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
    own, named = dict(settings), set(named)
    known = defaults()
    above = {name: value for name, value in own.items() if name in named or value != known.get(name)}
    return {**own, **(dict(listed[0]) if listed else {}), **above}


def renamed(words: Sequence[str]) -> tuple[list[str], bool]:
    """Address `transfer` with the flags that earlier addressed the callback at the end of a list.

    `--trainer.callbacks.upstream X` becomes `--transfer.upstream X`, whichever callback is the last of the
    list; `--trainer.callbacks+ TransferLearning` is left out, since the flags that follow it say enough.

    Args:
        words: Of the command line.

    Returns:
        The words, and whether any was renamed.
    """
    settings = set(defaults())
    changed: list[str] = []
    rest = list(words)
    of_another = False  # flags belong to another callback, which the words have just added
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in _ADD:
            given = value if equals else (rest[0] if rest else "")
            of_another = not is_transfer(given)
            if not of_another and not given.lstrip().startswith(("{", "[")):
                if not equals:
                    rest.pop(0)
                continue
        name = option.removeprefix(_FLAG).removeprefix("init_args.")
        if option.startswith(_FLAG) and name.partition(".")[0] in settings and not of_another:
            word = f"--transfer.{name}{equals}{value}"
        changed.append(word)
    return changed, changed != list(words)


def named_in(words: Sequence[str]) -> set[str]:
    """Return the settings of `transfer` that flags name."""
    options = [word.partition("=")[0] for word in words]
    return {
        option.removeprefix("--transfer.").partition(".")[0]
        for option in options
        if option.startswith("--transfer.")
    }
