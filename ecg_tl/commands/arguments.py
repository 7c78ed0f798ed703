"""What is wrong with a command line or a config file, in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError

from ecg_tl.errors import EcgTlError, SettingError

# What jsonargparse says of the other ways in which a value might have been meant, and the value again.
_ASIDES = re.compile(
    r"Does not validate against any of the Union subtypes|Subtypes: |Errors:|"
    r"- Expected a <class 'NoneType'>|Given value type: |Given value: "
)
_NAMED = re.compile(r"'([\w.]+)'|--([\w.]+)")
_LONGEST = 500


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
    try:
        yield
    except ValueError as error:
        # jsonargparse wraps what a class or its settings say while it makes them.
        own = _own_error(error)
        if own is None:
            raise
        raise own from error
    except ArgumentError as error:
        own = _own_error(error)
        if own is not None:
            raise own from error
        fault = _essence(str(error))
        raise SettingError(
            _where(words, fault),
            fault,
            "keys and values that the command knows" + _hint(fault, owners, keys),
            f"Correct it; `ecg-tl {command} --help` lists them.",
        ) from error


def _own_error(error: BaseException | None) -> EcgTlError | None:
    while error is not None and not isinstance(error, EcgTlError):
        error = error.__cause__ or error.__context__
    return error


def _essence(message: str) -> str:
    lines = (line.strip() for line in message.splitlines())
    told = " ".join(line.removeprefix("- ") for line in lines if line and not _ASIDES.match(line))
    told = told.rstrip(".")
    return told if len(told) <= _LONGEST else told[:_LONGEST] + " ..."


def _hint(fault: str, owners: Iterable[Callable[..., Any]], keys: Iterable[str]) -> str:
    known = {name for owner in owners for name in _parameters(owner)}.union(keys)
    for name in _names(fault):
        close = get_close_matches(name, known - {name}, n=1)
        if close and name not in known:
            return f", such as {close[0]}"
    return ""


def _parameters(owner: Callable[..., Any]) -> Iterator[str]:
    # A class hands `**kwargs` to the class above it.
    bases = getattr(owner, "__mro__", (owner,))
    for base in bases:
        if base is owner or "__init__" in vars(base):
            yield from signature(base).parameters


def _names(fault: str) -> list[str]:
    """Return the last part of each name that is quoted, or given as an option; the innermost first."""
    return [(quoted or option).rpartition(".")[2] for quoted, option in _NAMED.findall(fault)][::-1]


def _where(words: Sequence[str], fault: str) -> str:
    """Name the word or the config file that holds a name quoted in `fault`."""
    options = [word.split("=", 1)[0] for word in words if word.startswith("-")]
    configs = [
        Path(value) for word, value in pairwise(words) if word in ("-c", "--config") and Path(value).is_file()
    ]
    for name in _names(fault):
        for option in options:
            if name in re.split(r"[.-]", option):
                return option
        for config in configs:
            text = config.read_text(encoding="utf-8", errors="replace")
            if re.search(rf"\b{re.escape(name)}\b", text):
                return str(config)
    return str(configs[-1]) if configs and "config" in fault else "command line"
