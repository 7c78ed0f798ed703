"""Configs are fragments that go together in any order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ecg_tl.files import read_regular
from ecg_tl.parsing import load_yaml
from ecg_tl.shipped import find_config, fragment_kinds, looks_like_a_name, refuse_pipe

SECTIONS = ("data", "model")


def classes_first(words: Sequence[str]) -> list[str]:
    """Name the class of data and of the model before a config that gives some of its settings and no class.

    The parser looks at one config after the other: settings such as those of `configs/protocol/` would belong
    to no class yet where the config that names it stands behind them. Everything else is as it was: of two
    configs that give one setting, the later wins.

    Args:
        words: Of the command line.
    """
    found = [(number, _content(path)) for number, path in _configs(words)]
    added: list[str] = []
    for section in SECTIONS:
        given = [(number, one.get(section)) for number, one in found]
        named = [(number, settings) for number, settings in given if isinstance(settings, dict)]
        classes = [(number, str(one["class_path"])) for number, one in named if "class_path" in one]
        flags = [number for number, word in enumerate(words) if word.partition("=")[0] == f"--{section}"]
        first = min((number for number, _ in named), default=None)
        if first is None or not classes or classes[0][0] == first or any(flag < first for flag in flags):
            continue
        added += [f"--{section}", classes[-1][1]]
    if not added:
        return list(words)
    # Behind the command, before the first config.
    start = found[0][0]
    return [*words[:start], *added, *words[start:]]


def located(words: Sequence[str], kinds: Sequence[str] | None = None) -> list[str]:
    """Put the path of its file in the place of each config that is named (`-c strict`).

    Args:
        words: Of the command line.
        kinds: Where a name may be from; `fragment_kinds()` if None.

    Raises:
        SettingError: If a config is neither a file nor the name of a shipped one, or is a pipe or a device.
    """
    changed = list(words)
    for number, config in _configs(words):
        if not looks_like_a_name(str(config)):
            with suppress(OSError):  # settings as they are, which are longer than a name can be
                refuse_pipe(config)
            continue
        found = str(find_config(config, fragment_kinds() if kinds is None else kinds))
        option, equals, _ = words[number].partition("=")
        if equals:
            changed[number] = f"{option}={found}"
        else:
            changed[number + 1] = found
    return changed


def _configs(words: Sequence[str]) -> list[tuple[int, Path]]:
    """List where configs stand among the words, and which file each is."""
    found = []
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option not in ("-c", "--config"):
            continue
        if not equals and number + 1 == len(words):
            continue
        found.append((number, Path(value if equals else words[number + 1])))
    return found


def _content(path: Path) -> dict[str, Any]:
    """Read a config; what cannot be read is the parser's to refuse."""
    try:
        content = load_yaml(read_regular(path).decode("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
