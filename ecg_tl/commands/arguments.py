"""What is wrong with a command line or a config file, in one line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError

from ecg_tl.errors import SettingError
from ecg_tl.limits import shown
from ecg_tl.parsing import hint, load_yaml, own_error, quoted_names, short_message
from ecg_tl.trust import UntrustedConfigError

SECTIONS = ("trainer", "checkpoint", "pictures", "curves", "speed", "transfer")
"""Of a config of `fit`: settings by name, whatever class they are of."""

_KEY = re.compile(r'"([\w.]+)"')


def with_bare_flags(words: Sequence[str], functions: Iterable[Callable[..., Any]]) -> list[str]:
    """Let `--quick` alone mean `--quick true`, wherever a parameter of that name is true or false.

    Args:
        words: Of a command line.
        functions: Whose parameters are its flags.
    """
    kinds: dict[str, set[bool]] = {}
    for function in functions:
        for name, parameter in inspect.signature(function).parameters.items():
            kinds.setdefault(f"--{name}", set()).add(parameter.annotation in (bool, "bool"))
    flags = {flag for flag, are_bool in kinds.items() if are_bool == {True}}
    completed: list[str] = []
    for word, following in pairwise([*words, ""]):
        completed.append(word)
        if word in flags and (not following or following.startswith("--")):
            completed.append("true")
    return completed


@contextmanager
def argument_errors(
    command: str, words: Sequence[str], owners: Iterable[Callable[..., Any]], keys: Iterable[str] = ()
) -> Iterator[None]:
    """Turn an error of the parser into a `SettingError` that names the config file or the word.

    Args:
        command: What `--help` can be asked of.
        words: Its arguments.
        owners: Classes and functions whose parameters are the keys that exist, for a hint.
        keys: Further keys.
    """
    for config in _configs(words):
        _require_sections(config)
    try:
        yield
    except UntrustedConfigError as error:
        named = re.findall(r"`([\w.]+)`", error.found)
        where = _where(words, " ".join(f"'{name}'" for name in named))
        raise UntrustedConfigError(where, error.found, error.expected, error.remedy) from error
    except ValueError as error:
        # jsonargparse wraps what a class or its settings say while it makes them.
        own = own_error(error)
        if own is None:
            raise
        raise own from error
    except ArgumentError as error:
        own = own_error(error)
        if own is not None:
            raise own from error
        fault = short_message(str(error))
        raise SettingError(
            _where(words, fault),
            fault,
            "keys and values that the command knows" + hint(fault, owners, keys),
            f"Correct it; `ecg-tl {command} --help` lists them.",
        ) from error
    except Exception as error:
        # By its name: most commands do without Lightning, which takes seconds to import.
        if type(error).__name__ != "MisconfigurationException":
            raise
        fault = short_message(str(error))
        raise SettingError(
            _flag_in(words, fault) or _where(words, fault),
            fault,
            "settings that Lightning's Trainer takes",
            f"Correct them; `ecg-tl {command} --help` lists them.",
        ) from error


def path_argument(name: str, value: str) -> Path:
    """Return a path as a user gave it.

    Raises:
        SettingError: If it is empty, which would be the folder that the user is in, or no system's path.
    """
    if not value.strip() or "\0" in value:
        raise SettingError(name, repr(value), "a path", "Name a file or folder; `.` is the one you are in.")
    return Path(value)


def _where(words: Sequence[str], fault: str) -> str:
    """Name the word or the config file that holds a name quoted in `fault`."""
    options = [word.split("=", 1)[0] for word in words if word.startswith("-")]
    configs = _configs(words)
    for name in quoted_names(fault):
        for option in options:
            if option.rpartition(".")[2] == name:
                return option
    # A flag is above every config: what is wrong is its own value.
    keys = [key.replace(".init_args", "") for key in _KEY.findall(fault)]
    for key in keys:
        for option in options:
            flag = option.lstrip("-").replace(".init_args", "").rstrip("+")
            if key == flag or key.startswith(f"{flag}."):
                return option
    names = quoted_names(fault) + [key.rpartition(".")[2] for key in keys]
    for name in names:
        for option in options:
            if name in re.split(r"[.-]", option):
                return option
    for name in names:
        for config in configs:
            text = config.read_text(encoding="utf-8", errors="replace")
            if re.search(rf"\b{re.escape(name)}\b", text):
                return str(config)
    return str(configs[-1]) if configs and "config" in fault else "command line"


def _flag_in(words: Sequence[str], fault: str) -> str | None:
    """Name the trainer's flag whose setting the fault is about, if any."""
    said = set(re.findall(r"\w+", fault))
    options = [word.split("=", 1)[0] for word in words if word.startswith("--trainer.")]
    return next((option for option in options if option.rpartition(".")[2] in said), None)


def _configs(words: Sequence[str]) -> list[Path]:
    given = [value for word, value in pairwise(words) if word in ("-c", "--config")]
    given += [word.partition("=")[2] for word in words if word.startswith(("-c=", "--config="))]
    return [Path(value) for value in given if Path(value).is_file()]


def _require_sections(config: Path) -> None:
    """Refuse a file that is no text, no YAML, or holds something else than settings."""
    try:
        content = load_yaml(config.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingError(config, short_message(str(error)), "YAML", "Correct the file.") from error
    except UnicodeDecodeError as error:
        raise SettingError(
            config,
            f"byte {error.object[error.start]:#04x} at position {error.start}, which is no UTF-8",
            "text in UTF-8",
            "Save the file as UTF-8, or name another one.",
        ) from error
    except OSError as error:
        raise SettingError(
            config, error.strerror or str(error), "a file that can be read", "Name another."
        ) from error
    if not isinstance(content, dict):
        raise SettingError(
            config, f"a {type(content).__name__}", "sections with settings", "Correct the file."
        )
    for section in SECTIONS:
        if not isinstance(content.get(section, {}), dict):
            found = f"{shown(content[section])} as `{section}`"
            raise SettingError(config, found, "settings by name", "Correct the file.")
