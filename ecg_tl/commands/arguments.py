"""What is wrong with a command line or a config file, in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError

from ecg_tl.errors import SettingError
from ecg_tl.parsing import essence, hint, own_error, quoted_names


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
        own = own_error(error)
        if own is None:
            raise
        raise own from error
    except ArgumentError as error:
        own = own_error(error)
        if own is not None:
            raise own from error
        fault = essence(str(error))
        raise SettingError(
            _where(words, fault),
            fault,
            "keys and values that the command knows" + hint(fault, owners, keys),
            f"Correct it; `ecg-tl {command} --help` lists them.",
        ) from error


def _where(words: Sequence[str], fault: str) -> str:
    """Name the word or the config file that holds a name quoted in `fault`."""
    options = [word.split("=", 1)[0] for word in words if word.startswith("-")]
    configs = [
        Path(value) for word, value in pairwise(words) if word in ("-c", "--config") and Path(value).is_file()
    ]
    for name in quoted_names(fault):
        for option in options:
            if name in re.split(r"[.-]", option):
                return option
        for config in configs:
            text = config.read_text(encoding="utf-8", errors="replace")
            if re.search(rf"\b{re.escape(name)}\b", text):
                return str(config)
    return str(configs[-1]) if configs and "config" in fault else "command line"
