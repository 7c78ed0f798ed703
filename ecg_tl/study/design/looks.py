"""How often a study is looked at, and with how many seeds (or splits) each time: fixed before the first look.

`looks.json` in the study's folder says it, and how many looks were made; so a study that was killed goes on
with the same looks, and a report knows what its verdicts cost. See `ecg_tl.statistics.looks`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.files import read_json, write_json
from ecg_tl.statistics.looks import planned_looks, price_of
from ecg_tl.study.design.settings import StudySettings

LOOKS_FILE = "looks.json"

LOOKS = 3
"""At the study's own seeds, halfway, and at the most."""

MOST_TIMES = 3
"""As many seeds as the study has may be run, where nothing else is said."""

MOST = 1000
"""Seeds, or splits, that a study may have in the end."""

Unit = Literal["seeds", "splits"]
Ended = Literal["", "sure", "most"]


@dataclass(frozen=True)
class Looks:
    """The looks at one study.

    Attributes:
        unit: What is added: splits of a study that has several, else seeds.
        numbers: Of them at each look, rising; the last is the most that there may be.
        done: Looks that were made.
        ended: `sure` if a verdict was reached at the last look, `most` if all were made without one.
    """

    unit: Unit
    numbers: tuple[int, ...]
    done: int = 0
    ended: Ended = ""

    def price(self, look: int) -> float:
        """Give the price of a verdict at a look, counted from 0."""
        return price_of(self.numbers[: look + 1], self.numbers[-1])

    def settings(self, own: StudySettings, look: int) -> StudySettings:
        """Give the study as it is at a look: its own seeds and those after them, or so many splits."""
        number = self.numbers[look]
        if self.unit == "splits":
            return replace(own, splits=number)
        seeds = list(own.seeds)
        following = max(seeds) + 1
        while len(seeds) < number:
            seeds.append(following)
            following += 1
        return replace(own, seeds=tuple(seeds[:number]))


def plan_looks(own: StudySettings, most: int | None = None) -> Looks:
    """Plan the looks at a study; a study that was begun keeps those that it was begun with.

    Raises:
        SettingError: If the study was begun with others, or these cannot be.
        StoreError: If the file is damaged.
    """
    unit: Unit = "splits" if own.splits > 1 else "seeds"
    first = own.splits if unit == "splits" else len(own.seeds)
    if unit == "seeds" and any(block.seeds is not None for block in own.grid):
        raise SettingError(
            "--until sure",
            "a block of the grid with seeds of its own",
            "blocks that take the study's seeds, to which further ones are added",
            "Remove `seeds` from the blocks.",
        )
    limit = MOST_TIMES * first if most is None else most
    if not first < limit <= MOST:
        raise SettingError(
            "--most",
            f"{limit} {unit} of a study that begins with {first}",
            f"more than {first}, and {MOST} at most",
            "Give another number.",
        )
    planned = Looks(unit, planned_looks(first, limit, LOOKS))
    kept = kept_looks(Path(own.folder))
    if kept is None:
        return planned
    if most is None and (kept.unit, kept.numbers[0]) == (unit, first):
        return kept
    if (kept.unit, kept.numbers) != (planned.unit, planned.numbers):
        raise SettingError(
            Path(own.folder) / LOOKS_FILE,
            f"looks at {_words(kept)}, not at {_words(planned)}",
            "the looks that were planned before the first: others would not keep the error rate",
            "Leave `--most` and the study as they were, or give another folder.",
        )
    return kept


def _words(looks: Looks) -> str:
    return f"{', '.join(map(str, looks.numbers))} {looks.unit}"


def kept_looks(folder: Path) -> Looks | None:
    """Read the looks at a study; None of one that is not looked at so.

    Raises:
        StoreError: If the file is damaged.
    """
    path = folder / LOOKS_FILE
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not _is_sound(content):
        raise _damaged(path, "other content")
    return Looks(content["unit"], tuple(content["numbers"]), content["done"], content["ended"])


def keep_looks(folder: Path, looks: Looks) -> None:
    """Write them down.

    Raises:
        StoreError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / LOOKS_FILE, asdict(looks) | {"numbers": list(looks.numbers)})
    except OSError as error:
        remedy = "Free some space, or name a folder that can be written."
        raise StoreError(folder / LOOKS_FILE, str(error), "a folder for the study", remedy) from error


def as_looked_at(own: StudySettings) -> tuple[StudySettings, float]:
    """Give a study as it was at its last look, and what verdicts cost there; as it is where there are none.

    Raises:
        StoreError: If the file of its looks is damaged.
    """
    looks = kept_looks(Path(own.folder))
    if looks is None:
        return own, 1.0
    last = max(looks.done - 1, 0)
    return looks.settings(own, last), looks.price(last)


def _damaged(path: Path, found: str) -> StoreError:
    remedy = "Restore it from a copy: without it nobody knows how often the study was looked at."
    return StoreError(path, found, "the looks at a study, as `--until sure` writes them", remedy)


def _is_sound(content: Any) -> bool:
    if not isinstance(content, dict) or content.keys() != {"unit", "numbers", "done", "ended"}:
        return False
    numbers, done = content["numbers"], content["done"]
    whole = isinstance(numbers, list) and all(type(one) is int and 0 < one <= MOST for one in numbers)
    return (
        whole
        and bool(numbers)
        and numbers == sorted(set(numbers))
        and type(done) is int
        and 0 <= done <= len(numbers)
        and content["unit"] in ("seeds", "splits")
        and content["ended"] in ("", "sure", "most")
    )
