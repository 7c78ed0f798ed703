"""What a config may name: classes of this project, Lightning and PyTorch that a training takes.

A config is code otherwise: the parser of the command line imports what a `class_path` or a callable names,
and calls it. Whoever trusts the author of a config says `--trust_config`; nothing in a file can say it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from jsonargparse import ArgumentError, set_parsing_settings
from jsonargparse._common import parsing_settings  # there is no public way back to what was set before

from ecg_tl.errors import SettingError

TRUST_OPTION = "--trust_config"

PACKAGES = ("ecg_tl", "lightning", "pytorch_lightning", "torch")

_NOT_THESE = (
    "ecg_tl.__main__",
    "lightning.__main__",
    "lightning.app",
    "torch.hub",
    "torch.utils.cpp_extension",
)
"""Importing these by itself does something."""

_KINDS = (
    *("LightningModule", "LightningDataModule", "Callback", "Logger", "Strategy", "Profiler", "Accelerator"),
    *("Precision", "ClusterEnvironment", "CheckpointIO", "LayerSync"),
)
"""Names of the base classes of what a config can ask for: the model, the data, and parts of the trainer."""

_DENIED = re.compile(r"Importing '([^']*)' is not allowed")
_RULES = ("import_path_verdicts", "import_paths_enforced", "instantiate_subclass_spec_in_any")

_trusted = False


def config_is_trusted() -> bool:
    """Whether the configs of this process may name anything."""
    return _trusted


@contextmanager
def config_trust(trusted: bool) -> Iterator[None]:
    """Trust the configs that are parsed inside, or not."""
    global _trusted
    before, _trusted = _trusted, trusted
    try:
        yield
    finally:
        _trusted = before


def without_trust_option(words: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--trust_config` out of a command line: it is applied before anything is parsed."""
    return [word for word in words if word != TRUST_OPTION], TRUST_OPTION in words


@contextmanager
def parsing_limits() -> Iterator[None]:
    """Let the parser import nothing from outside of `PACKAGES`, unless the config is trusted.

    Raises:
        SettingError: If a value names something else.
    """
    before = {name: parsing_settings[name] for name in _RULES}
    if _trusted:
        parsing_settings.update(import_path_verdicts={}, import_paths_enforced=False)
    else:
        set_parsing_settings(
            import_path_denylist=["*", *_NOT_THESE],
            import_path_allowlist=list(PACKAGES),
            instantiate_subclass_spec_in_any=False,
        )
    try:
        yield
    except (ArgumentError, ValueError) as error:
        denied = _DENIED.search(str(error))
        if denied is None or _trusted:
            raise
        raise untrusted("config", f"`{denied[1]}`") from error
    finally:
        parsing_settings.update(before)


class UntrustedConfigError(SettingError):
    """A config that names something which only a trusted one may."""


def untrusted(where: object, found: str) -> UntrustedConfigError:
    """Say that a config names something that it may not."""
    return UntrustedConfigError(
        where,
        found,
        f"a class of {', '.join(PACKAGES[:2])} or {PACKAGES[-1]} for a model, data or a part of the trainer, "
        "and no function: nothing else is imported or called",
        f"If you trust whoever wrote the config, add `{TRUST_OPTION}`.",
    )


def require_known_kinds(config: Any, where: str = "config") -> None:
    """Refuse a parsed config that would call a function, or make an object that no training takes.

    The parser accepts a function that returns what is asked for, and an object that can be called for a
    callable; neither is needed.

    Args:
        config: As parsed, before any object is made.
        where: What it is called in errors.

    Raises:
        SettingError: Names the setting and the class or function.
    """
    if _trusted:
        return
    for key, value in _leaves(config, where):
        if key.endswith("class_path") and isinstance(value, str):
            if not _is_known(_imported(value)):
                raise untrusted(key, f"`{value}`")
        elif callable(value) and not isinstance(value, os.PathLike):  # the parser's paths can be called
            raise untrusted(key, f"the function `{getattr(value, '__name__', type(value).__name__)}`")


def _leaves(config: Any, where: str) -> Iterator[tuple[str, Any]]:
    content = vars(config) if hasattr(config, "__dict__") and not callable(config) else config
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, f"{where}.{name}")
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _leaves(value, where)
    else:
        yield where, content


def _imported(path: str) -> object:
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except ImportError:  # a class within a class; no training takes one
        return None


def _is_known(named: object) -> bool:
    if not isinstance(named, type):
        return False
    if dataclasses.is_dataclass(named):
        return named.__module__.partition(".")[0] == "ecg_tl"
    return any(base.__name__ in _KINDS and base.__module__.startswith("lightning") for base in named.__mro__)
