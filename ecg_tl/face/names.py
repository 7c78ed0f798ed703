"""A name out of a list, or one line with the nearest."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ecg_tl.errors import SettingError


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that fit a pattern such as `resnet*`."""
    return [name for name in names if fnmatchcase(name, pattern)]


def require_name(name: str, known: Iterable[str], what: str, where: str) -> None:
    """Refuse a name that is not known.

    Args:
        name: As it was given.
        known: All names.
        what: They are names of this.
        where: Is wrong, for the error.

    Raises:
        SettingError: With the nearest name.
    """
    names = list(known)
    if name in names:
        return
    near = get_close_matches(str(name), names, n=1)
    raise SettingError(
        where,
        f"{what} {name!r}",
        f"one of {', '.join(names)}",
        f"Did you mean {near[0]!r}?" if near else "Choose one of these.",
    )
