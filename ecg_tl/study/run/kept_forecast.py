"""That a study's configs were checked and what was measured, kept: planned again, it takes no PyTorch.

Both follow from the runs' configs, what is installed, the machine, and the files that the configs name. As
soon as one of these is another, configs are checked and data are divided anew. `ecg-tl study run` goes by
none of it.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecg_tl.errors import EcgTlError
from ecg_tl.files import read_json, write_json
from ecg_tl.installed import digest_of_installation
from ecg_tl.study.design.measured import SPEED_FILE, KnownOverlap, Measured, MeasuredSpeed, PartSizes
from ecg_tl.study.design.overlay import digest
from ecg_tl.study.design.runs import Plan, Run
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.run.hardware import count_cores, memory_bytes
from ecg_tl.trust import config_is_trusted

FORECAST_FILE = "forecast.json"
"""In the study's folder."""

MOST_FILES = 200_000
"""Of the folders that configs name; to look at more takes longer than PyTorch does to be imported."""

_LONGEST_PATH = 4096
_DEVICES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dri/renderD*")
_ENVIRONMENT = ("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "OMP_", "MKL_", "PYTORCH_", "ATEN_", "DNNL_")
"""Beginnings of the names of variables that say what a run may use of the machine."""


def basis_of(plan: Plan, asked: Mapping[str, Any]) -> str | None:
    """Digest all that checks and measurements follow from; None if that cannot be told, or is too much.

    Args:
        plan: The study's runs.
        asked: What the command was told beside.
    """
    if config_is_trusted():  # what it names is looked at by nobody
        return None
    try:
        states = list(_states(plan.runs))
        machine = [platform.node(), platform.machine(), count_cores(), memory_bytes()]
        machine += sorted(str(path) for pattern in _DEVICES for path in Path("/").glob(pattern[1:]))
        machine += sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(_ENVIRONMENT))
        runs = [[run.describe(), run.config, run.file] for run in plan.runs]
        return digest([digest_of_installation(), machine, str(Path.cwd()), runs, states, dict(asked)])
    except (OSError, EcgTlError):
        return None


def keep_forecast(
    settings: StudySettings, basis: str | None, checked: Iterable[str], measured: Measured
) -> None:
    """Write what was found into the study's folder; nothing is kept where it cannot be written.

    Args:
        settings: The study.
        basis: As `basis_of` gave it, before data were looked at.
        checked: Ids of the runs whose configs were checked.
        measured: What was measured.
    """
    if basis is None:
        return
    content = {
        "basis": basis,
        "speeds": _digest_of_speeds(settings),
        "checked": sorted(checked),
        "measured": asdict(measured),
    }
    with suppress(OSError, EcgTlError):
        write_json(Path(settings.folder) / FORECAST_FILE, content)


def kept_forecast(settings: StudySettings, basis: str | None, unfinished: Iterable[str]) -> Measured | None:
    """Return what was measured; None where that is not known, or other configs were checked.

    Args:
        settings: The study.
        basis: As `basis_of` gives it now.
        unfinished: Ids of the runs whose configs must have been checked.
    """
    if basis is None:
        return None
    try:
        content = read_json(Path(settings.folder) / FORECAST_FILE)
        if content["basis"] != basis or content["speeds"] != _digest_of_speeds(settings):
            return None
        if not set(unfinished) <= set(content["checked"]):
            return None
        kept = content["measured"]
        return Measured(
            seconds={str(run): _positive(value) for run, value in kept["seconds"].items()},
            sizes={
                str(run): PartSizes(**{part: int(sizes[part]) for part in ("train", "validation", "test")})
                for run, sizes in kept["sizes"].items()
            },
            absent={str(name): str(reason) for name, reason in kept["absent"].items()},
            speeds={
                str(name): MeasuredSpeed(_positive(speed["train"]), _positive(speed["evaluate"]))
                for name, speed in kept["speeds"].items()
            },
            concurrent=max(1, int(kept["concurrent"])),
            overlaps=tuple(
                KnownOverlap(**{part: str(one[part]) for part in ("upstream", "downstream", "words")})
                for one in kept["overlaps"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EcgTlError):
        return None


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{number} is no speed and no time")
    return number


def _digest_of_speeds(settings: StudySettings) -> str:
    """Digest the measured speeds: who removes them wants them measured anew."""
    try:
        return digest(read_json(Path(settings.folder) / SPEED_FILE))
    except (OSError, ValueError, EcgTlError):
        return ""


# What configs name ------------------------------------------------------------------------------------------


def _states(runs: Iterable[Run]) -> Iterator[list[Any]]:
    """Yield the state of every file that a run's config names, also below the folder of its records.

    Raises:
        OSError: If a folder cannot be read, or holds more than `MOST_FILES`.
    """
    named: set[str] = set()
    for run in runs:
        named.update(_named(run.config, ""))
        named.update([] if run.file is None else run.file[:1])
    left = MOST_FILES
    for name in sorted(named):
        path = Path(name)
        try:
            if not path.is_dir():
                yield [name, _state(path)]
                continue
        except (OSError, ValueError):  # a text that is no path
            continue
        for state in _below(path):
            left -= 1
            if left < 0:
                raise OSError(f"{path}: more than {MOST_FILES:,} files")
            yield state


def _named(content: Any, root: str) -> Iterator[str]:
    """Yield what may be a path, as it stands and below the folder of the records beside it."""
    if isinstance(content, Mapping):
        inner = content.get("root")
        root = inner if isinstance(inner, str) else root
        for key, value in content.items():
            if key != "store_dir":  # prepared from the rest
                yield from _named(value, root)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _named(value, root)
    elif isinstance(content, str) and 0 < len(content) <= _LONGEST_PATH and "\0" not in content:
        yield content
        if root and content != root:
            yield os.path.join(root, content)  # noqa: PTH118  (a text, which may be anything)


def _below(folder: Path) -> Iterator[list[Any]]:
    waiting = [str(folder)]
    while waiting:
        inner = waiting.pop()
        yield [inner]
        with os.scandir(inner) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    status = entry.stat()
                    yield [entry.path, status.st_size, status.st_mtime_ns]


def _state(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]
