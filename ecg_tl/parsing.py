"""YAML as this project reads it, and what jsonargparse says of a wrong setting, in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from inspect import signature
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.limits import require_tree

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_jsonargparse_load = get_loader("yaml")

# What it says of the other ways in which a value might have been meant, and the value again.
_ASIDES = re.compile(
    r"Does not validate against any of the Union subtypes|Subtypes: |Errors:|"
    r"- Expected a <class 'NoneType'>|Given value type: |Given value: |"
    r"- Not a valid subclass of |Subclass types expect one of:|- a class path |- a dict with"
)
_NAMED = re.compile(r"'([\w.]+)'|--([\w.]+)")
_LONGEST = 500


def load_yaml(text: str) -> Any:
    """Read YAML as jsonargparse does, and refuse a key that a mapping has twice.

    YAML forbids it, and PyYAML keeps the last one in silence: of two arms of one name, one would be gone.

    Raises:
        yaml.YAMLError: If the text is no YAML, is nested too deep, or has a key twice.
    """
    try:
        _require_distinct_keys(yaml.compose(text, Loader=_LOADER))
        content = _jsonargparse_load(text)
    except RecursionError as error:
        raise yaml.YAMLError("values nested too deep") from error
    try:
        require_tree(content, "YAML")
    except SettingError as error:
        raise yaml.YAMLError(error.found) from error
    return content


def _require_distinct_keys(root: yaml.Node | None) -> None:
    seen: set[int] = set()  # an alias is its anchor's node again, also inside of itself
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in lines:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key.value!r} twice, in line {lines[key.value]} and in line "
                    f"{key.start_mark.line + 1}: one of them would be dropped",
                )
            lines[key.value] = key.start_mark.line + 1


set_loader("yaml", load_yaml, (yaml.YAMLError,))
"""For every parser of this process, LightningCLI's as well."""


def own_error(error: BaseException | None) -> EcgTlError | None:
    """Return this project's error behind one of the parser's; None if there is none."""
    while error is not None and not isinstance(error, EcgTlError):
        error = error.__cause__ or error.__context__
    return error


def short_message(message: str) -> str:
    """Put what the parser says over several lines into one, without what does not matter."""
    lines = (line.strip() for line in message.splitlines())
    text = " ".join(line.removeprefix("- ") for line in lines if line and not _ASIDES.match(line))
    text = text.rstrip(".")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def hint(fault: str, owners: Iterable[Callable[..., Any]], keys: Iterable[str] = ()) -> str:
    """Return `, such as NAME` for the known name that is nearest to one that `fault` quotes; else nothing.

    Args:
        fault: What the parser said.
        owners: Classes and functions whose parameters are known names.
        keys: Further ones.
    """
    known = {name for owner in owners for name in parameters(owner)}.union(keys)
    for name in quoted_names(fault):
        close = get_close_matches(name, known - {name}, n=1)
        if close and name not in known:
            return f", such as {close[0]}"
    return ""


def quoted_names(fault: str) -> list[str]:
    """Return the last part of each name that is quoted, or given as an option; the innermost first."""
    return [(quoted or option).rpartition(".")[2] for quoted, option in _NAMED.findall(fault)][::-1]


def parameters(owner: Callable[..., Any]) -> Iterator[str]:
    """Yield the names of what a function takes, or a class and those above it."""
    # A class hands `**kwargs` to the class above it.
    bases = getattr(owner, "__mro__", (owner,))
    for base in bases:
        if base is owner or "__init__" in vars(base):
            yield from signature(base).parameters
