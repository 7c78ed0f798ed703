"""The plan as the study's folder keeps it: what each run is called, so that nobody plans again to know it.

It is written where a study is planned or run. A folder without it, or with that of other settings, is planned
anew, and so is one whose file is damaged: the plan follows from the settings, and nothing is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from ecg_tl.errors import EcgTlError
from ecg_tl.files import read_json, write_json
from ecg_tl.shipped import protocol
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.overlay import digest
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import ADDED, Plan, PlannedRun, RunKind, Selection
from ecg_tl.study.design.settings import StudySettings

FORMAT = 1
"""The only one that is read; to be raised when the same settings give other runs or ids."""

_PATHS = ("folder", "data_root", "store_dir", "watts", "kwh_price", "currency")
"""Settings that are part of no id: a study that was moved, or whose power is said, keeps its plan."""

_LATER = ("folds", "tuned")
"""Settings that came later: where they are not set, a plan that was kept without them is still that plan."""


def keep_plan(settings: StudySettings, plan: Plan) -> None:
    """Write what each run is called into the study's folder; nothing is kept where it cannot be written."""
    path = StudyFolder(Path(settings.folder)).plan
    runs = [run.describe() for run in plan.runs]
    content = {
        "format": FORMAT,
        "settings": _digest_of(settings),
        "runs": runs,
        "digest": digest(runs),  # a file that was damaged or edited is nobody's plan
    }
    with suppress(OSError, EcgTlError):
        if not path.is_file() or read_json(path) != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, content)


def planned_runs(settings: StudySettings) -> tuple[PlannedRun, ...]:
    """Give a study's runs without their configs, in the plan's order: as kept, or planned anew.

    Raises:
        SettingError: As `make_plan`, where nothing fit was kept.
    """
    kept = _read(StudyFolder(Path(settings.folder)).plan, _digest_of(settings))
    return make_plan(settings).runs if kept is None else kept


def _digest_of(settings: StudySettings) -> str:
    """Digest all that a plan follows from: the settings, and what the protocols lay below them."""
    asked = {name: value for name, value in asdict(settings).items() if name not in _PATHS}
    asked = {name: value for name, value in asked.items() if value or name not in _LATER}
    # `paper` is what a second opinion goes by.
    followed = {name: protocol(name) for name in ("strict", "paper", settings.protocol)}
    return digest([asked, followed])


def _read(path: Path, settings: str) -> tuple[PlannedRun, ...] | None:
    try:
        content = read_json(path)
    except (OSError, ValueError, EcgTlError):
        return None
    if (
        not isinstance(content, dict)
        or content.get("format") != FORMAT
        or content.get("settings") != settings
    ):
        return None
    runs = content.get("runs")
    if not isinstance(runs, list) or digest(runs) != content.get("digest") or not all(map(_is_run, runs)):
        return None
    return tuple(PlannedRun(**run) for run in runs)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


_HOLDS: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "kind": lambda value: value in get_args(RunKind),
    "dataset": _is_text,
    "upstream": _is_text_or_null,
    "network": _is_text,
    "arm": _is_text,
    "size": lambda value: value is None or _is_whole(value),
    "seed": _is_whole,
    "axes": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "protocol": lambda value: value in get_args(Selection),
    "needs": _is_text_or_null,
    "after": _is_text_or_null,
    "split": _is_whole,
    "upstream_seed": lambda value: value is None or _is_whole(value),
}


def _is_run(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _HOLDS.keys() - set(ADDED) <= value.keys() <= _HOLDS.keys()
        and all(_HOLDS[name](one) for name, one in value.items())
    )
