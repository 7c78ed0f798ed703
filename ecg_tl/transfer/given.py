"""A transfer's settings as somebody gave them: as tables, by earlier names, or such as do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.errors import SettingError
from ecg_tl.transfer.groups import ForeignFile, Matching, Training
from ecg_tl.transfer.recipes import get_recipe
from ecg_tl.transfer.words import EARLIER, GROUPS, present, remark

Group = TypeVar("Group", ForeignFile, Matching, Training)


def made(kind: type[Group], given: Group | Mapping[str, Any]) -> Group:
    """Make a group of settings from a table; one that is made already stays."""
    return kind(**given) if isinstance(given, Mapping) else given


def with_earlier(
    earlier: dict[str, Any], recipe: str, file: ForeignFile, match: Matching, train: Training
) -> tuple[str, ForeignFile, Matching, Training]:
    """Put settings that were given by their earlier names where they belong."""
    unknown = [name for name in earlier if name not in EARLIER]
    if unknown:
        raise TypeError(f"TransferLearning has no setting {', '.join(unknown)}")
    rank_zero_info(remark(list(earlier)))
    given = present(earlier)
    groups = {"file": file, "match": match, "train": train}
    for name, kind in GROUPS.items():
        known = {one: getattr(groups[name], one) for one in kind.__dataclass_fields__}
        groups[name] = kind(**{**known, **given.get(name, {})})
    return (given.get("recipe", recipe), groups["file"], groups["match"], groups["train"])  # type: ignore[return-value]


def require_consistent(
    upstream: str | None, recipe: str, file: ForeignFile, match: Matching, train: Training
) -> None:
    """Refuse settings that do not go together.

    Raises:
        SettingError: Names the one that is to go.
    """
    said = get_recipe(recipe)
    l2_sp = penalty(recipe, train)
    if train.phases is not None and recipe != "full":
        raise SettingError(
            "transfer.train.phases", f"phases beside `recipe: {recipe}`", "one of them", "Remove one."
        )
    if l2_sp and said.l2_sp is None:
        raise SettingError(
            "transfer.train.l2_sp",
            f"{l2_sp} beside `recipe: {recipe}`",
            "no penalty: this recipe leaves what was loaded as it is",
            "Remove one.",
        )
    if said.new_head and match.head != "reset":
        raise SettingError(
            "match.head",
            f"{match.head} beside `recipe: {recipe}`",
            "reset: this recipe has a head of its own",
            "Remove it.",
        )
    if upstream is None and (
        file.prefix or file.renames or match.head != "reset" or match.reinit_last or l2_sp
    ):
        raise SettingError(
            "transfer.upstream",
            "null, with settings about an upstream",
            "a file, or none of prefix, renames, head, reinit_last, l2_sp",
            "Name the upstream, or remove these.",
        )


def penalty(recipe: str, train: Training) -> float:
    """Return the strength of the pull towards the upstream: as set, else the recipe's own."""
    return (get_recipe(recipe).l2_sp or 0.0) if train.l2_sp is None else train.l2_sp
